internal import SpoolCore

/// A lease the sender holds, and how far it is.
struct OpenLease: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The states, and the moves out of them.
    enum Phase: Sendable {
        /// A request with some or all of its open events is under way; `rest` is the doubt about the
        /// others. → `settling`, `inDoubt`.
        case sending(rest: Doubt?)
        /// Nobody knows whether its open events arrived. → `sending`, `settling`.
        case inDoubt(Doubt)
        /// A settlement waits for its commit. Committed → closed, or `inDoubt` with what is still open;
        /// refused by the disk → `unsettled`.
        case settling(Settlement, then: Doubt)
        /// The disk refused the settlement. → `settling`, with the same settlement, at `again`.
        case unsettled(Settlement, then: Doubt, again: Instant)
    }

    /// What is known about events that may have arrived.
    struct Doubt: Sendable {
        /// When something may be concluded from upstream's not knowing them, or be asked again.
        var resolveAt: Instant
        /// Whether they must not travel in the same company again.
        var splits = false
        /// Questions in a row that got no clear answer.
        var failures = 0
        /// Whether a question is under way.
        var isAsking = false
        /// The clear answers so far, by place.
        var findings: [Int: Finding] = [:]
    }

    let lease: Lease
    /// Places of the events that are not settled yet, ascending.
    var open: [Int]
    var phase: Phase

    init(_ lease: Lease, phase: Phase) {
        self.lease = lease
        self.open = Array(lease.events.indices)
        self.phase = phase
    }

    var kind: EventKind { lease.events[0].kind }

    var lanes: Set<Int64> { Set(lease.events.map(\.lane)) }

    var isSending: Bool {
        if case .sending = phase { true } else { false }
    }

    /// What is known of a log in its own words; nil for a body that names no reference.
    func facts(of place: Int) -> LogFacts? {
        lease.bytes.withUnsafeBytes { bytes in
            let body = UnsafeRawBufferPointer(rebasing: bytes[lease.events[place].body])
            return LogFacts(body).flatMap { $0.referenceID?.isEmpty == false ? $0 : nil }
        }
    }
}

/// A request under way.
struct OpenExchange: Sendable {
    /// What it is for.
    enum Purpose: Sendable {
        /// Delivers the events at these places of a lease.
        case delivery(lease: Int64, places: [Int])
        /// Asks about the event at this place of a lease.
        case question(lease: Int64, place: Int, LogFacts)
        /// Asks whether asking tells the truth.
        case examination
    }

    let purpose: Purpose
    /// The destination's stretch when it was sent.
    let stretch: Int
}

internal import SpoolCore

/// A lease the sender holds, and how far it is.
struct OpenLease: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The states, and the moves out of them.
    enum Phase: Sendable {
        /// Nothing of it was sent. Upstream is asked first for the ids of logs that its events name by
        /// reference, if there are any. → `sending`, `settling`.
        case resolving(Resolving)
        /// A request with some or all of its open events is under way; `rest` is the doubt about the
        /// others. → `settling`, `inDoubt`.
        case sending(rest: Doubt?)
        /// Nobody knows whether its open events arrived. → `sending`, `settling`.
        case inDoubt(Doubt)
        /// A settlement waits for its commit. Committed → closed, or `then` with what is still open;
        /// refused by the disk → `unsettled`.
        case settling(Settlement, then: Remainder)
        /// The disk refused the settlement. → `settling`, with the same settlement, at `again`.
        case unsettled(Settlement, then: Remainder, again: Instant)
    }

    /// What is left to do about events that a settlement does not name.
    enum Remainder: Sendable {
        case inDoubt(Doubt)
        case resolving(Resolving)

        var phase: Phase {
            switch self {
            case .inDoubt(let doubt): .inDoubt(doubt)
            case .resolving(let resolving): .resolving(resolving)
            }
        }
    }

    /// What is known about events that may have arrived.
    struct Doubt: Sendable {
        /// When something may be concluded from upstream's not knowing them.
        var believedAt: Instant
        /// When the next step may be taken: from ``believedAt`` on, later while questions fail.
        var resolveAt: Instant
        /// Whether they must not travel in the same company again: one of them may be what upstream stumbles
        /// over, and would take the others down each time.
        var splits = false
        /// Questions in a row that got no clear answer.
        var failures = 0
        /// Those of the last of them that were refusals.
        var refusals = 0
        /// Whether a question is under way.
        var isAsking = false
        /// The clear answers so far, by place.
        var findings: [Int: Finding] = [:]

        init(believedAt: Instant, splits: Bool = false) {
            self.believedAt = believedAt
            self.resolveAt = believedAt
            self.splits = splits
        }
    }

    /// With bodies until ``forgetBodies()``.
    private(set) var lease: Lease
    /// What is known of its logs, once their bodies are forgotten, by place.
    private var keptFacts: [Int: LogFacts]?
    /// Whether it tries what is parked.
    let isProbe: Bool
    /// Places of the events that are not settled yet, ascending.
    var open: [Int]
    var phase: Phase

    init(_ lease: Lease, phase: Phase, isProbe: Bool = false) {
        self.lease = lease
        self.isProbe = isProbe
        self.open = Array(lease.events.indices)
        self.phase = phase
    }

    var kind: EventKind { lease.events[0].kind }

    var lanes: Set<Int64> { Set(lease.events.map(\.lane)) }

    /// Whether a delivery is under way, or only waits for the ids it needs.
    var isDelivering: Bool {
        switch phase {
        case .resolving, .sending: true
        case .settling(_, then: .resolving), .unsettled(_, then: .resolving, _): true
        case .inDoubt, .settling, .unsettled: false
        }
    }

    /// Whether nobody knows what became of it, and nothing of it is under way.
    var isInDoubt: Bool { if case .inDoubt = phase { true } else { false } }

    /// What is known about those of its events that may have arrived and are in no settlement.
    var doubt: Doubt? {
        switch phase {
        case .inDoubt(let doubt): doubt
        case .sending(let rest): rest
        case .settling(let settlement, .inDoubt(let doubt)),
            .unsettled(let settlement, .inDoubt(let doubt), _):
            settlement.count < open.count ? doubt : nil
        case .resolving, .settling, .unsettled: nil
        }
    }

    /// Bytes of the body that carries the events at `places`, without what stands between them.
    func bodyBytes(of places: [Int]) -> Int {
        places.reduce(0) { $0 + lease.events[$1].body.count }
    }

    /// Whether its events can be sent as they are.
    var hasBodies: Bool { keptFacts == nil }

    /// Keeps no more of the bodies than questions need: many leases may be in doubt for long, each as large
    /// as the largest event.
    mutating func forgetBodies() {
        guard keptFacts == nil else { return }
        keptFacts = Dictionary(
            uniqueKeysWithValues: open.compactMap { place in
                facts(of: place).map { (place, $0) }
            })
        lease = Lease(
            id: lease.id, route: lease.route, bytes: [], events: lease.events,
            isRegrouped: lease.isRegrouped)
    }

    /// What is known of a log in its own words; nil for a body that names no reference.
    func facts(of place: Int) -> LogFacts? {
        if let keptFacts { return keptFacts[place] }
        return lease.bytes.withUnsafeBytes { bytes in
            let body = UnsafeRawBufferPointer(rebasing: bytes[lease.events[place].body])
            return LogFacts(body, of: kind).flatMap { $0.referenceID?.isEmpty == false ? $0 : nil }
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
        /// Asks for the id of the log that the event at this place of a lease names by reference.
        case resolution(lease: Int64, place: Int)
        /// Asks whether asking tells the truth.
        case examination
    }

    let purpose: Purpose
    /// The destination's stretch when it was sent.
    let stretch: Int
    /// When that was.
    let sentAt: ContinuousClock.Instant
}

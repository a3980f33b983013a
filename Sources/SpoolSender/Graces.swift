internal import SpoolCore

/// Since when upstream has said of events that it does not know what they name. It may only be late, so
/// they are tried for ``Limits/unknownCauseGrace`` from then on, however long they had waited before.
///
/// Not kept over restarts: what is tried again then is tried for as long anew.
struct Graces: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Events that are remembered; of more, the one that began first begins anew.
    static let countMax = 10_000

    private var begun: [EventSequence: Instant] = [:]

    /// Upstream does not know what the event names.
    mutating func begin(of sequence: EventSequence, at now: Instant) {
        guard begun[sequence] == nil else { return }
        if begun.count >= Self.countMax, let oldest = begun.min(by: { $0.value < $1.value }) {
            begun[oldest.key] = nil
        }
        begun[sequence] = now
    }

    /// Whether it has had its time.
    func isOver(of sequence: EventSequence, at now: Instant) -> Bool {
        begun[sequence].map { now - $0 >= Limits.unknownCauseGrace } ?? false
    }

    /// The event is gone.
    mutating func end(of sequence: EventSequence) { begun[sequence] = nil }
}

import Synchronization

/// What happened on the event streams since the start.
public final class EventStreamCounters: Sendable {
    private let refused = Atomic(0)
    private let deferred = Atomic(0)
    private let lost = Atomic(0)

    /// Lines that were refused, told to the client or kept as malformed.
    public var refusedLines: Int { refused.load(ordering: .relaxed) }
    /// Times a submission had to be tried again because the sink could not take it.
    public var deferrals: Int { deferred.load(ordering: .relaxed) }
    /// Lines that were read and neither accepted nor refused because the daemon stopped. No ack was
    /// given for them.
    public var lostLines: Int { lost.load(ordering: .relaxed) }

    func countRefused() { refused.add(1, ordering: .relaxed) }
    func countDeferral() { deferred.add(1, ordering: .relaxed) }
    func countLost(_ lines: Int) { lost.add(lines, ordering: .relaxed) }
}

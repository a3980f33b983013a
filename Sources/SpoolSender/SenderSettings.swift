public import SpoolCore

/// What the sender is told about its destination and its bounds. The defaults are those of ``Limits``.
public struct SenderSettings: Sendable {
    /// Whether upstream is the embedded archive: every refusal of it is believed.
    public var isArchive = false
    /// What to do about logs in doubt.
    public var inDoubt = InDoubt.Policy.ask
    /// How long after a lost answer upstream's not knowing an event is believed.
    public var inDoubtWait = Limits.inDoubtWait
    /// How long an answer may take once the connection stands.
    public var answerTimeout = Limits.answerTimeout
    /// How long a stop waits for outstanding answers.
    public var stopTimeout = Limits.stopTimeout
    /// Events of a batch.
    public var batchEventsMax = Limits.batchEventsMax
    /// Body bytes of a batch; a larger event travels alone.
    public var batchBytesMax = Limits.batchBytesMax
    /// How long a smaller batch waits for company.
    public var batchLinger = Limits.batchLinger
    /// Requests under way at a time: at first, and at most. The upper bound also limits the leases
    /// that are open at a time, those in doubt included.
    public var inFlight = Limits.inFlightStart...Limits.inFlightMax

    /// The default settings.
    public init() {}
}

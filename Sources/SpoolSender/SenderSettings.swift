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
    /// Whether any 2xx counts as delivered, even one without ids: for an upstream that answers so. What
    /// names a log delivered like that by its provisional id never learns upstream's.
    public var acceptsBare2xx = false
    /// Body bytes of a batch; a larger event travels alone.
    public var batchBytesMax = Limits.batchBytesMax
    /// How long a smaller batch waits for company.
    public var batchLinger = Limits.batchLinger
    /// Requests under way at a time: at first, and at most (`max_in_flight`). The upper bound also
    /// limits the leases that are open at a time; those in doubt have their own, ``doubtsMax``.
    public var inFlight = Limits.inFlightStart...Limits.inFlightMax

    /// Leases in doubt at a time. Each holds what is asked about in memory, so that there is no end of it
    /// without a bound; at the bound nothing new is sent before one of them is resolved. It is reached only
    /// where deliveries keep ending in doubt *and* questions keep failing.
    public static let doubtsMax = 32

    /// Bytes of bodies that are kept of leases in doubt, beside those of one lease, while asking has not yet
    /// proved itself.
    public static let doubtBytesMax = 32 << 20

    /// Leases that may be in doubt while no question is answered, for an hour or longer: those beyond
    /// ``doubtsMax`` are opened one at a time.
    public static let stuckDoubtsMax = 64

    /// The default settings.
    public init() {}
}

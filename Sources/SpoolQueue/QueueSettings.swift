public import SpoolCore

/// What the queue is told when it is opened.
public struct QueueSettings: Sendable {
    /// Live payload plus overhead beyond which nothing is accepted.
    public var bytesMax: Int64
    /// Free disk below which nothing is accepted.
    public var freeDiskBytesMin: Int64
    /// Bytes of dead letters, ``Limits/eventOverheadBytes`` for each included.
    public var deadBytesMax = Limits.deadBytesMax
    /// What is done when there is no room for more of them.
    public var deadOnFull = DeadOnFull.park
    /// Deliveries whose ids are kept.
    public var identitiesMax = Limits.identitiesMax
    /// Sessions named by reference whose ids are kept.
    public var sessionsMax = Limits.sessionsMax
    /// What is done when the spool is full.
    public var onFull = OnFull.refuse
    /// How old an event may grow unsent; nil: as old as it takes.
    public var ageMax: Duration?
    /// What is done with a log whose reference is known with other bytes.
    public var duplicateReferences = DuplicateReferences.accept
    /// The monotonic clock, by which the wall clock is judged.
    public var instant: @Sendable () -> ContinuousClock.Instant = { .now }
    /// Reads the free bytes of the spool's file system; nil when that cannot be known.
    public var freeDiskBytes: @Sendable () -> Int64?

    /// The documented defaults.
    public init(
        bytesMax: Int64 = Limits.spoolBytesMax, freeDiskBytesMin: Int64 = Limits.freeDiskBytesMin,
        freeDiskBytes: @escaping @Sendable () -> Int64? = { nil }
    ) {
        self.bytesMax = bytesMax
        self.freeDiskBytesMin = freeDiskBytesMin
        self.freeDiskBytes = freeDiskBytes
    }
}

public import SpoolCore

/// What the queue is told when it is opened.
public struct QueueSettings: Sendable {
    /// Live payload plus overhead beyond which nothing is accepted.
    public var bytesMax: Int64
    /// Free disk below which nothing is accepted.
    public var freeDiskBytesMin: Int64
    /// Deliveries whose ids are kept.
    public var identitiesMax = Limits.identitiesMax
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

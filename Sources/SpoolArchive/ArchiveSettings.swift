import SpoolCore

/// The bounds of an archive, with their defaults, and its test aid.
public struct ArchiveSettings: Sendable {
    /// Bytes of one request body: what the door takes, and room for the stamps and the array that
    /// the daemon puts around it. An event that was accepted must not be too large to arrive.
    public var bodyBytesMax = Limits.bodyBytesMax + (64 << 10)
    /// Bytes of logs, feedback and results together, with an overhead for each. Beyond it the
    /// oldest logs go, at most 500 a transaction more than it adds, and are counted.
    public var storedBytesMax: Int64 = 10 << 30
    /// Free disk below which nothing is stored: above the spool's own limit, so that events wait in
    /// the spool while it still has room for new ones.
    public var freeDiskBytesMin: Int64 = 1 << 30
    /// Seconds a client is asked to wait while nothing can be stored.
    public var retryAfterSeconds = 10
    /// Bytes that the logs of one listed page may hold.
    public var pageBytesMax: Int64 = 64 << 20
    /// A test aid: the file that gets one line for every request, see ``RequestRecord``; nil for
    /// none.
    public var recordPath: String?

    /// The documented defaults.
    public init() {}
}

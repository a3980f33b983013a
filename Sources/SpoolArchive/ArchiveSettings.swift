import SpoolCore

/// The bounds of an archive, with their defaults, and its test aid.
public struct ArchiveSettings: Sendable {
    /// Bytes of one request body: what the door takes, and room for the stamps and the array that
    /// the daemon puts around it. An event that was accepted must not be too large to arrive.
    public var bodyBytesMax = Limits.bodyBytesMax + (64 << 10)
    /// Bytes of logs, feedback, results and names of projects together, with an overhead for each.
    /// Beyond it the oldest logs go, at most 500 a transaction more than it adds, and are counted;
    /// and with them projects that hold none.
    public var storedBytesMax: Int64 = 10 << 30
    /// Free disk below which nothing is stored: above the spool's own limit, so that events wait in
    /// the spool while it still has room for new ones.
    public var freeDiskBytesMin: Int64 = 1 << 30
    /// Seconds a client is asked to wait while nothing can be stored.
    public var retryAfterSeconds = 10
    /// Bytes that the records of one listed page may hold, unless it is one record.
    public var pageBytesMax = 64 << 20
    /// Bytes of logs that one list may look through, for a search or a filter; beyond it the
    /// question must name a shorter time. About a second of reading.
    public var searchedBytesMax = 1 << 30
    /// Bytes that one list may keep of the logs it sorts, about 100 for each up to the end of its
    /// page and the values it sorts by; beyond half of it the page is refused.
    public var sortedBytesMax = 32 << 20
    /// Bytes that one step of a list reads or writes, and one log more: some milliseconds, after
    /// which other questions get their turn.
    public var stepBytesMax = 4 << 20
    /// Lists that walk at the same time; others wait for their turn.
    public var walkingMax = 4
    /// Whether a damaged file is set aside at the opening and a fresh archive begun. Only for whoever takes
    /// an archive of another ``ArchiveStatus/instanceID`` for another upstream; else the opening fails.
    public var setsDamagedAside = false
    /// A test aid: the file that gets one line for every request, see ``RequestRecord``; nil for
    /// none.
    public var recordPath: String?

    /// The documented defaults.
    public init() {}
}

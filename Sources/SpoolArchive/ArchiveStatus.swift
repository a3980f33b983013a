/// How much an archive holds.
public struct ArchiveStatus: Sendable, Equatable {
    /// The archive's own name, random, made with its file: ids learned from it belong to it alone.
    public let instanceID: String
    /// Logs stored now.
    public internal(set) var logs: Int64
    /// Their bytes with feedback, results, projects and overhead: what ``ArchiveSettings/storedBytesMax``
    /// bounds.
    public internal(set) var bytes: Int64
    /// Logs removed since the file was made, oldest first, to stay within that bound.
    public internal(set) var trimmed: Int64
}

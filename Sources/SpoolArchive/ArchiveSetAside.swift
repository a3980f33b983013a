/// Tells the operator that a damaged archive was set aside, and that a fresh one serves.
public struct ArchiveSetAside: Error, Sendable, CustomStringConvertible {
    let path: String
    /// The damaged file's new name.
    let kept: String
    /// SQLite's words.
    let damage: String

    /// What happened, to what, and what to do now.
    public var description: String {
        """
        \(path) is damaged (\(damage)) and is kept as \(kept); a fresh archive serves. Logs that were \
        delivered before are in the old file only: `sqlite3 \(kept) .recover` reads what can be read. \
        Delete it when you need it no more.
        """
    }
}

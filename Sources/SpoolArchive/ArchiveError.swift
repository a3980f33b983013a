internal import Glibc

/// Why an archive cannot be opened, or its record cannot be kept.
public enum ArchiveError: Error, Sendable, CustomStringConvertible {
    /// The directory cannot be made or written to.
    case directory(path: String, errno: Int32)
    /// There is no archive in the directory.
    case absent(path: String)
    /// An earlier version of the program wrote the file, and only a store brings it up to date.
    case outdated(path: String, found: Int, known: Int)
    /// SQLite cannot read the file; the text says how.
    case damaged(path: String, words: String)
    /// Another process has the archive open; the text is its pid, as far as known.
    case locked(path: String, holder: String)
    /// The record file cannot be written.
    case record(path: String, errno: Int32)

    /// What failed, on what, and what to do now.
    public var description: String {
        switch self {
        case .directory(let path, let errno):
            """
            The archive's file \(path) cannot be used: \(Self.words(errno)). \
            Make its directory writable for this user, or name another one with --state-dir.
            """
        case .absent(let path):
            """
            There is no archive at \(path). \
            Name the state directory of a daemon or of an archive with --state-dir.
            """
        case .outdated(let path, let found, let known):
            """
            \(path) has schema version \(found), and this program needs version \(known). \
            Start the daemon or `loopspool archive serve` on it once: that brings it up to date.
            """
        case .damaged(let path, let words):
            """
            The archive's file \(path) is damaged: \(words). \
            Put a copy in its place, or move it and its -wal away to start with an empty archive.
            """
        case .locked(let path, let holder):
            """
            Another process (\(holder)) has the archive of \(path) open. \
            Stop it, or name another directory with --state-dir.
            """
        case .record(let path, let errno):
            """
            The request record \(path) cannot be written: \(Self.words(errno)). \
            Name another file with --record, or leave it out.
            """
        }
    }

    private static func words(_ errno: Int32) -> String { String(cString: strerror(errno)) }
}

internal import Glibc

/// Why an archive cannot be opened, or its record cannot be kept.
public enum ArchiveError: Error, Sendable, CustomStringConvertible {
    /// The directory cannot be made or written to.
    case directory(path: String, errno: Int32)
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

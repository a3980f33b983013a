internal import Glibc
internal import SpoolArchive
internal import SpoolQueue
internal import SpoolSQLite
internal import SpoolServer

/// Why a daemon did not start, by what the operator has to do about it.
public enum StartFailure: Sendable {
    /// The settings are wrong.
    case settings
    /// Another process holds the spool or the archive.
    case held
    /// The disk is full, or refuses: it may not the next time.
    case disk
    /// A directory or file cannot be used.
    case directory
    /// An address is taken or not allowed.
    case address
    /// The database is newer than the program, of another one, or damaged.
    case database
    /// Anything else.
    case other

    /// Sorts an error thrown by a start.
    public init(_ error: any Error) {
        switch error {
        case is SettingsError: self = .settings
        case QueueError.held, ArchiveError.locked: self = .held
        case QueueError.unsalvaged: self = .disk
        case let error as SQLiteError where error.isOfTheDisk: self = .disk
        case QueueError.unusable(_, let errno, _) where Self.mayPass(errno): self = .disk
        case ArchiveError.directory(_, let errno) where Self.mayPass(errno): self = .disk
        case ArchiveError.record(_, let errno) where Self.mayPass(errno): self = .disk
        case let error as DirectoryError where Self.mayPass(error.errno): self = .disk
        case ArchiveError.damaged: self = .database
        case is DirectoryError, QueueError.unusable, is ArchiveError: self = .directory
        case is ListenError: self = .address
        case is DurableFileError, is SQLiteError, QueueError.damaged: self = .database
        default: self = .other
        }
    }

    /// Whether what the system refused is no matter of names or rights, and may succeed later.
    private static func mayPass(_ errno: Int32) -> Bool {
        [ENOSPC, EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, EINTR].contains(errno)
    }
}

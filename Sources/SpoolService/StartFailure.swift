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
        case is DirectoryError, QueueError.unusable, is ArchiveError: self = .directory
        case is ListenError: self = .address
        case is DurableFileError, is SQLiteError, QueueError.damaged, QueueError.unsalvaged:
            self = .database
        default: self = .other
        }
    }
}

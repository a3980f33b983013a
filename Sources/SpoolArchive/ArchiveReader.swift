import SpoolCore
import SpoolSQLite

/// `archive.db` on the thread that answers questions, beside the writer.
///
/// Its connection never writes and never checkpoints, so that the writer stays the only one that
/// does. Every statement is a read transaction of its own and ends after some rows: a long one
/// would keep the writer's log from starting anew (sqlite.org/wal.html, section 6).
final class ArchiveReader: ArchiveDatabase, GroupState {
    /// Opens the file that a store has made.
    init(path: String) throws {
        let connection = try Connection(path: path, access: .query)
        // The writer holds the file alone for a moment when it opens or closes it.
        try connection.execute("PRAGMA busy_timeout = 5000")
        super.init(connection)
    }

    func begin() throws {
        // Questions that come together share no snapshot: each begins and ends its own.
    }

    func commit() throws {}

    func upkeep() throws -> Bool { false }
}

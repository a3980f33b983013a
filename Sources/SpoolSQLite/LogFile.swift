internal import CSQLite

/// The write-ahead log as bytes, between two openings.
///
/// After a sync that failed, a kernel may keep the written pages, mark them clean, and report the next sync
/// as done although they never reached the disk ("PostgreSQL vs. fsync", FOSDEM 2019). A recovery would find
/// a whole transaction in such pages and add others behind it: acknowledged, and gone with the next power
/// cut, because a log is read only up to its first hole (sqlite.org/fileformat2.html, section 4.4). So
/// before a recovery the log's bytes are written once more and synced: what it then finds is on the disk.
enum LogFile {
    /// Writes the log's bytes over themselves and syncs them; nothing when there is no log. The file must
    /// be open in no connection that writes.
    static func settle(path: String, vfs: String?) throws(SQLiteError) {
        let code = shim_settle_file(vfs, path)
        guard code == SQLITE_OK else {
            throw SQLiteError(
                code: code, message: String(cString: sqlite3_errstr(code)),
                action: "syncing \(path) once more")
        }
    }
}

internal import CSQLite

/// One SQLite connection, used by one thread at a time.
///
/// SQLite's own mutexes are off (`SQLITE_OPEN_NOMUTEX`, sqlite.org/threadsafe.html): whoever owns the
/// connection serialises access, which a ``GroupCommitter`` does by keeping it on its own thread.
public final class Connection {
    /// How a file is opened.
    public enum Access: Sendable {
        /// Reads and writes; creates the file when missing.
        case readWrite
        /// Reads only, never checkpoints, not even at close: safe beside a writer in another connection.
        case query
        /// Reads the database alone, as if there were no log beside it, and leaves no file behind
        /// (`immutable=1`, sqlite.org/uri.html): what it says may be old, or torn by a crash.
        case alone
    }

    /// The path as given.
    public let path: String
    let handle: OpaquePointer

    /// Opens `path`. The file itself is created at the first write, with the process's umask.
    ///
    /// - Parameter vfs: the name of the VFS to use (sqlite.org/vfs.html); nil for the system's own.
    public init(
        path: String, access: Access = .readWrite, vfs: String? = nil
    ) throws(SQLiteError) {
        var handle: OpaquePointer?
        let flags =
            switch access {
            case .readWrite: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
            case .query: SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX
            case .alone: SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI
            }
        let name = access == .alone ? Self.uri(path) + "?immutable=1" : path
        let code = sqlite3_open_v2(name, &handle, flags, vfs)
        guard code == SQLITE_OK, let handle else {
            let words = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(handle)
            throw SQLiteError(code: code, message: words, action: "opening \(path)")
        }
        self.path = path
        self.handle = handle
        sqlite3_extended_result_codes(handle, 1)
        if access == .query {
            try execute("PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0")
            shim_no_checkpoint_on_close(handle)
        }
    }

    deinit {
        // Statements finalise themselves; close_v2 waits for the last of them.
        sqlite3_close_v2(handle)
    }

    /// Whether the file was renamed, removed or replaced since it was opened
    /// (`SQLITE_FCNTL_HAS_MOVED`, sqlite.org/c3ref/c_fcntl_begin_atomic_write.html).
    public var hasMoved: Bool {
        var moved: Int32 = 0
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved)
        return code == SQLITE_OK && moved != 0
    }

    /// The write-ahead log's path, as SQLite makes it of the database's. That of a symbolic link's target lies
    /// beside the target.
    public var logPath: String {
        // Safety: "main" is there, and the name is copied before the connection can go.
        String(cString: sqlite3_filename_wal(sqlite3_db_filename(handle, "main")))
    }

    /// A path as a URI, in which `%`, `?` and `#` mean something else (sqlite.org/uri.html, section 3.1).
    private static func uri(_ path: String) -> String {
        path.reduce(into: "file:") { uri, character in
            switch character {
            case "%": uri += "%25"
            case "?": uri += "%3f"
            case "#": uri += "%23"
            default: uri.append(character)
            }
        }
    }

    /// Runs one or more statements that take no values and return no rows.
    public func execute(_ sql: String) throws(SQLiteError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(code, sql) }
    }

    /// Compiles one statement to be kept and run many times.
    public func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        try Statement(sql, on: self)
    }

    /// The one integer that `sql` yields, for pragmas and counts; nil when it yields no row or NULL.
    public func integer(_ sql: String) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql)
        guard try statement.step() else { return nil }
        return statement.isNull(0) ? nil : statement.integer(0)
    }

    /// The one text that `sql` yields, for pragmas; nil when it yields no row or NULL.
    public func text(_ sql: String) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        guard try statement.step() else { return nil }
        return statement.isNull(0) ? nil : statement.text(0)
    }

    /// Whether a transaction is open; SQLite ends one by itself on some errors
    /// (sqlite.org/lang_transaction.html, section 3).
    public var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// Rows changed by the last statement.
    public var changes: Int { Int(sqlite3_changes64(handle)) }

    /// The rowid of the last insert.
    public var lastRowID: Int64 { sqlite3_last_insert_rowid(handle) }

    func error(_ code: Int32, _ action: String) -> SQLiteError {
        SQLiteError(code: code, message: String(cString: sqlite3_errmsg(handle)), action: action)
    }
}

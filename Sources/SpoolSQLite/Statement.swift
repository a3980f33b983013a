internal import CSQLite

/// A compiled statement, kept for the life of its connection.
///
/// Use: bind, then `run()` for a statement without rows, or `step()` while it returns true; both leave
/// the statement ready for the next use, `step()` when it returns false. Call ``reset()`` after leaving
/// rows unread, or a read transaction stays open.
public final class Statement {
    private let handle: OpaquePointer
    private let connection: Connection

    init(_ sql: String, on connection: Connection) throws(SQLiteError) {
        var handle: OpaquePointer?
        let code = sqlite3_prepare_v3(
            connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &handle, nil)
        guard code == SQLITE_OK, let handle else { throw connection.error(code, sql) }
        self.handle = handle
        self.connection = connection
    }

    deinit {
        sqlite3_finalize(handle)
    }

    // MARK: Values in; indexes from 1

    /// Binds an integer, or NULL.
    public func bind(_ index: Int32, _ value: Int64?) {
        let code =
            value.map { sqlite3_bind_int64(handle, index, $0) } ?? sqlite3_bind_null(handle, index)
        check(code, index)
    }

    /// Binds a text, or NULL.
    public func bind(_ index: Int32, _ value: String?) {
        guard var value else { return check(sqlite3_bind_null(handle, index), index) }
        let code = value.withUTF8 { utf8 in
            shim_bind_text_copy(handle, index, utf8.baseAddress, Int32(utf8.count))
        }
        check(code, index)
    }

    /// Binds bytes; SQLite keeps its own copy.
    public func bind(_ index: Int32, copying bytes: UnsafeRawBufferPointer) {
        check(shim_bind_blob_copy(handle, index, bytes.baseAddress, Int32(bytes.count)), index)
    }

    /// Binds bytes, or NULL; SQLite keeps its own copy.
    public func bind(_ index: Int32, _ bytes: [UInt8]?) {
        guard let bytes else { return check(sqlite3_bind_null(handle, index), index) }
        bytes.withUnsafeBytes { bind(index, copying: $0) }
    }

    /// Binds bytes without a copy: they must stay valid and unchanged until the statement was run and
    /// bound again, or reset.
    public func bind(_ index: Int32, borrowing bytes: UnsafeRawBufferPointer) {
        check(shim_bind_blob_static(handle, index, bytes.baseAddress, Int32(bytes.count)), index)
    }

    /// Binds a column of another statement's row, whatever its type.
    public func bind(_ index: Int32, from row: Statement, column: Int32) {
        check(sqlite3_bind_value(handle, index, sqlite3_column_value(row.handle, column)), index)
    }

    private func check(_ code: Int32, _ index: Int32) {
        // Safety: binding fails only for a wrong index, a running statement, or a value over 1 GB: all ours.
        precondition(code == SQLITE_OK, "binding value \(index) failed with code \(code)")
    }

    // MARK: Running

    /// Moves to the next row. False when there is none; the statement is then ready for its next use.
    public func step() throws(SQLiteError) -> Bool {
        let code = sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        let failure = code == SQLITE_DONE ? nil : connection.error(code, sql)
        sqlite3_reset(handle)
        if let failure { throw failure }
        return false
    }

    /// Runs a statement that yields no rows.
    public func run() throws(SQLiteError) {
        let hasRow = try step()
        precondition(!hasRow, "a statement without rows yielded one: \(sql)")
    }

    /// Forgets unread rows.
    public func reset() {
        sqlite3_reset(handle)
    }

    /// The statement's text, with its places for values.
    public var sql: String { String(cString: sqlite3_sql(handle)) }

    // MARK: Values out of the current row; columns from 0

    /// Whether the column is NULL.
    public func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    /// The column as an integer; 0 for NULL.
    public func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    /// The column as an integer, nil for NULL.
    public func optionalInteger(_ column: Int32) -> Int64? {
        isNull(column) ? nil : integer(column)
    }

    /// The column as text; empty for NULL.
    public func text(_ column: Int32) -> String {
        blob(column) { String(decoding: $0, as: UTF8.self) }
    }

    /// The column as text, nil for NULL.
    public func optionalText(_ column: Int32) -> String? {
        isNull(column) ? nil : text(column)
    }

    /// The column's bytes, valid inside `body` only; empty for NULL.
    public func blob<Result>(
        _ column: Int32, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let start = sqlite3_column_blob(handle, column)
        let count = Int(sqlite3_column_bytes(handle, column))
        return try body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    /// A copy of the column's bytes.
    public func bytes(_ column: Int32) -> [UInt8] {
        blob(column) { Array($0) }
    }
}

internal import CSQLite

/// What SQLite said no to.
///
/// Carries SQLite's extended result code (sqlite.org/rescode.html), its own words and the statement's
/// text. Bound values never appear in it: they are callers' payloads.
public struct SQLiteError: Error, Sendable, CustomStringConvertible {
    /// The extended result code, e.g. `SQLITE_IOERR_FSYNC`.
    public let code: Int32
    /// SQLite's words.
    public let message: String
    /// The statement or call that failed.
    public let action: String

    /// A failure of `action`.
    public init(code: Int32, message: String, action: String) {
        self.code = code
        self.message = message
        self.action = action
    }

    /// The primary code: the low eight bits of the extended one.
    public var primaryCode: Int32 { code & 0xff }

    /// Whether the disk is full (`SQLITE_FULL`).
    public var isDiskFull: Bool { primaryCode == SQLITE_FULL }

    /// Whether the file's content is to blame (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
    public var isCorruption: Bool { primaryCode == SQLITE_CORRUPT || primaryCode == SQLITE_NOTADB }

    /// Whether the disk or the circumstances are to blame, and not the file's content: no space, an I/O
    /// error, no permission, no memory, a file held by another.
    public var isOfTheDisk: Bool {
        [
            SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_NOMEM, SQLITE_BUSY,
            SQLITE_LOCKED, SQLITE_PERM, SQLITE_INTERRUPT, SQLITE_PROTOCOL,
        ].contains(primaryCode)
    }

    /// Whether a row was refused by the table's own rules (`SQLITE_CONSTRAINT`).
    public var isConstraint: Bool { primaryCode == SQLITE_CONSTRAINT }

    /// SQLite's words, its code, and the statement that failed; never a bound value.
    public var description: String {
        let words = "SQLite refused \(action): \(message) (code \(code))"
        guard isConstraint else { return words }
        return words + ". The disk is not to blame: report this as a defect of loopspool"
    }
}

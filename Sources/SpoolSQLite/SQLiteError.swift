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

    /// SQLite's words, its code, and the statement that failed; never a bound value.
    public var description: String {
        "SQLite refused \(action): \(message) (code \(code))"
    }
}

import SpoolCore
import SpoolSQLite

/// One connection to `archive.db` with its compiled statements, and all that only reads.
///
/// ``ArchiveStore`` is the one that writes, ``ArchiveReader`` the one that answers questions.
class ArchiveDatabase {
    /// The connection, of whoever made it.
    let connection: Connection
    private var statements: [String: Statement] = [:]

    /// Takes a connection to a file that has the schema of this program.
    init(_ connection: Connection) {
        self.connection = connection
    }

    // MARK: Statements

    /// The statement for this text, compiled once.
    func prepared(_ sql: String) throws -> Statement {
        if let statement = statements[sql] { return statement }
        let statement = try connection.prepare(sql)
        statements[sql] = statement
        return statement
    }

    /// The one integer that a query for a text yields.
    func integer(_ sql: String, _ text: String) throws -> Int64? {
        let query = try prepared(sql)
        query.bind(1, text)
        defer { query.reset() }
        return try query.step() ? query.integer(0) : nil
    }

    // MARK: Looking up

    /// The number of the project with this id.
    func project(id: String) throws -> Int64? {
        try integer("SELECT number FROM project WHERE id = ?", id)
    }

    /// The number of the session with this id.
    func session(id: String) throws -> Int64? {
        try integer("SELECT number FROM session WHERE id = ?", id)
    }

    /// The number of the log with this id.
    func logNumber(id: String) throws -> Int64? {
        try integer("SELECT number FROM log WHERE id = ?", id)
    }

    /// The number of the newest log with this reference.
    func logNumber(reference: String) throws -> Int64? {
        try integer(
            "SELECT number FROM log WHERE reference = ? ORDER BY number DESC LIMIT 1", reference)
    }
}

extension Statement {
    /// The column as a time.
    func time(_ column: Int32) -> Timestamp {
        Timestamp(milliseconds: integer(column))
    }

    /// A copy of the column's bytes, nil for NULL.
    func optionalBytes(_ column: Int32) -> [UInt8]? {
        isNull(column) ? nil : bytes(column)
    }
}

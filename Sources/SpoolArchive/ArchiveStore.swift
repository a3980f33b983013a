import SpoolCore
import SpoolSQLite

/// `archive.db` on the writer's thread: the one connection that makes all writes, reads and
/// checkpoints.
///
/// Every call belongs to an open transaction. A call that refuses has written nothing, so that one
/// bad request in a group never undoes its neighbours; a call that throws ends the group and this
/// object.
final class ArchiveStore: GroupState {
    /// What is stored, as of this transaction.
    var status: ArchiveStatus
    /// Where ids come from.
    var random: any RandomNumberGenerator

    private let connection: Connection
    private var statements: [String: Statement] = [:]
    private let storedBytesMax: Int64
    private let publish: @Sendable (ArchiveStatus) -> Void
    /// What the file says.
    private var committed: ArchiveStatus
    /// The newest log when the transaction began; nothing newer is trimmed in it.
    private var newestBefore: Int64 = 0

    /// Opens the file, or makes it.
    ///
    /// - Parameter publish: told the status at once and after each commit that changed it.
    init(
        path: String, storedBytesMax: Int64, random: any RandomNumberGenerator,
        publish: @escaping @Sendable (ArchiveStatus) -> Void
    ) throws {
        var random = random
        connection = try DurableFile.open(
            path: path, applicationID: ArchiveSchema.applicationID,
            migrations: ArchiveSchema.migrations)
        let instance = try connection.prepare(
            "INSERT INTO instance (number, id, logs, bytes, trimmed) VALUES (1, ?, 0, 0, 0) "
                + "ON CONFLICT DO NOTHING")
        instance.bind(1, ArchiveID.mint(.archive, using: &random))
        try instance.run()
        let row = try connection.prepare("SELECT id, logs, bytes, trimmed FROM instance")
        _ = try row.step()
        status = ArchiveStatus(
            instanceID: row.text(0), logs: row.integer(1), bytes: row.integer(2),
            trimmed: row.integer(3))
        row.reset()
        committed = status
        self.random = random
        self.storedBytesMax = storedBytesMax
        self.publish = publish
        publish(status)
    }

    // MARK: Transactions

    func begin() throws {
        try connection.execute("BEGIN IMMEDIATE")
        newestBefore = try connection.integer("SELECT max(number) FROM log") ?? 0
    }

    func commit() throws {
        // As much goes as came, and some more, so that under load the bound holds too.
        let added = max(0, status.logs - committed.logs)
        try trim(logsMax: added + Self.trimStepLogs)
        if status != committed {
            let save = try prepared("UPDATE instance SET logs = ?, bytes = ?, trimmed = ?")
            save.bind(1, status.logs)
            save.bind(2, status.bytes)
            save.bind(3, status.trimmed)
            try save.run()
        }
        try connection.execute("COMMIT")
        guard status != committed else { return }
        committed = status
        publish(status)
    }

    func upkeep() throws -> Bool {
        guard status.bytes > storedBytesMax, status.logs > 1 else { return false }
        try begin()
        try commit()
        return status.bytes > storedBytesMax && status.logs > 1
    }

    func rest() {
        // Nothing here waits for the end of a group.
    }

    // MARK: Trimming

    /// Logs that one transaction removes beyond those it added, so that no commit stalls the door.
    private static let trimStepLogs: Int64 = 500

    private struct Oldest {
        let number: Int64
        let project: Int64
        let session: Int64?
        let bytes: Int64
    }

    /// Removes the oldest logs, with their feedback and results, while there is too much.
    private func trim(logsMax: Int64) throws {
        guard status.bytes > storedBytesMax else { return }
        for log in try oldest(logsMax: logsMax) {
            guard status.bytes > storedBytesMax else { return }
            try remove(log)
        }
    }

    private func oldest(logsMax: Int64) throws -> [Oldest] {
        let query = try prepared(
            "SELECT number, project, session, bytes FROM log WHERE number <= ? "
                + "ORDER BY number LIMIT ?")
        // The newest log of all stays, however large: an archive of one log beats an empty one.
        query.bind(1, newestBefore - (status.logs == committed.logs ? 1 : 0))
        query.bind(2, logsMax)
        var logs: [Oldest] = []
        while try query.step() {
            logs.append(
                Oldest(
                    number: query.integer(0), project: query.integer(1),
                    session: query.optionalInteger(2), bytes: query.integer(3)))
        }
        return logs
    }

    private func remove(_ log: Oldest) throws {
        try run("DELETE FROM log WHERE number = ?", log.number)
        try run("UPDATE project SET logs = logs - 1 WHERE number = ?", log.project)
        if let session = log.session {
            try run(
                "DELETE FROM session WHERE number = ?1 "
                    + "AND NOT EXISTS (SELECT 1 FROM log WHERE session = ?1)", session)
        }
        status.logs -= 1
        status.bytes -= log.bytes
        status.trimmed += 1
    }

    // MARK: Statements

    /// The statement for this text, compiled once.
    func prepared(_ sql: String) throws -> Statement {
        if let statement = statements[sql] { return statement }
        let statement = try connection.prepare(sql)
        statements[sql] = statement
        return statement
    }

    /// Runs a statement that takes one integer.
    func run(_ sql: String, _ value: Int64) throws {
        let statement = try prepared(sql)
        statement.bind(1, value)
        try statement.run()
    }

    /// The one integer that a query for a text yields.
    func integer(_ sql: String, _ text: String) throws -> Int64? {
        let query = try prepared(sql)
        query.bind(1, text)
        defer { query.reset() }
        return try query.step() ? query.integer(0) : nil
    }

    /// The number of the row inserted last.
    var lastNumber: Int64 { connection.lastRowID }

    /// Adds bytes to a log's account and to the whole.
    func account(_ bytes: Int64, toLog number: Int64) throws {
        let update = try prepared("UPDATE log SET bytes = bytes + ?1 WHERE number = ?2")
        update.bind(1, bytes)
        update.bind(2, number)
        try update.run()
        status.bytes += bytes
    }
}

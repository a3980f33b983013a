import SpoolCore
import SpoolSQLite

/// `archive.db` on the writer's thread: the one connection that makes all writes and checkpoints.
///
/// Every call belongs to an open transaction. A call that refuses has written nothing, so that one
/// bad request in a group never undoes its neighbours; a call that throws ends the group and this
/// object.
final class ArchiveStore: ArchiveDatabase, GroupState {
    /// What is stored, as of this transaction.
    var status: ArchiveStatus
    /// Where ids come from.
    var random: any RandomNumberGenerator

    /// Bytes beyond which the oldest goes.
    let storedBytesMax: Int64
    private let publish: @Sendable (ArchiveStatus) -> Void
    /// What the file says.
    private var committed: ArchiveStatus
    /// The newest log and project when the transaction began; nothing newer is trimmed in it.
    private(set) var newestBefore: (log: Int64, project: Int64) = (0, 0)
    /// Logs that the transaction added.
    private var added: Int64 = 0
    /// Whether pages were given back that the file itself may still have.
    var hasShrunk = false

    /// Opens the file, or makes it, and brings it up to date.
    ///
    /// - Parameter publish: told the status at once and after each commit that changed it.
    init(
        path: String, storedBytesMax: Int64, random: any RandomNumberGenerator,
        publish: @escaping @Sendable (ArchiveStatus) -> Void
    ) throws {
        let connection = try DurableFile.open(
            path: path, applicationID: ArchiveSchema.applicationID,
            migrations: ArchiveSchema.migrations)
        var random = random
        status = try Self.instance(of: connection, using: &random)
        committed = status
        self.random = random
        self.storedBytesMax = storedBytesMax
        self.publish = publish
        super.init(connection)
        try listOldLogs()
        publish(status)
    }

    /// What the file says of itself; it is given a name when it has none.
    private static func instance(
        of connection: Connection, using random: inout any RandomNumberGenerator
    ) throws -> ArchiveStatus {
        let instance = try connection.prepare(
            "INSERT INTO instance (number, id, logs, bytes, trimmed) VALUES (1, ?, 0, 0, 0) "
                + "ON CONFLICT DO NOTHING")
        instance.bind(1, ArchiveID.mint(.archive, using: &random))
        try instance.run()
        let row = try connection.prepare("SELECT id, logs, bytes, trimmed FROM instance")
        _ = try row.step()
        return ArchiveStatus(
            instanceID: row.text(0), logs: row.integer(1), bytes: row.integer(2),
            trimmed: row.integer(3))
    }

    // MARK: Transactions

    func begin() throws {
        try connection.execute("BEGIN IMMEDIATE")
        newestBefore = (
            try connection.integer("SELECT max(number) FROM log") ?? 0,
            try connection.integer("SELECT max(number) FROM project") ?? 0
        )
        added = 0
    }

    func commit() throws {
        // As much goes as came, and some more, so that under load the bound holds too.
        try trim(atMost: added + Self.trimStep)
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

    func rest() {
        // Nothing here waits for the end of a group.
    }

    // MARK: Statements

    /// Runs a statement that takes integers.
    func run(_ sql: String, _ values: Int64?...) throws {
        let statement = try prepared(sql)
        for (index, value) in values.enumerated() { statement.bind(Int32(index + 1), value) }
        try statement.run()
    }

    /// The number of the row inserted last.
    var lastNumber: Int64 { connection.lastRowID }

    /// Adds a log of so many bytes to the whole.
    func countAdded(bytes: Int64) {
        added += 1
        status.logs += 1
        status.bytes += bytes
    }

    /// Takes a log of so many bytes from the whole.
    func countRemoved(bytes: Int64) {
        status.logs -= 1
        status.bytes -= bytes
    }

    /// Adds a project's bytes to the whole, or takes them from it.
    func countProject(bytes: Int64) {
        status.bytes += bytes
    }

    /// Adds bytes to a log's account and to the whole.
    func account(_ bytes: Int64, toLog number: Int64) throws {
        let update = try prepared("UPDATE log SET bytes = bytes + ?1 WHERE number = ?2")
        update.bind(1, bytes)
        update.bind(2, number)
        try update.run()
        status.bytes += bytes
    }
}

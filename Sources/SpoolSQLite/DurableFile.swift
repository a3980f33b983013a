/// One step of a schema's history. Never edited once released: a change is a new step.
public struct Migration: Sendable {
    /// The version the file has after the step: 1, 2, 3, …
    public let version: Int
    /// The statements of the step.
    public let sql: String

    /// The step to `version`.
    public init(version: Int, sql: String) {
        self.version = version
        self.sql = sql
    }
}

/// Why a database file cannot be used.
public enum DurableFileError: Error, Sendable, CustomStringConvertible {
    /// A later version of the program wrote it.
    case newer(path: String, found: Int, known: Int)
    /// It belongs to another program.
    case foreign(path: String, applicationID: Int64)
    /// A setting that durability rests on did not take.
    case refusedSetting(path: String, setting: String, found: String)

    /// What is wrong, with what, and what to do now.
    public var description: String {
        switch self {
        case .newer(let path, let found, let known):
            """
            \(path) has schema version \(found), and this program knows versions up to \(known). \
            Install the newer loopspool again, or move the file away to start with an empty one.
            """
        case .foreign(let path, let applicationID):
            """
            \(path) is a SQLite file of another program (application id \(applicationID)). \
            Point the state directory elsewhere.
            """
        case .refusedSetting(let path, let setting, let found):
            """
            \(path): SQLite answered \(found) to '\(setting)', so a commit would not be durable. \
            Put the state directory on a local file system that supports shared memory (not NFS).
            """
        }
    }
}

/// Opens database files the only way this program writes them.
public enum DurableFile {
    /// Opens `path` for writing, brings its schema up to date, and proves that commits are durable.
    ///
    /// - `auto_vacuum=INCREMENTAL` and 8 KiB pages must be set before the first table exists
    ///   (sqlite.org/pragma.html): the first lets the file shrink, the second measured best.
    /// - `journal_mode=WAL` with `synchronous=FULL`: the log is synced at every commit
    ///   (sqlite.org/wal.html), so a commit that returned survives a power cut. Both are read back.
    ///
    /// A crash between two migrations leaves the file at the version of the last whole one.
    /// What a recovery finds in the log may never have been synced, see ``LogFile``; so it is synced first.
    public static func open(
        path: String, applicationID: Int32, migrations: [Migration], vfs: String? = nil
    ) throws -> Connection {
        try LogFile.settle(path: path + "-wal", vfs: vfs)
        let connection = try Connection(path: path, vfs: vfs)
        try connection.execute("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL")
        try set("journal_mode", to: "WAL", reading: "wal", on: connection)
        try set("synchronous", to: "FULL", reading: "2", on: connection)
        try set("foreign_keys", to: "ON", reading: "1", on: connection)
        try connection.execute("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384")
        try connection.execute("PRAGMA wal_autocheckpoint = 1000")
        try migrate(connection, applicationID: applicationID, migrations)
        return connection
    }

    private static func set(
        _ setting: String, to value: String, reading expected: String, on connection: Connection
    ) throws {
        // journal_mode answers with a row, the others with none; both may be stepped as a query.
        _ = try connection.text("PRAGMA \(setting) = \(value)")
        let found = try connection.text("PRAGMA \(setting)") ?? "nothing"
        guard found == expected else {
            throw DurableFileError.refusedSetting(
                path: connection.path, setting: "PRAGMA \(setting) = \(value)", found: found)
        }
    }

    private static func migrate(
        _ connection: Connection, applicationID: Int32, _ migrations: [Migration]
    ) throws {
        precondition(
            migrations.map(\.version) == Array(1...migrations.count),
            "migrations are not 1, 2, 3, …")
        let version = Int(try connection.integer("PRAGMA user_version") ?? 0)
        let owner = try connection.integer("PRAGMA application_id") ?? 0
        guard owner == Int64(applicationID) || (owner == 0 && version == 0) else {
            throw DurableFileError.foreign(path: connection.path, applicationID: owner)
        }
        guard version <= migrations.count else {
            throw DurableFileError.newer(
                path: connection.path, found: version, known: migrations.count)
        }
        for migration in migrations.dropFirst(version) {
            try connection.execute("BEGIN IMMEDIATE")
            do {
                try connection.execute(migration.sql)
                try connection.execute("PRAGMA application_id = \(applicationID)")
                try connection.execute("PRAGMA user_version = \(migration.version)")
                try connection.execute("COMMIT")
            } catch {
                try? connection.execute("ROLLBACK")
                throw error
            }
        }
    }
}

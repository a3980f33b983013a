internal import Glibc
import SpoolCore
internal import SpoolSQLite

/// Writes what an archive holds as lines that `loopspool send` takes, so that it can move to
/// another upstream, also while a daemon has it open.
///
/// Each log comes before its children, then what was said about it: the outcome of its updates, its
/// feedback, its results. Lines name logs by `reference_id`, sessions by `session_reference_id` and
/// projects by name, because ids mean nothing elsewhere. What has no reference of its own gets one
/// made from its id, the same at every export, so that sending a file twice adds nothing.
///
/// What cannot move:
///
/// - the contents of logs with `save: false`, which never reached the archive;
/// - the parent of a log whose parent has been trimmed or deleted;
/// - a reference that several logs share, save for the newest of them, which is the one it means;
/// - ids and times of arrival of everything, the time of results, single steps of updates;
/// - sessions and projects without a log.
///
/// Ids of configs, datapoints, evaluations and evaluators stay as they are: they were never the
/// archive's.
///
/// Reading is done in statements that end after some rows, so that the writer's log is never kept
/// from starting anew; logs that arrive meanwhile are left for the next export.
public struct ArchiveExport {
    /// What was written, and what could not come along.
    public struct Summary: Sendable, Equatable {
        /// Lines of logs.
        public internal(set) var logs = 0
        /// Lines of updates.
        public internal(set) var updates = 0
        /// Lines of feedback.
        public internal(set) var feedback = 0
        /// Lines of evaluation results.
        public internal(set) var results = 0
        /// Logs whose contents were never stored (`save: false`).
        public internal(set) var unsaved = 0
        /// Logs that lost a parent which is no longer here.
        public internal(set) var orphans = 0
        /// Logs that lost their reference to a newer log.
        public internal(set) var renamed = 0
        /// Lines longer than the daemon takes.
        public internal(set) var oversized = 0
        /// Ids of logs that could not be read whole: they or what was said about them is missing.
        public internal(set) var damaged: [String] = []
    }

    private let database: ArchiveDatabase
    private let write: ([UInt8]) throws -> Void
    private var summary = Summary()

    /// Exports the archive of a directory.
    ///
    /// - Parameter write: gets each line with its line end. Nothing is held open while it runs.
    /// - Throws: ``ArchiveError``, `DurableFileError` or `SQLiteError`, each saying what to do, and
    ///   what `write` throws.
    public static func run(
        directory: String, write: @escaping ([UInt8]) throws -> Void
    ) throws -> Summary {
        var export = ArchiveExport(database: try open(directory + "/archive.db"), write: write)
        try export.run()
        return export.summary
    }

    private init(database: ArchiveDatabase, write: @escaping ([UInt8]) throws -> Void) {
        self.database = database
        self.write = write
    }

    private static func open(_ path: String) throws -> ArchiveDatabase {
        guard access(path, F_OK) == 0 else { throw ArchiveError.absent(path: path) }
        let connection = try Connection(path: path, access: .query)
        try connection.execute("PRAGMA busy_timeout = 5000")
        let owner = try connection.integer("PRAGMA application_id") ?? 0
        guard owner == ArchiveSchema.applicationID else {
            throw DurableFileError.foreign(path: path, applicationID: owner)
        }
        let version = Int(try connection.integer("PRAGMA user_version") ?? 0)
        let known = ArchiveSchema.migrations.count
        guard version <= known else {
            throw DurableFileError.newer(path: path, found: version, known: known)
        }
        guard version == known else {
            throw ArchiveError.outdated(path: path, found: version, known: known)
        }
        return ArchiveDatabase(connection)
    }

    // MARK: Writing

    private mutating func run() throws {
        let last = try database.connection.integer("SELECT max(number) FROM log") ?? 0
        var place: Int64 = 0
        while true {
            let logs = try database.exportedLogs(after: place, through: last)
            guard let end = logs.last?.log.number else { return }
            for (id, log) in logs { try write(log, id: id) }
            place = end
        }
    }

    private mutating func write(_ log: ExportedLog, id: String) throws {
        do {
            try put(try log.line(), counting: \.logs)
        } catch is JSONError {
            return summary.damaged.append(id)
        }
        if log.losses.contains(.contents) { summary.unsaved += 1 }
        if log.losses.contains(.parent) { summary.orphans += 1 }
        if log.losses.contains(.reference) { summary.renamed += 1 }
        if let line = log.updateLine() { try put(line, counting: \.updates) }
        try writeFeedback(of: log, id: id)
        try writeResults(of: log, id: id)
    }

    private mutating func writeFeedback(of log: ExportedLog, id: String) throws {
        var place: Int64 = 0
        while true {
            let page = try database.feedback(ofLog: log.number, id: id, after: place)
            for feedback in page.feedback {
                do {
                    try put(try log.line(of: feedback), counting: \.feedback)
                } catch is JSONError {
                    summary.damaged.append(id)
                }
            }
            guard let end = page.end else { return }
            place = end
        }
    }

    private mutating func writeResults(of log: ExportedLog, id: String) throws {
        var place: Int64 = 0
        while true {
            let page = try database.results(ofLog: log.number, id: id, after: place)
            for result in page.results { try put(log.line(of: result), counting: \.results) }
            guard let end = page.end else { return }
            place = end
        }
    }

    private mutating func put(
        _ line: [UInt8], counting count: WritableKeyPath<Summary, Int>
    ) throws {
        try write(line)
        summary[keyPath: count] += 1
        // The line end does not count.
        if line.count - 1 > Limits.bodyBytesMax { summary.oversized += 1 }
    }
}

import SpoolCore
import SpoolSQLite

/// The narrow rows and counters beside the logs: written with them, and removed with them.
extension ArchiveStore {
    /// Writes a log's row of the list.
    func list(
        _ number: Int64, project: Int64, _ facts: ListingFacts, receivedAt: Timestamp
    ) throws {
        let insert = try prepared(
            "INSERT INTO listing (log, project, created_at, source, model) VALUES (?, ?, ?, ?, ?)")
        insert.bind(1, number)
        insert.bind(2, project)
        insert.bind(3, (facts.createdAt ?? receivedAt).milliseconds)
        insert.bind(4, facts.source)
        insert.bind(5, facts.model)
        try insert.run()
    }

    /// Counts a new log where it belongs.
    func count(inProject project: Int64, session: Int64?, now: Timestamp) throws {
        try run(
            "UPDATE project SET logs = logs + 1, updated_at = ?2 WHERE number = ?1", project,
            now.milliseconds)
        guard let session else { return }
        try run(
            "UPDATE session SET logs = logs + 1, updated_at = ?2 WHERE number = ?1", session,
            now.milliseconds)
        try run(
            "UPDATE project_session SET logs = logs + 1 WHERE project = ?1 AND session = ?2",
            project, session)
        guard connection.changes == 0 else { return }
        try run("INSERT INTO project_session VALUES (?, ?, 1)", project, session)
        try run("UPDATE project SET sessions = sessions + 1 WHERE number = ?", project)
    }

    // MARK: Removing

    /// Removes logs, all or none, with their feedback and results.
    func removeLogs(ids: Set<String>) throws -> Result<Void, ArchiveRefusal> {
        var numbers: [Int64] = []
        var unknown: [String] = []
        for id in ids {
            if let number = try logNumber(id: id) {
                numbers.append(number)
            } else {
                unknown.append(id)
            }
        }
        guard unknown.isEmpty else {
            let names = unknown.sorted().joined(separator: ", ")
            return .failure(.unknown("no log with id \(names); nothing was deleted"))
        }
        for number in numbers { try remove(number) }
        return .success(())
    }

    /// Removes a log with all that was said about it, and its session with the last log in it;
    /// precondition: it is there.
    func remove(_ number: Int64) throws {
        let query = try prepared("SELECT project, session, bytes FROM log WHERE number = ?")
        query.bind(1, number)
        guard try query.step() else { preconditionFailure("there is no log \(number)") }
        let (project, session) = (query.integer(0), query.optionalInteger(1))
        let bytes = query.integer(2)
        query.reset()
        try run("DELETE FROM log WHERE number = ?", number)
        try run("UPDATE project SET logs = logs - 1 WHERE number = ?", project)
        if let session { try uncount(inProject: project, session: session) }
        countRemoved(bytes: bytes)
    }

    private func uncount(inProject project: Int64, session: Int64) throws {
        try run(
            "UPDATE project_session SET logs = logs - 1 WHERE project = ?1 AND session = ?2",
            project, session)
        try run(
            "DELETE FROM project_session WHERE project = ?1 AND session = ?2 AND logs = 0", project,
            session)
        if connection.changes > 0 {
            try run("UPDATE project SET sessions = sessions - 1 WHERE number = ?", project)
        }
        try run("UPDATE session SET logs = logs - 1 WHERE number = ?", session)
        try run("DELETE FROM session WHERE number = ? AND logs = 0", session)
    }

    // MARK: Version 1

    /// Logs whose rows are written by one transaction.
    private static let listStepLogs = 500

    /// Writes the rows of logs that version 1 stored. Done before anything else is stored, oldest
    /// first, in transactions of some logs each: after a crash the next start goes on.
    func listOldLogs() throws {
        while true {
            let old = try unlistedLogs()
            guard !old.isEmpty else { return }
            try connection.execute("BEGIN IMMEDIATE")
            for log in old {
                try list(
                    log.number, project: log.project, log.facts, receivedAt: log.receivedAt)
            }
            try connection.execute("COMMIT")
        }
    }

    private typealias OldLog = (
        number: Int64, project: Int64, receivedAt: Timestamp, facts: ListingFacts
    )

    private func unlistedLogs() throws -> [OldLog] {
        let query = try prepared(
            """
            SELECT number, project, received_at, body FROM log
            WHERE number > (SELECT coalesce(max(log), 0) FROM listing) ORDER BY number LIMIT ?
            """)
        query.bind(1, Int64(Self.listStepLogs))
        var logs: [OldLog] = []
        while try query.step() {
            // A damaged body is found out when the log is asked for; the others must be listed.
            let facts = query.blob(3) { body in
                (try? JSONPart(stored: body)).map { ListingFacts($0.members) } ?? ListingFacts()
            }
            logs.append((query.integer(0), query.integer(1), query.time(2), facts))
        }
        return logs
    }
}

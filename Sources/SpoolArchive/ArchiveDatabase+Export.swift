import SpoolCore
import SpoolSQLite

/// What an export reads: some rows a statement, in the order of arrival.
extension ArchiveDatabase {
    /// Logs, and bytes of logs, that one statement reads, and one log more.
    private static let pageLogs: Int64 = 500
    private static let pageBytes = 4 << 20

    /// The next logs with their ids, none after the last.
    ///
    /// - Parameter last: the newest log that is exported, which alone decides what a shared
    ///   reference means.
    func exportedLogs(
        after place: Int64, through last: Int64
    ) throws -> [(id: String, log: ExportedLog)] {
        let query = try prepared(Self.exportSQL)
        query.bind(1, place)
        query.bind(2, last)
        query.bind(3, Self.pageLogs)
        defer { query.reset() }
        var logs: [(id: String, log: ExportedLog)] = []
        var bytes = 0
        while bytes <= Self.pageBytes, try query.step() {
            let log = ExportedLog(query)
            logs.append((query.text(1), log))
            bytes += log.body.count + (log.output?.count ?? 0)
        }
        return logs
    }

    /// The next logs in the order of arrival, with their parents, sessions and projects.
    static var exportSQL: String {
        """
        SELECT log.number, log.id, log.reference, \(Self.isShared("log")),
            parent.id, parent.reference, \(Self.isShared("parent")), log.parent,
            session.id, session.reference, project.name,
            evaluation_id, evaluatee_id, datapoint_id,
            log.received_at, log.is_saved, log.output, log.error, log.duration, log.body
        FROM log JOIN project ON project.number = log.project
            LEFT JOIN session ON session.number = log.session
            LEFT JOIN log AS parent ON parent.number = log.parent
            LEFT JOIN evaluation_log ON evaluation_log.log = log.number
        WHERE log.number > ?1 AND log.number <= ?2 ORDER BY log.number LIMIT ?3
        """
    }

    /// Whether a later log has the same reference.
    private static func isShared(_ log: String) -> String {
        """
        EXISTS (SELECT 1 FROM log AS later WHERE later.reference = \(log).reference
            AND later.number > \(log).number AND later.number <= ?2)
        """
    }

    /// The next feedback of a log, and where it ends; no end after the last.
    func feedback(
        ofLog number: Int64, id: String, after place: Int64
    ) throws -> (feedback: [StoredFeedback], end: Int64?) {
        let query = try prepared(
            "SELECT number, id, received_at, body FROM feedback WHERE log = ? AND number > ? "
                + "ORDER BY number LIMIT ?")
        query.bind(1, number)
        query.bind(2, place)
        query.bind(3, Self.pageLogs)
        defer { query.reset() }
        var feedback: [StoredFeedback] = []
        var (bytes, end) = (0, Int64?.none)
        while bytes <= Self.pageBytes, try query.step() {
            let body = query.bytes(3)
            feedback.append(
                StoredFeedback(
                    id: query.text(1), logID: id, receivedAt: query.time(2), body: body))
            bytes += body.count
            end = query.integer(0)
        }
        return (feedback, end)
    }

    /// The next evaluation results of a log, and where they end; no end after the last.
    func results(
        ofLog number: Int64, id: String, after place: Int64
    ) throws -> (results: [StoredResult], end: Int64?) {
        let query = try prepared(
            """
            SELECT number, id, evaluation_id, evaluator_id, received_at, value, error, evaluatee_id
            FROM evaluation_result WHERE log = ? AND number > ? ORDER BY number LIMIT ?
            """)
        query.bind(1, number)
        query.bind(2, place)
        query.bind(3, Self.pageLogs)
        defer { query.reset() }
        var results: [StoredResult] = []
        var (bytes, end) = (0, Int64?.none)
        while bytes <= Self.pageBytes, try query.step() {
            let result = StoredResult(query, logID: id)
            results.append(result)
            bytes += (result.value?.count ?? 0) + (result.error?.count ?? 0)
            end = query.integer(0)
        }
        return (results, end)
    }
}

extension ExportedLog {
    /// A log from its row.
    fileprivate init(_ row: Statement) {
        let own = row.optionalText(2)
        let isShared = row.integer(3) == 1
        number = row.integer(0)
        reference = Self.reference(own, isShared: isShared, id: row.text(1))
        parentReference = row.optionalText(4).map {
            Self.reference(row.optionalText(5), isShared: row.integer(6) == 1, id: $0)
        }
        sessionReference = row.optionalText(8).map {
            Self.reference(row.optionalText(9), isShared: false, id: $0)
        }
        project = row.text(10)
        evaluation = row.optionalText(11).map {
            EvaluationPlace(
                evaluationID: $0, evaluateeID: row.optionalText(12), datapointID: row.text(13))
        }
        receivedAt = row.time(14)
        output = row.optionalBytes(16)
        error = row.optionalBytes(17)
        duration = row.optionalBytes(18)
        body = row.bytes(19)
        var losses: Losses = []
        if row.integer(15) == 0 { losses.insert(.contents) }
        if !row.isNull(7), row.isNull(4) { losses.insert(.parent) }
        if isShared { losses.insert(.reference) }
        self.losses = losses
    }
}

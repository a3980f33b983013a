import SpoolCore
import SpoolSQLite

extension ArchiveDatabase {
    /// The log with this id and all that was said about it.
    func storedLog(id: String) throws -> Result<StoredLog, ArchiveRefusal> {
        guard let number = try logNumber(id: id), let log = try storedLog(number) else {
            return .failure(.unknown("no log with id \(id)"))
        }
        return .success(log)
    }

    /// The log with this number and all that was said about it, as of one moment; nil when it is
    /// gone.
    func storedLog(_ number: Int64) throws -> StoredLog? {
        let query = try prepared(
            """
            SELECT log.id, project.id, project.name, session.id, log.received_at, log.updated_at,
                log.output, log.error, log.duration, evaluation_log.datapoint_id, log.body
            FROM log JOIN project ON project.number = log.project
                LEFT JOIN session ON session.number = log.session
                LEFT JOIN evaluation_log ON evaluation_log.log = log.number
            WHERE log.number = ?
            """)
        query.bind(1, number)
        guard try query.step() else { return nil }
        // As long as the row is not left, the next two queries see the same snapshot
        // (sqlite.org/isolation.html).
        defer { query.reset() }
        let id = query.text(0)
        return StoredLog(
            id: id, projectID: query.text(1), project: query.text(2),
            sessionID: query.optionalText(3), receivedAt: query.time(4), updatedAt: query.time(5),
            output: query.optionalBytes(6), error: query.optionalBytes(7),
            duration: query.optionalBytes(8), datapointID: query.optionalText(9),
            body: query.bytes(10), feedback: try feedback(ofLog: number, id: id),
            results: try results(ofLog: number, id: id))
    }

    private func feedback(ofLog number: Int64, id: String) throws -> [StoredFeedback] {
        let query = try prepared(
            "SELECT id, received_at, body FROM feedback WHERE log = ? ORDER BY number")
        query.bind(1, number)
        var feedback: [StoredFeedback] = []
        while try query.step() {
            feedback.append(
                StoredFeedback(
                    id: query.text(0), logID: id, receivedAt: query.time(1), body: query.bytes(2)))
        }
        return feedback
    }

    private func results(ofLog number: Int64, id: String) throws -> [StoredResult] {
        let query = try prepared(
            """
            SELECT number, id, evaluation_id, evaluator_id, received_at, value, error, evaluatee_id
            FROM evaluation_result WHERE log = ? ORDER BY number
            """)
        query.bind(1, number)
        var results: [StoredResult] = []
        while try query.step() { results.append(StoredResult(query, logID: id)) }
        return results
    }
}

extension StoredResult {
    /// A result from its row: number, id, evaluation, evaluator, time, value, error, evaluatee.
    init(_ row: Statement, logID: String) {
        self.init(
            id: row.text(1), logID: logID, evaluationID: row.text(2),
            evaluateeID: row.optionalText(7), evaluatorID: row.text(3), receivedAt: row.time(4),
            value: row.optionalBytes(5), error: row.optionalBytes(6))
    }
}

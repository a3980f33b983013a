import SpoolCore
import SpoolSQLite

/// One page of a project's logs, newest first.
struct LogPage {
    let logs: [StoredLog]
    /// Logs of the project.
    let total: Int64
}

extension ArchiveStore {
    /// The log with this id and all that was said about it.
    func storedLog(id: String) throws -> Result<StoredLog, ArchiveRefusal> {
        guard let number = try logNumber(id: id) else {
            return .failure(.unknown("no log with id \(id)"))
        }
        return .success(try storedLog(number))
    }

    /// A page of a project's logs, newest first by arrival.
    ///
    /// - Parameter bytesMax: a page whose logs hold more is refused, so that no answer fills the
    ///   memory; a page of one log is always given.
    func logs(
        ofProject id: String, page: Int, size: Int, bytesMax: Int64
    ) throws -> Result<LogPage, ArchiveRefusal> {
        guard let project = try project(id: id) else {
            return .failure(.unknown("no project with id \(id)"))
        }
        let query = try prepared(
            "SELECT number, bytes FROM log WHERE project = ? ORDER BY number DESC LIMIT ? OFFSET ?")
        query.bind(1, project)
        query.bind(2, Int64(size))
        let (offset, isBeyondAll) = page.multipliedReportingOverflow(by: size)
        query.bind(3, isBeyondAll ? .max : Int64(offset))
        var numbers: [Int64] = []
        var bytes: Int64 = 0
        while try query.step() {
            numbers.append(query.integer(0))
            bytes += query.integer(1)
        }
        guard bytes <= bytesMax || numbers.count == 1 else {
            var mistakes = Mistakes()
            mistakes.add(
                [.name("query"), .name("size")], .value,
                "the \(numbers.count) logs of this page hold \(bytes) bytes, more than "
                    + "\(bytesMax); ask for a smaller size")
            return .failure(.mistakes(mistakes))
        }
        let total = try prepared("SELECT logs FROM project WHERE number = ?")
        total.bind(1, project)
        defer { total.reset() }
        _ = try total.step()
        return .success(
            LogPage(logs: try numbers.map(storedLog), total: total.integer(0)))
    }

    /// The log with this number; precondition: it is there.
    func storedLog(_ number: Int64) throws -> StoredLog {
        let query = try prepared(
            """
            SELECT log.id, project.id, project.name, session.id, log.received_at, log.updated_at,
                log.output, log.error, log.duration, log.body
            FROM log JOIN project ON project.number = log.project
                LEFT JOIN session ON session.number = log.session
            WHERE log.number = ?
            """)
        query.bind(1, number)
        guard try query.step() else { preconditionFailure("log \(number) was there a moment ago") }
        defer { query.reset() }
        let id = query.text(0)
        return StoredLog(
            id: id, projectID: query.text(1), project: query.text(2),
            sessionID: query.optionalText(3), receivedAt: query.time(4), updatedAt: query.time(5),
            output: query.optionalBytes(6), error: query.optionalBytes(7),
            duration: query.optionalBytes(8), body: query.bytes(9),
            feedback: try feedback(ofLog: number, id: id),
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
            SELECT id, evaluation_id, evaluator_id, received_at, value, error
            FROM evaluation_result WHERE log = ? ORDER BY number
            """)
        query.bind(1, number)
        var results: [StoredResult] = []
        while try query.step() {
            results.append(
                StoredResult(
                    id: query.text(0), logID: id, evaluationID: query.text(1),
                    evaluatorID: query.text(2), receivedAt: query.time(3),
                    value: query.optionalBytes(4), error: query.optionalBytes(5)))
        }
        return results
    }
}

extension Statement {
    fileprivate func time(_ column: Int32) -> Timestamp {
        Timestamp(milliseconds: integer(column))
    }

    fileprivate func optionalBytes(_ column: Int32) -> [UInt8]? {
        isNull(column) ? nil : bytes(column)
    }
}

import SpoolCore
import SpoolSQLite

/// What is said about a log after it was stored: feedback, updates, evaluation results.
extension ArchiveStore {
    /// How a request names the log it changes.
    enum LogName {
        case id(String)
        /// Means the newest log with this reference.
        case reference(String)
    }

    // MARK: Feedback

    /// Stores feedback, all or none. An `unset` is kept like any other: what it took back stays
    /// readable.
    func addFeedback(
        _ drafts: [FeedbackDraft], _ form: BodyForm, now: Timestamp
    ) throws -> Result<[StoredFeedback], ArchiveRefusal> {
        var mistakes = Mistakes()
        var targets: [(number: Int64, id: String)] = []
        for (index, draft) in drafts.enumerated() {
            if let id = draft.dataID, let number = try logNumber(id: id) {
                targets.append((number, id))
            } else {
                mistakes.add(form.place(index, "data_id"), .unknown, "no such log")
            }
        }
        guard mistakes.isEmpty else { return .failure(.mistakes(mistakes)) }
        var stored: [StoredFeedback] = []
        for (draft, target) in zip(drafts, targets) {
            stored.append(try add(draft, toLog: target.number, id: target.id, now: now))
        }
        return .success(stored)
    }

    /// Stores one feedback about the log with this number and id.
    func add(
        _ draft: FeedbackDraft, toLog number: Int64, id logID: String, now: Timestamp
    ) throws -> StoredFeedback {
        let feedback = StoredFeedback(
            id: ArchiveID.mint(.feedback, using: &random), logID: logID, receivedAt: now,
            body: draft.body)
        let insert = try prepared(
            "INSERT INTO feedback (id, log, received_at, body) VALUES (?, ?, ?, ?)")
        insert.bind(1, feedback.id)
        insert.bind(2, number)
        insert.bind(3, now.milliseconds)
        insert.bind(4, feedback.body)
        try insert.run()
        try account(Self.effectOverheadBytes + Int64(feedback.body.count), toLog: number)
        return feedback
    }

    // MARK: Updates

    /// Changes what an update names and answers with the whole log. An empty update changes
    /// nothing.
    func update(
        _ name: LogName, _ draft: UpdateDraft, now: Timestamp
    ) throws -> Result<StoredLog, ArchiveRefusal> {
        let number: Int64?
        let refusal: String
        switch name {
        case .id(let id):
            number = try logNumber(id: id)
            refusal = "no log with id \(id)"
        case .reference(let reference):
            number = try logNumber(reference: reference)
            refusal = "no log with reference_id \(reference)"
        }
        guard let number else { return .failure(.unknown(refusal)) }
        if !draft.isEmpty { try apply(draft, toLog: number, now: now) }
        guard let log = try storedLog(number) else {
            preconditionFailure("log \(number) was there a moment ago")
        }
        return .success(log)
    }

    private func apply(_ draft: UpdateDraft, toLog number: Int64, now: Timestamp) throws {
        var draft = draft
        let query = try prepared(
            "SELECT is_saved, length(output), length(error), length(duration) FROM log "
                + "WHERE number = ?")
        query.bind(1, number)
        guard try query.step() else { preconditionFailure("log \(number) was there a moment ago") }
        // A log that asked not to be kept gets no output later either.
        if query.integer(0) == 0 { draft.output = nil }
        var growth: Int64 = 0
        for (column, value) in [(1, draft.output), (2, draft.error), (3, draft.duration)] {
            if let value { growth += Int64(value.count) - query.integer(Int32(column)) }
        }
        query.reset()
        let update = try prepared(
            """
            UPDATE log SET output = coalesce(?1, output), error = coalesce(?2, error),
                duration = coalesce(?3, duration), updated_at = ?4
            WHERE number = ?5
            """)
        update.bind(1, draft.output)
        update.bind(2, draft.error)
        update.bind(3, draft.duration)
        update.bind(4, now.milliseconds)
        update.bind(5, number)
        try update.run()
        try run(
            "UPDATE session SET updated_at = ?1 "
                + "WHERE number = (SELECT session FROM log WHERE number = ?2)",
            now.milliseconds, number)
        try account(growth, toLog: number)
    }

    // MARK: Evaluation results

    /// Stores a verdict on a log that answers a datapoint.
    func addResult(
        _ draft: ResultDraft, now: Timestamp
    ) throws -> Result<StoredResult, ArchiveRefusal> {
        var mistakes = Mistakes()
        let place: [Mistake.Step] = [.name("body"), .name("log_id")]
        guard let number = try logNumber(id: draft.logID) else {
            mistakes.add(place, .unknown, "no such log")
            return .failure(.mistakes(mistakes))
        }
        guard try hasDatapoint(number) else {
            mistakes.add(place, .value, "this log has no source_datapoint_id to be judged by")
            return .failure(.mistakes(mistakes))
        }
        let result = StoredResult(
            id: ArchiveID.mint(.result, using: &random), logID: draft.logID,
            evaluationID: draft.evaluationID, evaluateeID: draft.evaluateeID,
            evaluatorID: draft.evaluatorID, receivedAt: now, value: draft.result,
            error: draft.error)
        let insert = try prepared(
            """
            INSERT INTO evaluation_result (
                id, log, evaluation_id, evaluator_id, received_at, value, error, evaluatee_id)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """)
        insert.bind(1, result.id)
        insert.bind(2, number)
        insert.bind(3, result.evaluationID)
        insert.bind(4, result.evaluatorID)
        insert.bind(5, now.milliseconds)
        insert.bind(6, result.value)
        insert.bind(7, result.error)
        insert.bind(8, result.evaluateeID)
        try insert.run()
        let ids = [result.evaluationID, result.evaluatorID, result.evaluateeID ?? ""]
        let bytes =
            (result.value?.count ?? 0) + (result.error?.count ?? 0)
            + ids.reduce(0) { $0 + $1.utf8.count }
        try account(Self.effectOverheadBytes + Int64(bytes), toLog: number)
        return .success(result)
    }

    private func hasDatapoint(_ number: Int64) throws -> Bool {
        let query = try prepared("SELECT has_datapoint FROM log WHERE number = ?")
        query.bind(1, number)
        defer { query.reset() }
        return try query.step() && query.integer(0) == 1
    }

    /// What a feedback's or result's row and index entry take besides its values, about.
    private static let effectOverheadBytes: Int64 = 100
}

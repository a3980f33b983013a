import SpoolCore
import SpoolSQLite

/// What the answer to a new log says.
struct CreatedLog {
    let id: String
    let projectID: String
    let sessionID: String?
}

extension ArchiveStore {
    /// Stores logs, all or none, making projects and sessions that are named for the first time.
    ///
    /// A parent must have been stored by an earlier request. References are looked up in the whole
    /// archive, and one that several logs share means the newest of them.
    func addLogs(
        _ drafts: [LogDraft], _ form: BodyForm, now: Timestamp
    ) throws -> Result<[CreatedLog], ArchiveRefusal> {
        var mistakes = Mistakes()
        var parents: [Int64?] = []
        for (index, draft) in drafts.enumerated() {
            try check(draft, form, index, &mistakes)
            parents.append(try parent(of: draft, form, index, among: drafts, &mistakes))
        }
        guard mistakes.isEmpty else { return .failure(.mistakes(mistakes)) }
        var created: [CreatedLog] = []
        created.reserveCapacity(drafts.count)
        for (draft, parent) in zip(drafts, parents) {
            created.append(try add(draft, parent: parent, now: now))
        }
        return .success(created)
    }

    // MARK: Checking

    /// Checks that the project, the session and the logs of inline feedback are here.
    private func check(
        _ draft: LogDraft, _ form: BodyForm, _ index: Int, _ mistakes: inout Mistakes
    ) throws {
        if let id = draft.projectID, try project(id: id) == nil {
            mistakes.add(form.place(index, "project_id"), .unknown, "no such project")
        }
        if let id = draft.sessionID, try session(id: id) == nil {
            mistakes.add(form.place(index, "session_id"), .unknown, "no such session")
        }
        for feedback in draft.feedback {
            if let id = feedback.dataID, try logNumber(id: id) == nil {
                let place = form.place(index, "feedback") + feedback.place + [.name("data_id")]
                mistakes.add(place, .unknown, "no such log")
            }
        }
    }

    private func parent(
        of draft: LogDraft, _ form: BodyForm, _ index: Int, among drafts: [LogDraft],
        _ mistakes: inout Mistakes
    ) throws -> Int64? {
        if let id = draft.parentID {
            if let number = try logNumber(id: id) { return number }
            mistakes.add(form.place(index, "parent_id"), .unknown, "no such log")
        }
        if let reference = draft.parentReference {
            if let number = try logNumber(reference: reference) { return number }
            let isHere = !mistakes.isFull && drafts.contains { $0.reference == reference }
            mistakes.add(
                form.place(index, "parent_reference_id"), .unknown,
                isHere
                    ? "the parent stands in the same request; it must be logged in an earlier one"
                    : "no log with this reference_id")
        }
        return nil
    }

    // MARK: Adding

    private func add(_ draft: LogDraft, parent: Int64?, now: Timestamp) throws -> CreatedLog {
        let project = try project(of: draft, now: now)
        let session = try session(of: draft, now: now)
        let id = ArchiveID.mint(.log, using: &random)
        let bytes = Self.bytes(of: draft)
        let insert = try prepared(
            """
            INSERT INTO log (
                id, project, session, parent, reference, is_saved, has_datapoint,
                received_at, updated_at, bytes, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10)
            """)
        insert.bind(1, id)
        insert.bind(2, project.number)
        insert.bind(3, session?.number)
        insert.bind(4, parent)
        insert.bind(5, draft.reference)
        insert.bind(6, draft.isSaved ? 1 : 0)
        insert.bind(7, draft.hasDatapoint ? 1 : 0)
        insert.bind(8, now.milliseconds)
        insert.bind(9, bytes)
        insert.bind(10, draft.body)
        try insert.run()
        let number = lastNumber
        countAdded(bytes: bytes)
        try list(number, project: project.number, draft.facts, receivedAt: now)
        try count(inProject: project.number, session: session?.number, now: now)
        if let evaluation = draft.evaluation { try add(evaluation, toLog: number) }
        for feedback in draft.feedback {
            let target = try feedback.dataID.flatMap { try logNumber(id: $0) } ?? number
            _ = try add(feedback, toLog: target, id: feedback.dataID ?? id, now: now)
        }
        return CreatedLog(id: id, projectID: project.id, sessionID: session?.id)
    }

    private func add(_ evaluation: EvaluationPlace, toLog number: Int64) throws {
        let insert = try prepared(
            "INSERT INTO evaluation_log (log, evaluation_id, evaluatee_id, datapoint_id) "
                + "VALUES (?, ?, ?, ?)")
        insert.bind(1, number)
        insert.bind(2, evaluation.evaluationID)
        insert.bind(3, evaluation.evaluateeID)
        insert.bind(4, evaluation.datapointID)
        try insert.run()
    }

    /// What a log takes on disk, about: its body, what is copied out of it into rows and indexes,
    /// and the rows themselves.
    private static func bytes(of draft: LogDraft) -> Int64 {
        let copies = [
            draft.reference, draft.reference, draft.facts.source, draft.facts.model,
            draft.evaluation?.evaluationID, draft.evaluation?.evaluateeID,
            draft.evaluation?.datapointID,
        ]
        let copied = copies.reduce(0) { $0 + ($1?.utf8.count ?? 0) }
        return logOverheadBytes + Int64(draft.body.count + copied)
    }

    private static let logOverheadBytes: Int64 = 360

    // MARK: Projects and sessions

    /// A project or session as other rows name it, and as answers do.
    struct Named {
        let number: Int64
        let id: String
    }

    /// The project that a log goes to: `project_id` before `project`; made when the name is new.
    private func project(of draft: LogDraft, now: Timestamp) throws -> Named {
        if let id = draft.projectID, let number = try project(id: id) {
            return Named(number: number, id: id)
        }
        // Safety: a log without a project is refused by the contract, one with an unknown id above.
        let name = draft.project!
        return try project(name: name) ?? addProject(name: name, now: now)
    }

    /// The session that a log names, if any: a reference joins the session it started before.
    private func session(of draft: LogDraft, now: Timestamp) throws -> Named? {
        if let id = draft.sessionID, let number = try session(id: id) {
            return Named(number: number, id: id)
        }
        guard let reference = draft.sessionReference else { return nil }
        return try named("SELECT number, id FROM session WHERE reference = ?", reference)
            ?? addSession(reference: reference, now: now)
    }

    /// Makes a session. One without a reference is reached by its id alone.
    func addSession(reference: String? = nil, now: Timestamp) throws -> Named {
        let id = ArchiveID.mint(.session, using: &random)
        let insert = try prepared(
            "INSERT INTO session (id, reference, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)")
        insert.bind(1, id)
        insert.bind(2, reference)
        insert.bind(3, now.milliseconds)
        try insert.run()
        let number = lastNumber
        try forgetUnusedSessions(before: number - Self.sessionsUnusedMax)
        return Named(number: number, id: id)
    }

    /// Sessions without a log that are kept, about: nothing else bounds them.
    private static let sessionsUnusedMax: Int64 = 100_000

    /// Forgets some old sessions that nobody logs to: more than one, so that there are ever fewer.
    private func forgetUnusedSessions(before number: Int64) throws {
        try run(
            "DELETE FROM session WHERE number IN "
                + "(SELECT number FROM session WHERE logs = 0 AND number < ? LIMIT 2)", number)
    }

    private func project(name: String) throws -> Named? {
        try named("SELECT number, id FROM project WHERE name = ?", name)
    }

    private func addProject(name: String, now: Timestamp) throws -> Named {
        let id = ArchiveID.mint(.project, using: &random)
        let insert = try prepared(
            "INSERT INTO project (id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)")
        insert.bind(1, id)
        insert.bind(2, name)
        insert.bind(3, now.milliseconds)
        try insert.run()
        countProject(
            bytes: ArchiveSchema.projectOverheadBytes + 2 * Int64(name.utf8.count))
        return Named(number: lastNumber, id: id)
    }

    /// Makes a project whose name is new.
    func addProject(
        _ draft: ProjectDraft, now: Timestamp
    ) throws -> Result<StoredProject, ArchiveRefusal> {
        guard try project(name: draft.name) == nil else {
            var mistakes = Mistakes()
            mistakes.add(
                [.name("body"), .name("name")], .value,
                "a project of this name exists; find it with GET /projects?filter=")
            return .failure(.mistakes(mistakes))
        }
        return try storedProject(id: addProject(name: draft.name, now: now).id)
    }

    private func named(_ sql: String, _ text: String) throws -> Named? {
        let query = try prepared(sql)
        query.bind(1, text)
        defer { query.reset() }
        return try query.step() ? Named(number: query.integer(0), id: query.text(1)) : nil
    }
}

import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolSQLite
import SpoolServer

/// The archive's side of the v4 API: routes in, documented answers out.
///
/// Bodies are checked on the caller's thread, whole and before anything is stored; what needs the
/// store happens on its thread, and is answered after the commit. Questions go to the reader's
/// thread (`ArchiveAPI+Questions.swift`).
struct ArchiveAPI: HTTPApplication {
    /// Where the store lives.
    let committer: GroupCommitter<ArchiveStore>
    /// Where questions are answered.
    let reader: GroupCommitter<ArchiveReader>
    /// The team that all projects belong to.
    let teamID: String
    let settings: ArchiveSettings
    /// Which lists may walk.
    let turns: WalkTurns
    /// Free bytes on the archive's disk.
    let freeDiskBytes: @Sendable () -> Int64
    /// The wall clock.
    let now: @Sendable () -> Timestamp
    let record: RequestRecord?
    /// Told when the record fails.
    let report: @Sendable (any Error) -> Void

    typealias Reply = @Sendable (HTTPAnswer) -> Void

    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        // Also where the answer is known already, so that the record holds whole requests.
        .read(bytesMax: settings.bodyBytesMax)
    }

    func answer(_ request: HTTPRequest, _ reply: @escaping Reply) {
        let reply = recording(request, reply)
        let query = ArchiveQuery(request.query)
        switch ArchiveRoute.find(method: request.method, path: request.path) {
        case .unknownPath:
            let words = "\(request.path) is no path of the v4 API; check the base URL"
            reply(.detail(status: 501, words))
        case .otherMethods(let methods):
            var answer = HTTPAnswer.detail(
                status: 405, "\(request.path) does not take \(request.method)")
            answer.headers.append(("Allow", methods.joined(separator: ", ")))
            reply(answer)
        case .found(let route):
            do {
                try perform(route, request, query, reply)
            } catch {
                reply(error.answer)
            }
        }
    }

    // MARK: Operations

    private func perform(
        _ route: ArchiveRoute, _ request: HTTPRequest, _ query: ArchiveQuery,
        _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let name = "\(request.method) \(request.path)"
        switch route.operation {
        case .addLogs: try addLogs(request, reply)
        case .addFeedback: try addFeedback(request, reply)
        case .updateLog: try update(.id(route.id), request, reply)
        case .updateLogByReference:
            try update(.reference(try required("reference_id", query)), request, reply)
        case .deleteLogs: try deleteLogs(query, reply)
        case .addSession: addSession(reply)
        case .addProject: try addProject(request, reply)
        case .addEvaluationLog: try addEvaluationLog(evaluation: route.id, query, request, reply)
        case .addEvaluationResult: try addResult(evaluation: route.id, query, request, reply)
        case .getLog: getLog(route.id, reply)
        case .listLogs: try listLogs(query, reply)
        case .getSession: getSession(route.id, reply)
        case .listSessions: try listSessions(query, reply)
        case .getProject: getProject(route.id, reply)
        case .listProjects: try listProjects(query, reply)
        case .exportProject: try exportProject(route.id, query, reply)
        case .elsewhere(let what): reply(.detail(status: 501, "\(name) \(what.words)"))
        case .outOfService:
            reply(.detail(status: 501, "\(name) was taken out of service by the v4 API itself"))
        }
    }

    private func addLogs(
        _ request: HTTPRequest, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let (drafts, form) = try ArchiveBody.logs(request.body)
        commit(status: 200, reply) { [now] store in
            try store.addLogs(drafts, form, now: now())
        } answer: { writer, logs in
            writer.elements(logs, form) { $0.createdLog($1) }
        }
    }

    private func addFeedback(
        _ request: HTTPRequest, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let (drafts, form) = try ArchiveBody.feedback(request.body)
        commit(status: 200, reply) { [now] store in
            try store.addFeedback(drafts, form, now: now())
        } answer: { writer, feedback in
            try writer.elements(feedback, form) { try $0.feedback($1) }
        }
    }

    private func update(
        _ name: ArchiveStore.LogName, _ request: HTTPRequest, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let draft = try ArchiveBody.update(request.body)
        commit(status: 200, stores: !draft.isEmpty, reply) { [now] store in
            try store.update(name, draft, now: now())
        } answer: { writer, log in
            try writer.log(log)
        }
    }

    private func addSession(_ reply: @escaping Reply) {
        commit(status: 201, reply) { [now] store in
            .success(try store.addSession(now: now()))
        } answer: { writer, session in
            writer.beginObject()
            writer.member("id", session.id)
            writer.endObject()
        }
    }

    private func addEvaluationLog(
        evaluation: String, _ query: ArchiveQuery, _ request: HTTPRequest,
        _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let draft = try ArchiveBody.evaluationLog(
            request.body, evaluation: evaluation, evaluatee: query["evaluatee_id"])
        commit(status: 201, reply) { [now] store in
            try store.addLogs([draft], .insideLog, now: now())
        } answer: { writer, logs in
            writer.elements(logs, .insideLog) { $0.createdLog($1) }
        }
    }

    private func addResult(
        evaluation: String, _ query: ArchiveQuery, _ request: HTTPRequest,
        _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let draft = try ArchiveBody.result(
            request.body, evaluation: evaluation, evaluatee: query["evaluatee_id"])
        commit(status: 201, reply) { [now] store in
            try store.addResult(draft, now: now())
        } answer: { writer, result in
            writer.result(result)
        }
    }

    private func addProject(
        _ request: HTTPRequest, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let draft = try ArchiveBody.project(request.body)
        commit(status: 201, reply) { [now] store in
            try store.addProject(draft, now: now())
        } answer: { [teamID] writer, project in
            writer.project(project, teamID: teamID)
        }
    }

    private func deleteLogs(
        _ query: ArchiveQuery, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        _ = try required("id", query)
        let ids = Set(query.all("id"))
        // On a full disk too: it makes room.
        commit(status: 204, stores: false, reply) { store in
            try store.removeLogs(ids: ids)
        } answer: { _, _ in
        }
    }

    private func required(
        _ name: String, _ query: ArchiveQuery
    ) throws(ArchiveBody.Refused) -> String {
        var mistakes = Mistakes()
        let value = query.required(name, &mistakes)
        guard mistakes.isEmpty else { throw ArchiveBody.Refused(mistakes) }
        return value
    }

    // MARK: Store

    /// Does work in the store's next transaction and answers when that is committed.
    ///
    /// - Parameter stores: false for what takes no room, and so is done on a full disk too.
    private func commit<Outcome>(
        status: Int, stores: Bool = true, _ reply: @escaping Reply,
        _ work: @escaping @Sendable (ArchiveStore) throws -> Result<Outcome, ArchiveRefusal>,
        answer write: @escaping @Sendable (inout JSONWriter, Outcome) throws -> Void
    ) {
        let free = stores ? freeDiskBytes() : .max
        guard free >= settings.freeDiskBytesMin else {
            return reply(
                unavailable(
                    "the archive's disk has \(free) bytes left and nothing is stored below "
                        + "\(settings.freeDiskBytesMin); make room there"))
        }
        committer.submit { store in
            let answer = HTTPAnswer(try work(store), status: status, write)
            return { reply(answer) }
        } orElse: { failure in
            switch failure {
            case .refused(let words), .contradicted(let words):
                // Not 503, which says that nothing was kept: a commit that failed may have reached
                // the disk.
                reply(
                    .detail(
                        status: 500,
                        "the archive failed while it stored this, so it may be there or not; ask "
                            + "for it by reference_id before sending it again: \(words)"))
            case .stopped, .withdrawn:
                reply(unavailable("the archive is stopping; send this again"))
            }
        }
    }

    /// 503 with the time after which to try again.
    func unavailable(_ text: String) -> HTTPAnswer {
        var answer = HTTPAnswer.detail(status: 503, text)
        answer.headers.append(("Retry-After", "\(settings.retryAfterSeconds)"))
        return answer
    }

    // MARK: Record

    /// A reply that writes the request's line first.
    private func recording(_ request: HTTPRequest, _ reply: @escaping Reply) -> Reply {
        guard let record else { return reply }
        return { [now, report] answer in
            do {
                try request.body.withUnsafeReadableBytes { body in
                    try record.write(
                        time: now(), method: request.method,
                        target: request.path + (request.query.map { "?" + $0 } ?? ""), body: body,
                        status: answer.status, answer: answer.body)
                }
            } catch {
                report(error)
            }
            reply(answer)
        }
    }
}

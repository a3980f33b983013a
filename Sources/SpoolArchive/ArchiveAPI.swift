import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolSQLite
import SpoolServer

/// The archive's side of the v4 API: routes in, documented answers out.
///
/// Bodies are checked on the caller's thread, whole and before anything is stored; what needs the
/// store happens on its thread, and is answered after the commit.
struct ArchiveAPI: HTTPApplication {
    /// Where the store lives.
    let committer: GroupCommitter<ArchiveStore>
    let settings: ArchiveSettings
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
        case .addSession: addSession(reply)
        case .addEvaluationLog: try addEvaluationLog(request, reply)
        case .addEvaluationResult: try addResult(evaluation: route.id, request, reply)
        case .getLog: getLog(route.id, reply)
        case .listLogs: try listLogs(query, reply)
        case .needsModel:
            reply(
                .detail(
                    status: 501,
                    "\(name) calls a model provider, which only the hosted service could do; "
                        + "call the provider from the app and send what came back with POST /logs"))
        case .notBuilt:
            reply(
                .detail(
                    status: 501,
                    "\(name) is an operation of the hosted service that this archive does not "
                        + "have; it takes logs, feedback, sessions and evaluation results, and "
                        + "serves GET /logs"))
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
        _ request: HTTPRequest, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let draft = try ArchiveBody.evaluationLog(request.body)
        commit(status: 201, reply) { [now] store in
            try store.addLogs([draft], .insideLog, now: now())
        } answer: { writer, logs in
            writer.elements(logs, .insideLog) { $0.createdLog($1) }
        }
    }

    private func addResult(
        evaluation: String, _ request: HTTPRequest, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let draft = try ArchiveBody.result(request.body, evaluation: evaluation)
        commit(status: 201, reply) { [now] store in
            try store.addResult(draft, now: now())
        } answer: { writer, result in
            writer.result(result)
        }
    }

    private func getLog(_ id: String, _ reply: @escaping Reply) {
        commit(status: 200, stores: false, reply) { store in
            try store.storedLog(id: id)
        } answer: { writer, log in
            try writer.log(log)
        }
    }

    private func listLogs(
        _ query: ArchiveQuery, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        var mistakes = Mistakes()
        let project = query.required("project_id", &mistakes)
        let page = query.integer("page", absent: 0, in: 0...Int.max, &mistakes)
        let size = query.integer("size", absent: 50, in: 1...1000, &mistakes)
        guard mistakes.isEmpty else { throw ArchiveBody.Refused(mistakes) }
        commit(status: 200, stores: false, reply) { [settings] store in
            try store.logs(
                ofProject: project, page: page, size: size, bytesMax: settings.pageBytesMax)
        } answer: { writer, result in
            writer.beginObject()
            writer.key("records")
            try writer.array(result.logs) { try $0.log($1) }
            writer.key("page")
            writer.int(page)
            writer.key("size")
            writer.int(size)
            writer.key("total")
            writer.int(result.total)
            writer.endObject()
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
    /// - Parameter stores: false for questions, which are answered on a full disk too.
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
            let answer: HTTPAnswer
            switch try work(store) {
            case .success(let outcome):
                answer = Self.answer(status: status) { try write(&$0, outcome) }
            case .failure(.mistakes(let mistakes)):
                answer = HTTPAnswer(status: 422, body: mistakes.body)
            case .failure(.unknown(let text)):
                answer = .detail(status: 404, text)
            }
            return { reply(answer) }
        } orElse: { failure in
            switch failure {
            case .refused(let words):
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

    /// An answer written from what is stored, or 500 where the disk gave back something else.
    private static func answer(
        status: Int, _ write: (inout JSONWriter) throws -> Void
    ) -> HTTPAnswer {
        var writer = JSONWriter()
        do {
            try write(&writer)
            return HTTPAnswer(status: status, body: writer.bytes)
        } catch {
            return .detail(
                status: 500,
                "what the archive stored about this is damaged (\(error)); "
                    + "restore archive.db from a backup, and check the disk")
        }
    }

    private func unavailable(_ text: String) -> HTTPAnswer {
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

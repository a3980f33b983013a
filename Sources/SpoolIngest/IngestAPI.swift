import NIOCore
public import NIOHTTP1
public import SpoolCore
public import SpoolServer

/// How the HTTP door is set up.
public struct IngestSettings: Sendable {
    /// Bytes of one request body.
    public var bodyBytesMax: Int
    /// Names besides the loopback ones that a TCP request's `Host` may carry, without port.
    public var hosts: [String]
    /// Why no event can be accepted now; nil when events can be. Asked by `/readyz`, on the event
    /// loop.
    public var unreadiness: @Sendable () -> String?

    /// The defaults, or others.
    public init(
        bodyBytesMax: Int = Limits.bodyBytesMax, hosts: [String] = [],
        unreadiness: @escaping @Sendable () -> String? = { nil }
    ) {
        self.bodyBytesMax = bodyBytesMax
        self.hosts = hosts
        self.unreadiness = unreadiness
    }
}

/// The Humanloop v4 API's ingest operations over HTTP: `POST /logs`, `POST /feedback` and
/// `PATCH /logs?reference_id=`.
///
/// A request is decoded on its event loop and handed to the sink as one submission; its answer is
/// written while it is decoded, and completed with the receipt. So a 2xx means on disk, and neither
/// the request nor its values are kept while the disk works.
public struct IngestAPI: HTTPApplication {
    /// Room for the stamps of one log.
    private static let stampBytes = 128

    private let sink: any EventSink
    private let decoder: EventDecoder
    private let settings: IngestSettings
    private let doorkeeper: Doorkeeper

    /// The door to `sink`.
    public init(
        sink: any EventSink, decoder: EventDecoder, settings: IngestSettings = IngestSettings()
    ) {
        self.sink = sink
        self.decoder = decoder
        self.settings = settings
        self.doorkeeper = Doorkeeper(hosts: settings.hosts)
    }

    /// Refuses from the head whatever need not be read: foreign pages, unknown paths, other media
    /// types.
    public func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        if let refusal = doorkeeper.refusal(of: head.headers, peer: peer) {
            return .answer(refusal)
        }
        let path = head.uri.prefix { $0 != "?" }
        let route = IngestRoute(method: head.method.rawValue, path: path)
        if let answer = answer(withoutBody: route) { return .answer(answer) }
        let bytes = head.headers["content-length"].first.flatMap { Int($0) } ?? 0
        if let refusal = Doorkeeper.refusal(ofBody: head.headers, bytes: bytes) {
            return .answer(refusal)
        }
        return .read(bytesMax: settings.bodyBytesMax)
    }

    /// Accepts the events of a request, and answers when they are on disk.
    public func answer(
        _ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let route = IngestRoute(method: request.method, path: request.path[...])
        if let answer = answer(withoutBody: route) { return reply(answer) }
        // A chunked body's length was not known before.
        let bytes = request.body.readableBytes
        if let refusal = Doorkeeper.refusal(ofBody: request.headers, bytes: bytes) {
            return reply(refusal)
        }
        var submission = Submission(
            caller: request.peer.callerName, reservingBytes: bytes + Self.stampBytes)
        let draft: AnswerDraft
        do throws(Refusal) {
            draft = try decode(request, route, into: &submission)
        } catch {
            return reply(HTTPAnswer(status: error.status, body: error.body))
        }
        guard !submission.events.isEmpty else {
            return reply(HTTPAnswer(status: 200, body: draft.completedWithoutEvents))
        }
        let identity = sink.identity
        sink.append(submission) { result in
            switch result {
            case .success(let receipt):
                reply(HTTPAnswer(status: 200, body: draft.completed(by: receipt, identity)))
            case .failure(let refusal):
                reply(refusal.answer)
            }
        }
    }

    private func decode(
        _ request: HTTPRequest, _ route: IngestRoute, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        let reference = try route == .update ? Self.reference(in: request.query) : ""
        return try request.body.withUnsafeReadableBytes { bytes in
            Result { () throws(Refusal) in
                switch route {
                case .feedback:
                    try decoder.decodeFeedback(bytes, into: &submission)
                case .update:
                    try decoder.decodeUpdate(bytes, reference: reference, into: &submission)
                default:
                    try decoder.decodeLogs(bytes, into: &submission)
                }
            }
        }.get()
    }

    /// The `reference_id` by which an update names its log.
    private static func reference(in query: String?) throws(Refusal) -> String {
        let given = QueryItem.items(in: query ?? "").filter { $0.name == "reference_id" }
        let loc: [Mistake.Step] = [.name("query"), .name("reference_id")]
        guard let first = given.first else {
            throw Refusal([
                Mistake(
                    loc: loc, message: "name the log in the query: ?reference_id=…", type: .missing)
            ])
        }
        guard given.count == 1 else {
            throw Refusal([
                Mistake(loc: loc, message: "the key occurs twice; give it once", type: .value)
            ])
        }
        guard let reference = first.value else {
            throw Refusal([
                Mistake(
                    loc: loc, message: "percent-encode the reference's UTF-8 bytes", type: .value)
            ])
        }
        guard reference.utf8.count <= Limits.referenceBytesMax else {
            let message = Refusal.nameIsTooLong(bytes: reference.utf8.count)
            throw Refusal([Mistake(loc: loc, message: message, type: .tooLong)])
        }
        return reference
    }

    // MARK: Answers

    /// The answer to a request whose body does not matter; nil for the ingest operations.
    private func answer(withoutBody route: IngestRoute) -> HTTPAnswer? {
        switch route {
        case .logs, .feedback, .update:
            return nil
        case .health:
            return HTTPAnswer(status: 200, body: Array("{\"status\":\"ok\"}".utf8))
        case .readiness:
            if let reason = settings.unreadiness() { return .unavailable(reason) }
            return HTTPAnswer(status: 200, body: Array("{\"status\":\"ready\"}".utf8))
        case .otherMethod(let allowed):
            var answer = HTTPAnswer.detail(
                status: 405, "this path takes \(allowed) only")
            answer.headers.append(("Allow", allowed))
            return answer
        case .notBuilt:
            return .detail(
                status: 501,
                "this operation of the v4 API is not served yet; POST /logs, POST /feedback and "
                    + "PATCH /logs?reference_id= are")
        case .unknown:
            return .detail(
                status: 404,
                "no such path in the v4 API; events go to POST /logs and POST /feedback")
        }
    }
}

extension HTTPAnswer {
    /// 503, and when to try again. Never 429, on which the TypeScript SDK freezes its caller.
    fileprivate static func unavailable(_ text: String) -> HTTPAnswer {
        var answer = HTTPAnswer.detail(status: 503, text)
        answer.headers.append(("Retry-After", String(Limits.retryAfterSeconds)))
        return answer
    }
}

extension AppendRefusal {
    /// What the caller is told: nothing is wrong with the events, and they may come again.
    fileprivate var answer: HTTPAnswer {
        switch self {
        case .full:
            .unavailable(
                "the spool is full, nothing was accepted; try again later. "
                    + "`loopspool status` tells the operator what holds up delivery")
        case .busy:
            .unavailable("the disk is too slow at the moment, nothing was accepted; try again")
        case .failing(let reason):
            .unavailable(
                "the disk refuses to write (\(reason)), nothing was accepted; try again later. "
                    + "`loopspool status` tells the operator more")
        case .stopping:
            .unavailable("the daemon is stopping, nothing was accepted; try again")
        }
    }
}

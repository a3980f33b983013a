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
    /// What every request on TCP must carry; nil: nothing.
    public var tcpToken: AccessToken?
    /// Asked by `/healthz` and `/readyz`.
    public var condition: DoorCondition
    /// The memory for long answers, until they are read.
    public var answers: ByteBudget

    /// The defaults, or others.
    public init(
        bodyBytesMax: Int = Limits.bodyBytesMax, hosts: [String] = [],
        tcpToken: AccessToken? = nil, condition: DoorCondition = DoorCondition(),
        answers: ByteBudget = ByteBudget(bytesMax: Limits.heldAnswersBytesMax)
    ) {
        self.bodyBytesMax = bodyBytesMax
        self.hosts = hosts
        self.tcpToken = tcpToken
        self.condition = condition
        self.answers = answers
    }
}

/// The Humanloop v4 API over HTTP: the seven ingest operations, spooled, and what concerns logs
/// that are still in the queue. Everything else goes to the ``LiveGateway``.
///
/// A request is decoded on its event loop and handed to the sink as one submission; its answer is
/// written while it is decoded, and completed with the receipt. So a 2xx means on disk, and neither
/// the request nor its values are kept while the disk works.
public struct IngestAPI: HTTPApplication {
    /// Room for the stamps of one log.
    private static let stampBytes = 128

    private let sink: any EventSink
    private let lookup: any EventLookup
    private let live: any LiveGateway
    private let decoder: EventDecoder
    private let loops: DoorLoops
    private let settings: IngestSettings
    private let doorkeeper: Doorkeeper
    private let waits: DeliveryWaits

    /// The door to a queue, which is both `sink` and `lookup`, and past it to upstream.
    public init(
        sink: any EventSink, lookup: any EventLookup, live: any LiveGateway,
        decoder: EventDecoder, loops: DoorLoops, settings: IngestSettings = IngestSettings()
    ) {
        self.sink = sink
        self.lookup = lookup
        self.live = live
        self.decoder = decoder
        self.loops = loops
        self.settings = settings
        self.doorkeeper = Doorkeeper(hosts: settings.hosts, tcpToken: settings.tcpToken)
        self.waits = DeliveryWaits(lookup: lookup, loops: loops)
    }

    /// Answers everybody who waits for a delivery (`Prefer: wait`) at once, and lets nobody wait
    /// any more: to be called before the listeners are drained.
    public func stopWaiting() {
        waits.stop()
    }

    /// Refuses from the head whatever need not be read: foreign pages, callers without the token,
    /// unknown paths, other media types.
    public func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        if let refusal = doorkeeper.refusal(of: head.headers, peer: peer) {
            return .answer(refusal)
        }
        let path = head.uri.prefix { $0 != "?" }
        let route = IngestRoute(method: head.method.rawValue, path: path)
        if let answer = answer(withoutBody: route) { return .answer(answer) }
        switch route {
        case .spooled:
            let bytes = head.headers["content-length"].first.flatMap { Int($0) } ?? 0
            if let refusal = Doorkeeper.refusal(ofBody: head.headers, bytes: bytes) {
                return .answer(refusal)
            }
        case .log(let id) where sequence(ofLog: id) == nil:
            return live.plan(head, peer: peer)
        case .live:
            return live.plan(head, peer: peer)
        default: break
        }
        return .read(bytesMax: settings.bodyBytesMax)
    }

    /// Accepts the events of a request and answers when they are on disk; or answers from the
    /// queue; or lets the request pass.
    public func answer(
        _ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let route = IngestRoute(method: request.method, path: request.path[...])
        if let answer = answer(withoutBody: route) { return reply(answer) }
        switch route {
        case .spooled(let operation):
            accept(request, operation, reply)
        case .log(let id):
            guard let sequence = sequence(ofLog: id) else { return live.forward(request, reply) }
            show(sequence, request, reply)
        case .deletion:
            delete(request, reply)
        case .health:
            settings.condition.health { reply(.health(trouble: $0)) }
        case .readiness:
            settings.condition.readiness { reply(.readiness(trouble: $0)) }
        default:
            live.forward(request, reply)
        }
    }

    // MARK: Accepting

    private func accept(
        _ request: HTTPRequest, _ operation: SpooledOperation,
        _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        // A chunked body's length was not known before.
        let bytes = request.body.readableBytes
        if let refusal = Doorkeeper.refusal(ofBody: request.headers, bytes: bytes) {
            return reply(refusal)
        }
        var submission = Submission(
            caller: request.peer.callerName, reservingBytes: bytes + Self.stampBytes)
        let draft: AnswerDraft
        do throws(Refusal) {
            draft = try decode(request, operation, into: &submission)
        } catch {
            return reply(HTTPAnswer(error))
        }
        guard !submission.events.isEmpty else {
            return reply(HTTPAnswer(status: 200, body: draft.completedWithoutEvents))
        }
        var held: BudgetShare?
        guard settings.answers.hold(draft.size, &held) else {
            return reply(
                .unavailable(
                    "long answers that their clients do not read hold too much memory, nothing was "
                        + "accepted; read them, send fewer events at a time, or try again"))
        }
        let answerShare = held
        let seconds = operation.makesLogs ? Preference.waitSeconds(request.headers) : nil
        let (identity, status, waits) = (sink.identity, operation.status, waits)
        let (kind, share) = (submission.events[0].kind, request.share)
        sink.append(submission) { result in
            switch result {
            case .success(let receipt):
                guard let seconds else {
                    let body = draft.completed(by: receipt, identity)
                    return reply(HTTPAnswer(status: status, body: body, share: answerShare))
                }
                // What waits from here on is on disk.
                share?.release()
                waits.wait(for: receipt, identity, atMost: .seconds(seconds)) { receipt, arrived in
                    let body = draft.completed(by: receipt, identity, delivered: arrived)
                    let applied = ("Preference-Applied", "wait=\(seconds)")
                    reply(
                        HTTPAnswer(
                            status: status, body: body, headers: [applied], share: answerShare))
                }
            case .failure(let refusal):
                reply(refusal.answer(to: kind, isArray: draft.isArray))
            }
        }
    }

    private func decode(
        _ request: HTTPRequest, _ operation: SpooledOperation, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        let target = try Self.target(of: operation, request.query)
        return try request.body.withUnsafeReadableBytes { bytes in
            Result { () throws(Refusal) in
                switch operation {
                case .logs:
                    try decoder.decodeLogs(bytes, into: &submission)
                case .feedback:
                    try decoder.decodeFeedback(bytes, into: &submission)
                case .session:
                    try decoder.decodeSession(bytes, into: &submission)
                case .updateByReference:
                    try decoder.decodeUpdate(bytes, of: .reference(target), into: &submission)
                case .update:
                    try decoder.decodeUpdate(bytes, of: .id(target), into: &submission)
                case .evaluationLog:
                    try decoder.decodeEvaluationLog(bytes, address: target, into: &submission)
                case .evaluationResult:
                    try decoder.decodeEvaluationResult(bytes, address: target, into: &submission)
                }
            }
        }.get()
    }

    /// What the request's target says of its event; empty where it says nothing.
    private static func target(
        of operation: SpooledOperation, _ query: String?
    ) throws(Refusal) -> String {
        switch operation {
        case .logs, .feedback, .session:
            ""
        case .updateByReference:
            try RequestTarget.reference(in: query)
        case .update(let id):
            try RequestTarget.logID(id)
        case .evaluationLog(let id), .evaluationResult(let id):
            try RequestTarget.evaluation(id, query: query)
        }
    }

    // MARK: Logs in the queue

    /// The log of this spool that a path's id names; nil for every other id.
    private func sequence(ofLog id: String) -> EventSequence? {
        PercentDecoding.decode(id[...].utf8, plusIsSpace: false).flatMap {
            sink.identity.sequence(of: .log, in: $0)
        }
    }

    private func show(
        _ sequence: EventSequence, _ request: HTTPRequest,
        _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let id = sink.identity.id(.log, sequence)
        let (live, loops, answers) = (live, loops, settings.answers)
        lookup.find(.log, sequence, withBody: true) { standing in
            switch standing {
            case .queued(let event):
                let body = QueuedLogAnswer(id: id, event).body
                var held: BudgetShare?
                guard answers.hold(body.count, &held) else {
                    return reply(
                        .unavailable(
                            "long answers that their clients do not read hold too much memory; "
                                + "read them, or try again"))
                }
                reply(HTTPAnswer(status: 200, body: body, share: held))
            case .upstream:
                loops.run { live.forward(request, reply) }
            case .dead, .unknown:
                reply(.noSuchLog(id, standing))
            case .failing:
                reply(.spoolIsFailing)
            }
        }
    }

    private func delete(
        _ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let deletion: LogDeletion
        do throws(Refusal) {
            deletion = try LogDeletion(query: request.query, sink.identity)
        } catch {
            return reply(HTTPAnswer(error))
        }
        lookup.findAll(deletion.sequences.map { (.log, $0) }) { standings in
            switch deletion.decide(standings) {
            case .refuse(let answer):
                reply(answer)
            case .delete(nil, _, let local):
                self.discard(local, .deleted, reply)
            case .delete(let query, let ids, let local):
                var request = request
                request.query = query
                self.deleteUpstream(request, ids, thenDiscarding: local, reply)
            }
        }
    }

    private func deleteUpstream(
        _ request: HTTPRequest, _ ids: [String], thenDiscarding local: [EventSequence],
        _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let live = live
        loops.run {
            live.forward(request) { answer in
                guard (200..<300).contains(answer.status) else { return reply(answer) }
                self.lookup.forgetRepeats(of: ids)
                guard !local.isEmpty else { return reply(answer) }
                self.discard(local, answer, reply)
            }
        }
    }

    private func discard(
        _ sequences: [EventSequence], _ success: HTTPAnswer,
        _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        lookup.discard(sequences) { outcome in
            if outcome != .discarded { success.stream?.bytes.cancel() }
            switch outcome {
            case .discarded: reply(success)
            case .inFlight: reply(.logIsOnItsWay)
            case .failing:
                reply(
                    .unavailable(
                        "the disk refuses to write, no queued log was deleted; try again later. "
                            + "`loopspool status` tells the operator more"))
            }
        }
    }

    // MARK: Answers

    /// The answer to a request that needs neither the queue nor upstream; nil for the API's own.
    private func answer(withoutBody route: IngestRoute) -> HTTPAnswer? {
        switch route {
        case .spooled, .log, .deletion, .live, .health, .readiness:
            return nil
        case .otherMethod(let allowed):
            var answer = HTTPAnswer.detail(
                status: 405, "this path takes \(allowed) only")
            answer.headers.append(("Allow", allowed))
            return answer
        case .unknown:
            return .detail(
                status: 404,
                "no such path in the v4 API; events go to POST /logs and POST /feedback")
        }
    }
}

extension ByteBudget {
    /// Reserves memory for an answer of `bytes` as `share`; a short one needs none. False when there is
    /// none.
    fileprivate func hold(_ bytes: Int, _ share: inout BudgetShare?) -> Bool {
        guard bytes > Limits.shortAnswerBytesMax else { return true }
        guard tryReserve(bytes) else { return false }
        share = BudgetShare(bytes, of: self)
        return true
    }
}

extension HTTPAnswer {
    /// The answer to a request that is not accepted.
    fileprivate init(_ refusal: Refusal) {
        self.init(status: refusal.status, body: refusal.body)
    }

    /// 204: done, and nothing to say of it.
    fileprivate static var deleted: HTTPAnswer { HTTPAnswer(status: 204, contentType: nil) }
}

extension AppendRefusal {
    /// What the caller is told: nothing of its request was accepted. But for a duplicate and
    /// what is too large, nothing is wrong with the events, and they may come again.
    fileprivate func answer(to kind: EventKind, isArray: Bool) -> HTTPAnswer {
        switch self {
        case .duplicate(let index, let reference):
            HTTPAnswer(
                DuplicateReference.refusal(reference, of: kind, index: isArray ? index : nil))
        case .tooLarge:
            .detail(
                status: 413,
                "the request needs more than half of what this spool may hold, nothing was accepted; "
                    + "send it in parts, or let the operator raise LOOPSPOOL_MAX_BYTES")
        case .full:
            .unavailable(
                "the spool is full, nothing was accepted; try again later. "
                    + "`loopspool status` tells the operator what holds up delivery")
        case .busy:
            .unavailable("the disk is too slow at the moment, nothing was accepted; try again")
        case .failing(let reason):
            .unavailable(
                "the spool refuses to write (\(reason)), nothing was accepted; try again later. "
                    + "`loopspool status` tells the operator more")
        case .stopping:
            .unavailable("the daemon is stopping, nothing was accepted; try again")
        }
    }
}

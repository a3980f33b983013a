import NIOCore
public import NIOHTTP1
public import SpoolCore
public import SpoolServer
import Synchronization

/// How live calls are made.
public struct LiveSettings: Sendable {
    /// From the last byte of the request to the head of upstream's answer.
    public var firstByteTimeout: Duration
    /// Between two parts of it.
    public var idleTimeout: Duration
    /// The users whose live calls carry the daemon's key in place of their own: SDKs cannot leave
    /// theirs out. Nobody by default, because whoever may log may not therefore read.
    public var daemonKeyUIDs: Set<UInt32>
    /// The token without which nobody comes in on TCP; nil when anybody does. Whoever knows it uses
    /// the daemon's key, and the token itself never goes out.
    public var tcpToken: AccessToken?
    /// That key; nil when the daemon has none.
    public var daemonKey: String?

    /// The defaults, or others.
    public init(
        firstByteTimeout: Duration = Limits.liveFirstByteTimeout,
        idleTimeout: Duration = Limits.liveIdleTimeout,
        daemonKeyUIDs: Set<UInt32> = [], tcpToken: AccessToken? = nil, daemonKey: String? = nil
    ) {
        self.firstByteTimeout = firstByteTimeout
        self.idleTimeout = idleTimeout
        self.daemonKeyUIDs = daemonKeyUIDs
        self.tcpToken = tcpToken
        self.daemonKey = daemonKey
    }

    /// Whether a caller uses the daemon's key. On TCP the door has let in nobody without the token.
    fileprivate func lends(to peer: Peer) -> Bool {
        switch peer.transport {
        case .unix: peer.uid.map(daemonKeyUIDs.contains) == true
        case .tcp: tcpToken != nil
        }
    }
}

/// Passes a request to upstream and the answer back, both as they come.
///
/// Nothing of a live call is kept: neither body nor key reaches the disk or a log line. Only the
/// bodies named in ``LiveBody`` are read, for the ids in them.
public struct LivePassThrough: LiveGateway {
    private let transport: any LiveTransport
    private let lookup: any EventLookup
    private let identity: SpoolIdentity
    private let settings: LiveSettings

    /// A gateway over `transport`; `lookup` and `identity` are the spool's.
    public init(
        to transport: any LiveTransport, lookup: any EventLookup, identity: SpoolIdentity,
        settings: LiveSettings = LiveSettings()
    ) {
        self.transport = transport
        self.lookup = lookup
        self.identity = identity
        self.settings = settings
    }

    /// Streams, but for the bodies in which ids are looked for.
    public func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        let codings = head.headers[canonicalForm: "content-encoding"]
        guard codings.allSatisfy({ $0.lowercased() == "identity" }) else {
            return .answer(.detail(status: 415, "send the body without Content-Encoding"))
        }
        let path = String(head.uri.prefix { $0 != "?" })
        let segments = LiveTarget.segments(of: path)
        guard LiveBody.isRead(method: head.method.rawValue, segments: segments) else {
            return .stream
        }
        guard let length = head.headers["content-length"].first.flatMap({ Int($0) }) else {
            // Chunked, so nobody knows yet: read as far as any other body, for the ids' sake.
            return .read(bytesMax: Limits.bodyBytesMax)
        }
        return length <= Limits.liveReadBytesMax
            ? .read(bytesMax: Limits.liveReadBytesMax) : .stream
    }

    /// Finds upstream's ids for what the call names, then makes it.
    public func forward(
        _ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let target: LiveTarget
        do throws(LiveTarget.Refusal) {
            target = try LiveTarget(
                path: request.path, query: request.query, identity: identity)
        } catch {
            return reply(.detail(status: 400, error.reason))
        }
        let body = body(of: request, target)
        let exchange = LiveExchange()
        request.client?.whenGone { exchange.leave() }
        resolve(target.things + (body?.things ?? [])) { result in
            switch result {
            case .failure(let refusal):
                reply(refusal.answer)
            case .success(let ids):
                let outgoing = outgoing(request, target, body, ids)
                exchange.begin {
                    transport.begin(outgoing) { reply(answer(to: $0)) }
                }
            }
        }
    }

    private func body(of request: HTTPRequest, _ target: LiveTarget) -> LiveBody? {
        let count = request.body.readableBytes
        guard count > 0, count <= Limits.liveReadBytesMax,
            LiveBody.isRead(method: request.method, segments: target.segments)
        else { return nil }
        return LiveBody(Array(request.body.readableBytesView), identity)
    }

    private func outgoing(
        _ request: HTTPRequest, _ target: LiveTarget, _ body: LiveBody?,
        _ ids: [ProvisionalThing: String]
    ) -> LiveRequest {
        LiveRequest(
            method: request.method, target: target.written(identity) { ids[$0] },
            headers: LiveFields.toUpstream(
                request.headers,
                lentKey: settings.lends(to: request.peer) ? settings.daemonKey : nil,
                token: settings.tcpToken),
            body: outgoingBody(request, body?.written { ids[$0] }),
            firstByteTimeout: settings.firstByteTimeout, idleTimeout: settings.idleTimeout)
    }

    private func outgoingBody(
        _ request: HTTPRequest, _ written: [UInt8]?
    ) -> LiveRequest.Body {
        if let written { return .bytes(written) }
        if let stream = request.stream { return .stream(stream) }
        guard request.body.readableBytes > 0 else { return .none }
        return .bytes(Array(request.body.readableBytesView))
    }

    // MARK: Answers

    private func answer(to outcome: LiveOutcome) -> HTTPAnswer {
        switch outcome {
        case .answered(let answer) where (200...599).contains(answer.status):
            return HTTPAnswer(
                status: answer.status, stream: answer.body, contentType: nil,
                headers: LiveFields.toClient(answer.headers))
        case .answered(let answer):
            answer.body.bytes.cancel()
            return .detail(
                status: 502,
                "upstream \(transport.upstream) answered with the status \(answer.status), which "
                    + "means nothing")
        case .unreachable(let reason):
            return .detail(
                status: 502,
                "upstream \(transport.upstream) gave no answer: \(reason). This call is passed "
                    + "through live and was not spooled; `loopspool status` tells the operator more"
            )
        case .tooSlow(let reason):
            return .detail(
                status: 504,
                "upstream \(transport.upstream) is too slow: \(reason). It may still be working "
                    + "on this call")
        }
    }
}

// MARK: - Provisional ids

extension LivePassThrough {
    /// Why a call that names provisional ids cannot be made.
    private enum Unresolved: Error {
        case queued(String)
        case dead(String, reason: String)
        case failing

        var answer: HTTPAnswer {
            switch self {
            case .queued(let id):
                .unavailable("\(id) has not been delivered to upstream yet; try again")
            case .dead(let id, let reason):
                .detail(
                    status: 404, "\(id) was accepted and never reached upstream: \(reason)")
            case .failing: .spoolIsFailing
            }
        }
    }

    /// Finds upstream's ids. A thing that was forgotten is absent from the result.
    private func resolve(
        _ named: [ProvisionalThing],
        _ done: @escaping @Sendable (Result<[ProvisionalThing: String], Unresolved>) -> Void
    ) {
        let things = Array(Set(named))
        lookup.findAll(things.map { ($0.thing, $0.sequence) }) { standings in
            done(Result { () throws(Unresolved) in try ids(of: things, in: standings) })
        }
    }

    private func ids(
        of things: [ProvisionalThing], in standings: [ProvisionalStanding]
    ) throws(Unresolved) -> [ProvisionalThing: String] {
        var ids: [ProvisionalThing: String] = [:]
        for (thing, standing) in zip(things, standings) {
            switch standing {
            case .upstream(let id): ids[thing] = id
            case .unknown: break
            case .failing: throw .failing
            case .queued: throw .queued(identity.id(thing.thing, thing.sequence))
            case .dead(let reason):
                throw .dead(identity.id(thing.thing, thing.sequence), reason: reason)
            }
        }
        return ids
    }
}

/// One live call, from either end: it is not begun for a client that has gone, and broken off when
/// the client goes.
private final class LiveExchange: Sendable {
    private enum State {
        case waiting
        case underWay(any LiveCall)
        case left
    }

    private let state = Mutex(State.waiting)

    func begin(_ begin: () -> any LiveCall) {
        let hasLeft = state.withLock { state in
            if case .left = state { true } else { false }
        }
        guard !hasLeft else { return }
        let call = begin()
        let leftMeanwhile = state.withLock { state in
            if case .left = state { return true }
            state = .underWay(call)
            return false
        }
        if leftMeanwhile { call.cancel() }
    }

    func leave() {
        let call: (any LiveCall)? = state.withLock { state in
            defer { state = .left }
            if case .underWay(let call) = state { return call }
            return nil
        }
        call?.cancel()
    }
}

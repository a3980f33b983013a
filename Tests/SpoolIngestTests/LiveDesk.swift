import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

/// An upstream in memory: keeps every live request, and answers when the test says.
final class FakeUpstream: LiveTransport {
    /// A request that waits for its outcome.
    struct Call: LiveCall {
        let request: LiveRequest
        let done: @Sendable (LiveOutcome) -> Void
        /// Cancelled when the call is broken off.
        let end = ScriptedStream()

        func cancel() { end.cancel() }
    }

    let upstream = "http://upstream.test/v4"
    private let made = Mutex<[Call]>([])
    private let outcome: (@Sendable () -> LiveOutcome)?

    /// Answers at once with `outcome`, or leaves it to the test.
    init(_ outcome: (@Sendable () -> LiveOutcome)? = nil) {
        self.outcome = outcome
    }

    /// The calls so far.
    var calls: [Call] { made.withLock { $0 } }

    func begin(
        _ request: LiveRequest, _ done: @escaping @Sendable (LiveOutcome) -> Void
    ) -> any LiveCall {
        let call = Call(request: request, done: done)
        made.withLock { $0.append(call) }
        if let outcome { done(outcome()) }
        return call
    }

    /// A 200 without a body.
    static let ok: @Sendable () -> LiveOutcome = { answer(200, []) }

    static func answer(
        _ status: Int, _ headers: [(name: String, value: String)],
        body: any ByteStream = FakeUpstream.empty
    ) -> LiveOutcome {
        .answered(
            LiveAnswer(
                status: status, headers: headers, body: StreamedBody(body, length: nil)))
    }

    static var empty: ScriptedStream { ScriptedStream { _ in .end } }
}

/// A gateway over a fake upstream, and ids of each standing.
struct LiveDesk {
    static let identity = SpoolIdentity(epoch: 7, key0: 11, key1: 13)
    /// A log that upstream knows as `data_up/1`.
    static let delivered = id(.log, 1)
    /// A session that upstream knows as `sesh_up`.
    static let session = id(.session, 2)
    /// A project that upstream knows as `pr_up`.
    static let project = id(.project, 3)
    /// A log that is still queued.
    static let queued = id(.log, 4)
    /// A log that died.
    static let dead = id(.log, 5)
    /// A log whose id was forgotten.
    static let forgotten = id(.log, 6)

    let upstream: FakeUpstream
    let gateway: LivePassThrough

    init(
        _ upstream: FakeUpstream = FakeUpstream(FakeUpstream.ok),
        settings: LiveSettings = LiveSettings()
    ) {
        self.upstream = upstream
        let event = QueuedEvent(
            body: [], acceptedAt: Timestamp(milliseconds: 0), projectID: "pr", isInFlight: false)
        let lookup = ScriptedLookup()
        let standings: [(SpoolIdentity.Thing, ProvisionalStanding)] = [
            (.log, .upstream("data_up/1")), (.session, .upstream("sesh_up")),
            (.project, .upstream("pr_up")), (.log, .queued(event)), (.log, .dead("refused")),
            (.log, .unknown),
        ]
        for (place, (thing, standing)) in standings.enumerated() {
            lookup.know(thing, EventSequence(rawValue: Int64(place) + 1), standing)
        }
        gateway = LivePassThrough(
            to: upstream, lookup: lookup, identity: Self.identity, settings: settings)
    }

    static func id(_ thing: SpoolIdentity.Thing, _ number: Int64) -> String {
        identity.id(thing, EventSequence(rawValue: number))
    }

    /// Forwards a request; nil when it was not answered.
    func send(
        _ method: String, _ path: String, query: String? = nil, headers: HTTPHeaders = [:],
        body: String = "", peer: Peer = Peer(uid: 1000, gid: 1000, pid: 1)
    ) -> HTTPAnswer? {
        let answer = Mutex<HTTPAnswer?>(nil)
        let request = HTTPRequest(
            method: method, path: path, query: query, headers: headers,
            body: ByteBuffer(string: body), peer: peer)
        gateway.forward(request) { given in answer.withLock { $0 = given } }
        return answer.withLock { $0 }
    }

    /// The target under which a request arrives upstream.
    func target(of path: String, query: String? = nil) throws -> String {
        let answer = try #require(send("GET", path, query: query))
        #expect(answer.status == 200)
        return try #require(upstream.calls.last).request.target
    }

    /// The body with which a `POST` arrives upstream.
    func body(of path: String, _ body: String) throws -> String {
        let answer = try #require(send("POST", path, body: body))
        #expect(answer.status == 200)
        guard case .bytes(let bytes) = try #require(upstream.calls.last).request.body else {
            throw Missing()
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    struct Missing: Error {}
}

extension HTTPAnswer {
    /// The text of `detail`.
    var detailText: String? { try? JSONValue(parsing: body)["detail"]?.stringValue }
}

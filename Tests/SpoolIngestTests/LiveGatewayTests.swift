import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct LiveGatewayTests {
    // MARK: Header fields

    @Test func `only the listed fields go out`() throws {
        let desk = LiveDesk()
        _ = desk.send(
            "POST", "/evaluators",
            headers: [
                "Host": "127.0.0.1", "Accept": "application/json", "Content-Type": "x/y",
                "Content-Length": "2", "User-Agent": "Konfig/0.7.35/python",
                "Accept-Encoding": "gzip", "Cookie": "c", "Authorization": "Bearer t",
                "X-Forwarded-For": "1.1.1.1", "Connection": "close", "x-api-key": "caller",
                "Idempotency-Key": "i", "Prefer": "wait=1",
            ], body: "{}")
        let sent = try #require(desk.upstream.calls.first).request.headers
        #expect(
            sent.map { "\($0.name): \($0.value)" } == [
                "Accept: application/json", "Content-Type: x/y",
                "User-Agent: Konfig/0.7.35/python", "x-api-key: caller",
            ])
    }

    @Test func `only the listed fields come back`() throws {
        let desk = LiveDesk(
            FakeUpstream {
                FakeUpstream.answer(
                    429,
                    [
                        ("Content-Type", "text/plain"), ("retry-after", "7"), ("Set-Cookie", "c"),
                        ("Content-Disposition", "attachment"), ("Server", "nginx"),
                        ("Content-Length", "3"), ("Transfer-Encoding", "chunked"),
                        ("Connection", "close"), ("Location", "/l"),
                    ])
            })
        let answer = try #require(desk.send("GET", "/projects"))
        #expect(answer.status == 429)
        #expect(answer.contentType == nil)
        #expect(
            answer.headers.map { "\($0.0): \($0.1)" } == [
                "Content-Type: text/plain", "retry-after: 7", "Content-Disposition: attachment",
                "Location: /l",
            ])
    }

    // MARK: Keys

    private func key(
        of uid: UInt32?, sending own: String?, settings: LiveSettings
    ) throws -> [String] {
        let desk = LiveDesk(settings: settings)
        let peer = uid.map { Peer(uid: $0, gid: 1, pid: 1) } ?? .tcp
        _ = desk.send(
            "GET", "/projects", headers: own.map { ["X-API-KEY": $0] } ?? [:], peer: peer)
        return try #require(desk.upstream.calls.first).request.headers
            .filter { $0.name.lowercased() == "x-api-key" }.map(\.value)
    }

    @Test func `a live call carries the caller's own key, and by default no other`() throws {
        let settings = LiveSettings(daemonKey: "daemon")
        #expect(try key(of: 1000, sending: "own", settings: settings) == ["own"])
        #expect(try key(of: 0, sending: nil, settings: settings) == [])
        #expect(try key(of: nil, sending: "own", settings: settings) == ["own"])
    }

    @Test func `the daemon's key is lent to the listed users only`() throws {
        let settings = LiveSettings(daemonKeyUIDs: [1000], daemonKey: "daemon")
        #expect(try key(of: 1000, sending: nil, settings: settings) == ["daemon"])
        #expect(try key(of: 1000, sending: "dummy", settings: settings) == ["daemon"])
        #expect(try key(of: 1001, sending: "own", settings: settings) == ["own"])
        #expect(try key(of: nil, sending: nil, settings: settings) == [])
    }

    @Test func `a daemon without a key has none to lend`() throws {
        let settings = LiveSettings(daemonKeyUIDs: [1000])
        #expect(try key(of: 1000, sending: "own", settings: settings) == ["own"])
    }

    // MARK: No answer

    @Test func `an unreachable upstream is 502 and named, with the reason`() throws {
        let desk = LiveDesk(FakeUpstream { .unreachable(reason: "connection refused") })
        let answer = try #require(desk.send("GET", "/projects"))
        #expect(answer.status == 502)
        #expect(answer.detailText?.contains("http://upstream.test/v4") == true)
        #expect(answer.detailText?.contains("connection refused") == true)
    }

    @Test func `an upstream that is too slow is 504 and named, with the reason`() throws {
        let desk = LiveDesk(FakeUpstream { .tooSlow(reason: "it slept") })
        let answer = try #require(desk.send("GET", "/projects"))
        #expect(answer.status == 504)
        #expect(answer.detailText?.contains("http://upstream.test/v4") == true)
        #expect(answer.detailText?.contains("it slept") == true)
    }

    @Test func `a status that means nothing is 502, and its body is dropped`() throws {
        let body = ScriptedStream()
        let desk = LiveDesk(FakeUpstream { FakeUpstream.answer(999, [], body: body) })
        #expect(try #require(desk.send("GET", "/projects")).status == 502)
        #expect(body.isCancelled)
    }

    @Test func `the timeouts are those of the settings`() throws {
        let desk = LiveDesk(
            settings: LiveSettings(firstByteTimeout: .seconds(3), idleTimeout: .seconds(4)))
        _ = desk.send("GET", "/projects")
        let request = try #require(desk.upstream.calls.first).request
        #expect(request.firstByteTimeout == .seconds(3))
        #expect(request.idleTimeout == .seconds(4))
        #expect(LiveSettings().firstByteTimeout == .seconds(600))
        #expect(LiveSettings().idleTimeout == .seconds(300))
    }

    // MARK: Over a socket

    private struct Door: HTTPApplication {
        let gateway: LivePassThrough

        func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
            gateway.plan(head, peer: peer)
        }

        func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
            gateway.forward(request, reply)
        }
    }

    /// Runs `body` with a client of a gateway whose upstream the test plays.
    private func serve(
        _ body: (RawClient, AsyncStream<FakeUpstream.Call>) async throws -> Void
    ) async throws {
        let (calls, arrived) = AsyncStream<FakeUpstream.Call>.makeStream()
        let upstream = NotifyingUpstream(arrived)
        let path = "/tmp/loopspool-live-\(UInt64.random(in: 0..<UInt64.max))"
        let listener = try await HTTPListener.start(
            Door(
                gateway: LivePassThrough(
                    to: upstream, lookup: ScriptedLookup(),
                    identity: LiveDesk.identity)),
            on: .unix(path: path, mode: 0o600), group: MultiThreadedEventLoopGroup.singleton,
            budget: ByteBudget(bytesMax: 8 << 20), connections: ConnectionLimit(max: 8))
        do {
            try await body(try RawClient(unixPath: path), calls)
        } catch {
            await listener.drain()
            throw error
        }
        await listener.drain()
    }

    private final class NotifyingUpstream: LiveTransport {
        let upstream = "the test"
        private let arrived: AsyncStream<FakeUpstream.Call>.Continuation

        init(_ arrived: AsyncStream<FakeUpstream.Call>.Continuation) {
            self.arrived = arrived
        }

        func begin(
            _ request: LiveRequest, _ done: @escaping @Sendable (LiveOutcome) -> Void
        ) -> any LiveCall {
            let call = FakeUpstream.Call(request: request, done: done)
            arrived.yield(call)
            return call
        }
    }

    @Test func `an event is at the client before upstream sends the next one`() async throws {
        try await serve { client, calls in
            try await client.send(
                "POST /chat HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"stream\":true}")
            var arrivals = calls.makeAsyncIterator()
            let call = try #require(await arrivals.next())
            guard case .bytes(let bytes) = call.request.body else { throw LiveDesk.Missing() }
            #expect(bytes == Array("{\"stream\":true}".utf8))
            let events = ScriptedStream()
            call.done(
                FakeUpstream.answer(200, [("Content-Type", "text/event-stream")], body: events))
            let head = try await client.receive(through: "\r\n\r\n")
            #expect(String(decoding: head, as: UTF8.self).contains("text/event-stream"))
            for event in ["data: {\"n\":1}\n\n", "data: {\"n\":2}\n\n"] {
                events.send(event)
                let chunk = "\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n"
                #expect(try await client.receive(exactly: chunk.utf8.count) == Array(chunk.utf8))
            }
            events.send(.end)
            #expect(try await client.receive(exactly: 5) == Array("0\r\n\r\n".utf8))
        }
    }

    @Test func `a request's body is upstream before the client has sent all of it`() async throws {
        try await serve { client, calls in
            try await client.send("POST /evaluators HTTP/1.1\r\nContent-Length: 6\r\n\r\none")
            var arrivals = calls.makeAsyncIterator()
            let call = try #require(await arrivals.next())
            guard case .stream(let body) = call.request.body else { throw LiveDesk.Missing() }
            #expect(body.length == 6)
            #expect(await body.bytes.next() == .bytes(Array("one".utf8)))
            try await client.send("two")
            #expect(await body.bytes.next() == .bytes(Array("two".utf8)))
            #expect(await body.bytes.next() == .end)
            call.done(FakeUpstream.answer(201, []))
            #expect(try await client.receive(through: "\r\n\r\n").count > 0)
        }
    }

    @Test func `a client that leaves before the answer breaks the call off`() async throws {
        try await serve { client, calls in
            try await client.send("GET /projects HTTP/1.1\r\n\r\n")
            var arrivals = calls.makeAsyncIterator()
            let call = try #require(await arrivals.next())
            client.disconnect()
            await call.end.waitForCancel()
        }
    }

    @Test func `a client that leaves in the middle of the answer breaks the call off`() async throws
    {
        try await serve { client, calls in
            try await client.send("GET /projects HTTP/1.1\r\n\r\n")
            var arrivals = calls.makeAsyncIterator()
            let call = try #require(await arrivals.next())
            let events = ScriptedStream()
            call.done(FakeUpstream.answer(200, [], body: events))
            _ = try await client.receive(through: "\r\n\r\n")
            client.disconnect()
            await events.waitForCancel()
            await call.end.waitForCancel()
        }
    }
}

import Dispatch
import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@Suite("Bodies that are passed on as they come", .timeLimit(.minutes(2)))
struct HTTPStreamTests {
    private static func application() -> ScriptedApplication {
        ScriptedApplication(holds: true) { _ in .stream }
    }

    private static func answer(_ stream: any ByteStream, length: Int? = nil) -> HTTPAnswer {
        HTTPAnswer(
            status: 200, stream: StreamedBody(stream, length: length), contentType: nil,
            headers: [("Content-Type", "text/event-stream")])
    }

    /// Runs `body` with a client and the first request it sends.
    private static func run(
        _ text: String, settings: HTTPSettings = HTTPSettings(),
        _ body: (RawClient, ScriptedApplication.Held, ServerFixture) async throws -> Void
    ) async throws {
        let application = application()
        try await ServerFixture.run(application, settings: settings) { server in
            let client = try server.connect()
            try await client.send(text)
            let held = try await next(application)
            try await body(client, held, server)
        }
    }

    private static func next(
        _ application: ScriptedApplication
    ) async throws -> ScriptedApplication.Held {
        for await held in application.requests { return held }
        throw CancellationError()
    }

    // MARK: Requests

    @Test("a part of the request is here before the next one is sent")
    func requestInParts() async throws {
        let head = "POST /a?b HTTP/1.1\r\nContent-Length: 10\r\n\r\n"
        try await Self.run(head) { client, held, server in
            let body = try #require(held.request.stream)
            #expect(body.length == 10)
            #expect(held.request.body.readableBytes == 0)
            try await client.send("first")
            #expect(await body.bytes.next() == .bytes(Array("first".utf8)))
            try await client.send("other")
            #expect(await body.bytes.next() == .bytes(Array("other".utf8)))
            #expect(await body.bytes.next() == .end)
            held.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: client).status == 200)
            // The connection lives on.
            try await client.send("GET /next HTTP/1.1\r\n\r\n")
            #expect(try await Self.next(server.application).request.path == "/next")
        }
    }

    @Test("a chunked request has no length, and its chunks are put together")
    func chunkedRequest() async throws {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        try await Self.run(head) { client, held, _ in
            #expect(try await client.receive(through: "\r\n\r\n").count == 25)
            let body = try #require(held.request.stream)
            #expect(body.length == nil)
            try await client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            let all = await body.bytes.all()
            #expect(all.bytes == Array("abcde".utf8))
            #expect(all.last == .end)
            held.reply(HTTPAnswer(status: 204))
            #expect(try await Response.receive(from: client).status == 204)
        }
    }

    @Test("a request without a body has no stream")
    func noBody() async throws {
        try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, _ in
            #expect(held.request.stream == nil)
            held.reply(HTTPAnswer(status: 200))
            let answer = try await Response.receive(from: client)
            #expect(answer.headers["connection"] == nil)
        }
    }

    @Test("the socket is read no further than the application asks")
    func requestBackpressure() async throws {
        let bytes = 64 << 20
        let head = "POST / HTTP/1.1\r\nContent-Length: \(bytes)\r\n\r\n"
        try await Self.run(head) { client, held, _ in
            let body = try #require(held.request.stream)
            let sent = Mutex(0)
            async let sending: Void = {
                let piece = [UInt8](repeating: 7, count: 256 << 10)
                for _ in 0..<(bytes / piece.count) {
                    try await client.send(piece)
                    sent.withLock { $0 += piece.count }
                }
            }()
            var received = 0
            var leadMax = 0
            loop: while true {
                switch await body.bytes.next() {
                case .bytes(let part):
                    received += part.count
                    leadMax = max(leadMax, sent.withLock { $0 } - received)
                case .end, .broken: break loop
                }
            }
            try await sending
            #expect(received == bytes)
            // What the kernel holds of one Unix socket, and one part here.
            #expect(leadMax < 8 << 20)
            held.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: client).status == 200)
        }
    }

    @Test("an answer before the end of the request is the last one of its connection")
    func earlyAnswer() async throws {
        let head = "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"
        try await Self.run(head) { client, held, _ in
            held.reply(.detail(status: 413, "enough"))
            let answer = try await Response.receive(from: client)
            #expect(answer.status == 413)
            #expect(answer.headers["connection"] == "close")
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("an unwanted body is thrown away, and the answer comes all the same")
    func unwantedBody() async throws {
        let bytes = 4 << 20
        let head = "POST / HTTP/1.1\r\nContent-Length: \(bytes)\r\n\r\n"
        try await Self.run(head) { client, held, _ in
            held.request.stream?.bytes.cancel()
            try await client.send([UInt8](repeating: 1, count: bytes))
            held.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: client).status == 200)
        }
    }

    @Test("a request that pauses too long is answered 408, and the application is told")
    func readTimeout() async throws {
        var settings = HTTPSettings()
        settings.readTimeout = .milliseconds(20)
        let head = "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"
        try await Self.run(head, settings: settings) { client, held, _ in
            let gone = ScriptedStream()
            held.request.client?.whenGone { gone.cancel() }
            let body = try #require(held.request.stream)
            // Only now the client owes something: before, its part waited for us.
            #expect(await body.bytes.next() == .bytes(Array("half".utf8)))
            #expect(try await Response.receive(from: client).status == 408)
            await gone.waitForCancel()
            guard case .broken = await body.bytes.all().last else {
                Issue.record("half a body passed for a whole one")
                return
            }
            // Nobody waits for this one any more.
            let late = ScriptedStream()
            held.reply(Self.answer(late))
            await late.waitForCancel()
        }
    }

    @Test("a request that is passed on may come slowly, as long as it does not pause")
    func slowRequest() async throws {
        var settings = HTTPSettings()
        settings.readTimeout = .seconds(3)
        // Nothing earns more time.
        settings.readBytesPerSecondMin = .max
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        try await Self.run(head, settings: settings) { client, held, server in
            let body = try #require(held.request.stream)
            let (parts, taking) = AsyncStream.makeStream(of: StreamPart.self)
            var received = parts.makeAsyncIterator()
            // For as long as another connection takes to pause too long, and that thrice.
            for _ in 0..<3 {
                let other = try server.connect()
                try await other.send("POST / HTTP/1.1\r\n")
                while other.hasNothingToReceive {
                    // Asked for before it comes: the client is the one who is waited for.
                    body.bytes.next { taking.yield($0) }
                    try await client.send("1\r\nx\r\n")
                    try #require(await received.next() == .bytes([UInt8(ascii: "x")]))
                }
            }
            try await client.send("0\r\n\r\n")
            #expect(await body.bytes.next() == .end)
            held.reply(HTTPAnswer(status: 204))
            #expect(try await Response.receive(from: client).status == 204)
        }
    }

    // MARK: Answers

    @Test("each part of an answer is at the client before the next one is made")
    func answerInParts() async throws {
        try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, server in
            for round in 0..<2 {
                let stream = ScriptedStream()
                let request =
                    round == 0 ? held : try await Self.next(server.application)
                request.reply(Self.answer(stream))
                let head = String(
                    decoding: try await client.receive(through: "\r\n\r\n"), as: UTF8.self)
                #expect(head.contains("Transfer-Encoding: chunked\r\n"))
                #expect(head.contains("Content-Type: text/event-stream\r\n"))
                for event in ["data: 1\n\n", "data: 22\n\n"] {
                    stream.send(event)
                    let size = String(event.utf8.count, radix: 16)
                    let chunk = "\(size)\r\n\(event)\r\n"
                    #expect(
                        try await client.receive(exactly: chunk.utf8.count) == Array(chunk.utf8))
                }
                stream.send(.end)
                #expect(try await client.receive(exactly: 5) == Array("0\r\n\r\n".utf8))
                // The connection is used again.
                if round == 0 { try await client.send("GET / HTTP/1.1\r\n\r\n") }
            }
        }
    }

    @Test("an answer of known length is sent with it, and one to HTTP/1.0 ends with the connection")
    func otherFramings() async throws {
        try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, server in
            let known = ScriptedStream()
            held.reply(Self.answer(known, length: 4))
            known.send("ab")
            known.send("cd")
            known.send(.end)
            #expect(try await Response.receive(from: client).body == "abcd")

            try await client.send("HEAD / HTTP/1.1\r\n\r\n")
            let head = ScriptedStream()
            try await Self.next(server.application).reply(Self.answer(head, length: 4))
            head.send(.end)
            let answer = try await Response.receive(from: client, hasBody: false)
            #expect(answer.headers["content-length"] == "4")

            try await client.send("GET / HTTP/1.0\r\n\r\n")
            let old = ScriptedStream()
            try await Self.next(server.application).reply(Self.answer(old))
            old.send("to the end")
            old.send(.end)
            let text = String(decoding: try await client.receiveAll(), as: UTF8.self)
            #expect(text.contains("Connection: close\r\n"))
            #expect(!text.contains("Transfer-Encoding"))
            #expect(text.hasSuffix("\r\n\r\nto the end"))
        }
    }

    @Test("a body that breaks off, or is not as long as it said, never looks complete")
    func brokenAnswer() async throws {
        for (length, last) in [(nil, StreamPart.broken(reason: "x")), (9, .end), (1, .end)] {
            try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, _ in
                let stream = ScriptedStream()
                held.reply(Self.answer(stream, length: length))
                stream.send("ab")
                stream.send(last)
                let text = String(decoding: try await client.receiveAll(), as: UTF8.self)
                #expect(!text.hasSuffix("0\r\n\r\n"))
                #expect(length != 1 || !text.hasSuffix("ab"))
            }
        }
    }

    @Test("a client that does not read stops the stream, and nothing is lost")
    func answerBackpressure() async throws {
        try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, _ in
            let part = [UInt8](repeating: 9, count: 64 << 10)
            let parts = 1024
            let received = Mutex(0)
            let leadMax = Mutex(0)
            let stream = ScriptedStream { number in
                let lead = number * part.count - received.withLock { $0 }
                leadMax.withLock { $0 = max($0, lead) }
                return number < parts ? .bytes(part) : .end
            }
            held.reply(Self.answer(stream, length: parts * part.count))
            _ = try await client.receive(through: "\r\n\r\n")
            while received.withLock({ $0 }) < parts * part.count {
                let count = try await client.receive(bytesMax: 256 << 10).count
                #expect(count > 0)
                received.withLock { $0 += count }
            }
            #expect(leadMax.withLock { $0 } < 8 << 20)
        }
    }

    // MARK: Who leaves

    @Test("a client that leaves while it waits, or says it sends no more, is reported")
    func leavesWhileWaiting() async throws {
        for act in [RawClient.disconnect, RawClient.shutdownSending] {
            try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, _ in
                let gone = ScriptedStream()
                held.request.client?.whenGone { gone.cancel() }
                act(client)()
                await gone.waitForCancel()
                let late = ScriptedStream()
                held.reply(Self.answer(late))
                await late.waitForCancel()
            }
        }
    }

    @Test("a client that leaves in the middle of an answer cancels it")
    func leavesWhileReading() async throws {
        try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, _ in
            let stream = ScriptedStream()
            held.reply(Self.answer(stream))
            _ = try await client.receive(through: "\r\n\r\n")
            held.request.client?.whenGone {}
            client.disconnect()
            await stream.waitForCancel()
        }
    }

    @Test("a client that leaves in the middle of its request breaks the body")
    func leavesWhileSending() async throws {
        let head = "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"
        try await Self.run(head) { client, held, _ in
            let gone = ScriptedStream()
            held.request.client?.whenGone { gone.cancel() }
            client.disconnect()
            await gone.waitForCancel()
            guard case .broken? = await held.request.stream?.bytes.all().last else {
                Issue.record("half a body passed for a whole one")
                return
            }
        }
    }

    /// Sends `text`, leaves, and only then lets the event loop go on; returns once nobody is served.
    private static func leaveAtOnce(
        after text: String, _ respond: @escaping @Sendable (HTTPRequest) -> HTTPAnswer
    ) async throws {
        let hasLeft = DispatchSemaphore(value: 0)
        let application = ScriptedApplication(
            plan: { _ in
                hasLeft.wait()
                return .stream
            }, respond: respond)
        try await ServerFixture.run(application) { server in
            let client = try server.connect()
            try await client.send(text)
            try await eventually { application.planned.withLock { $0.count } == 1 }
            client.disconnect()
            hasLeft.signal()
            try await eventually { server.connections.open == 0 }
        }
    }

    @Test(
        "a client that leaves before it is told to continue ends its connection and nothing else",
        arguments: ["Content-Length: 28", "Transfer-Encoding: chunked"])
    func leavesBeforeInvitation(framing: String) async throws {
        let text = "POST / HTTP/1.1\r\nExpect: 100-continue\r\n\(framing)\r\n\r\n"
        try await Self.leaveAtOnce(after: text) { _ in
            Issue.record("the application was given a request whose client had left")
            return HTTPAnswer(status: 200)
        }
    }

    @Test("an answer whose client has left when it begins is cancelled")
    func leavesBeforeAnswer() async throws {
        let stream = ScriptedStream()
        try await Self.leaveAtOnce(after: "GET / HTTP/1.1\r\n\r\n") { _ in Self.answer(stream) }
        #expect(stream.isCancelled)
    }

    @Test("who watches a client that has left is told at once; a complete answer ends the watch")
    func watchesLate() async throws {
        try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, server in
            held.request.client?.whenGone { Issue.record("its answer was complete") }
            held.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: client).status == 200)
            try await client.send("GET / HTTP/1.1\r\n\r\n")
            let second = try await Self.next(server.application)
            let first = ScriptedStream()
            second.request.client?.whenGone { first.cancel() }
            client.disconnect()
            await first.waitForCancel()
            let late = ScriptedStream()
            second.request.client?.whenGone { late.cancel() }
            await late.waitForCancel()
        }
    }

    @Test("a drain lets a stream come to its end")
    func drain() async throws {
        try await Self.run("GET / HTTP/1.1\r\n\r\n") { client, held, server in
            let stream = ScriptedStream()
            held.reply(Self.answer(stream))
            _ = try await client.receive(through: "\r\n\r\n")
            async let drained: Void = server.listener.drain()
            stream.send("last words")
            #expect(try await client.receive(through: "words\r\n").count > 0)
            stream.send(.end)
            #expect(try await client.receiveAll() == Array("0\r\n\r\n".utf8))
            await drained
        }
    }
}

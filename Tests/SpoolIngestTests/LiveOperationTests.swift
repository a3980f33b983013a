import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@Suite("The 53 live operations", .timeLimit(.minutes(2)))
struct LiveOperationTests {
    private static func answer(_ operation: LiveOperation) -> HTTPAnswer {
        HTTPAnswer(status: operation.status, body: Array(operation.answer.utf8))
    }

    @Test("there are 53 of them, and the seven that are spooled are not among them")
    func table() {
        let rows = LiveOperation.all.map(\.row)
        #expect(Set(rows) == Set(1...60).subtracting([24, 25, 32, 36, 37, 38, 58]))
        #expect(rows.count == 53)
    }

    @Test(
        "a live operation reaches upstream as it was called, and its answer comes back as it was",
        arguments: LiveOperation.all)
    func operation(_ operation: LiveOperation) async throws {
        try await LivePath.run({ _ in Self.answer(operation) }) { path in
            let client = try path.connect()
            for mount in ["", "/v4", "/v4/"] {
                try await client.call(operation.method, mount + operation.target, operation.body)
                let answer = try await client.answer()
                #expect(answer.status == operation.status)
                #expect(answer.body == operation.answer)
                #expect(
                    answer.head.contains("content-type: application/json\r\n")
                        == !operation.answer.isEmpty)

                let request = try #require(path.upstream.requests.last)
                #expect(request.method == operation.method)
                let query = request.query.map { "?" + $0 } ?? ""
                #expect(request.path + query == "/base" + operation.target)
                #expect(String(buffer: request.body) == operation.body)
                #expect(request.headers["x-api-key"] == ["hl_sk_own"])
                #expect(request.headers["accept"] == ["application/json"])
                #expect(request.headers["user-agent"] == ["Konfig/0.7.35/python"])
                #expect(request.headers["accept-encoding"] == [])
                #expect(
                    request.headers["content-type"]
                        == (operation.body.isEmpty ? [] : ["application/json"]))
            }
            #expect(path.upstream.requests.count == 3)
            #expect(path.sink.accepted.isEmpty)
        }
    }

    @Test(
        "a stream of events is relayed one by one, each before upstream has made the next",
        arguments: LiveOperation.streaming)
    func events(_ operation: LiveOperation) async throws {
        let events = ScriptedStream()
        let respond: @Sendable (HTTPRequest) -> HTTPAnswer = { _ in
            HTTPAnswer(
                status: 200, stream: StreamedBody(events, length: nil), contentType: nil,
                headers: [("Content-Type", "text/event-stream; charset=utf-8")])
        }
        try await LivePath.run(respond) { path in
            let client = try path.connect()
            try await client.call(operation.method, "/v4" + operation.target, operation.body)
            let head = String(
                decoding: try await client.receive(through: "\r\n\r\n"), as: UTF8.self)
            #expect(head.hasPrefix("HTTP/1.1 200 "))
            #expect(head.contains("text/event-stream; charset=utf-8"))
            for number in 1...3 {
                let event = "data: {\"data\":[{\"id\":\"data_1\",\"output\":\"\(number)\"}]}\n\n"
                events.send(event)
                #expect(try await client.chunk() == Array(event.utf8))
            }
            events.send(.end)
            #expect(try await client.chunk() == nil)
        }
    }

    @Test("the embedded archive is upstream like any other, over its socket")
    func archive() async throws {
        try await LivePath.run(
            archive: true, { HTTPAnswer(status: 200, body: Array($0.path.utf8)) }
        ) { path in
            let client = try path.connect()
            try await client.call("GET", "/v4/logs?project_id=pr_1")
            #expect(try await client.answer().body == "/logs")
            #expect(path.upstream.requests.first?.headers["host"] == ["localhost"])
        }
    }

    @Test(
        "whatever upstream answers comes back: status, body, and when to try again",
        arguments: [400, 401, 403, 404, 409, 422, 429, 500, 503])
    func refusals(status: Int) async throws {
        try await LivePath.run({ _ in
            HTTPAnswer(
                status: status, body: Array(#"{"detail":{"code":7}}"#.utf8),
                headers: [("Retry-After", "17"), ("X-Other", "1")])
        }) { path in
            let client = try path.connect()
            try await client.call("POST", "/chat", "{}")
            let answer = try await client.answer()
            #expect(answer.status == status)
            #expect(answer.body == #"{"detail":{"code":7}}"#)
            #expect(answer.head.contains("retry-after: 17\r\n"))
            #expect(!answer.head.contains("x-other"))
        }
    }

    @Test("a client that leaves in the middle of a stream ends it at upstream")
    func cancellation() async throws {
        let events = ScriptedStream()
        try await LivePath.run({ _ in
            HTTPAnswer(status: 200, stream: StreamedBody(events, length: nil), contentType: nil)
        }) { path in
            let client = try path.connect()
            try await client.call("POST", "/chat", "{}")
            events.send("data: 1\n\n")
            _ = try await client.receive(through: "data: 1\n\n\r\n")
            client.disconnect()
            await events.waitForCancel()
        }
    }

    @Test("a client that does not read stops upstream, all the way")
    func backpressure() async throws {
        let part = [UInt8](repeating: 9, count: 64 << 10)
        let parts = 1024
        let received = Mutex(0)
        let leadMax = Mutex(0)
        let endless = ScriptedStream { number in
            let lead = number * part.count - received.withLock { $0 }
            leadMax.withLock { $0 = max($0, lead) }
            return number < parts ? .bytes(part) : .end
        }
        try await LivePath.run({ _ in
            HTTPAnswer(
                status: 200, stream: StreamedBody(endless, length: parts * part.count),
                contentType: nil)
        }) { path in
            let client = try path.connect()
            try await client.call("GET", "/projects/pr_1")
            _ = try await client.receive(through: "\r\n\r\n")
            while received.withLock({ $0 }) < parts * part.count {
                let count = try await client.receive(bytesMax: 64 << 10).count
                try #require(count > 0)
                received.withLock { $0 += count }
            }
            // What the kernel buffers of two loopback connections.
            #expect(leadMax.withLock { $0 } < 32 << 20)
        }
    }

    @Test("a large body passes, streamed, and a chunked one too")
    func largeBodies() async throws {
        try await LivePath.run({ request in
            HTTPAnswer(status: 200, body: Array("\(request.body.readableBytes)".utf8))
        }) { path in
            let client = try path.connect()
            let large = String(repeating: "x", count: 20 << 20)
            for target in ["/evaluators", "/chat"] {
                try await client.call("POST", target, large)
                #expect(try await client.answer().body == "\(20 << 20)")
                try await client.send(
                    "POST \(target) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + "2\r\n{}\r\n0\r\n\r\n")
                #expect(try await client.answer().body == "2")
            }
        }
    }

    @Test("an upstream that is too slow is 504, with who and why")
    func tooSlow() async throws {
        let settings = LiveSettings(firstByteTimeout: .milliseconds(100))
        try await LivePath.run(settings: settings, { _ in nil }) { path in
            let client = try path.connect()
            try await client.call("GET", "/projects")
            let slow = try await client.answer()
            #expect(slow.status == 504)
            let name = "http://\(path.there.boundAddress)/base"
            let detail = try JSONValue(parsing: Array(slow.body.utf8))["detail"]?.stringValue
            #expect(detail?.contains(name) == true)
            #expect(detail?.contains("did not begin its answer") == true)
        }
    }

    @Test("an upstream that is down is 502, with who and why")
    func isDown() async throws {
        try await LivePath.run({ _ in nil }) { path in
            let client = try path.connect()
            await path.there.drain()
            try await client.call("POST", "/chat", "{}")
            let down = try await client.answer()
            #expect(down.status == 502)
            #expect(down.body.contains("gave no answer"))
            #expect(try JSONValue(parsing: Array(down.body.utf8))["detail"] != nil)
        }
    }

    @Test("no caller's key and no provider's key appears in an answer of this daemon's own")
    func secrets() async throws {
        let settings = LiveSettings(firstByteTimeout: .milliseconds(50))
        try await LivePath.run(settings: settings, { _ in nil }) { path in
            let client = try path.connect()
            let chat = try #require(LiveOperation.all.first { $0.row == 1 })
            try await client.call(chat.method, chat.target, chat.body)
            let answer = try await client.answer()
            #expect(answer.status == 504)
            for secret in ["hl_sk_own", "sk-secret"] {
                #expect(!answer.body.contains(secret))
                #expect(!answer.head.contains(secret))
            }
            #expect(path.sink.accepted.isEmpty && path.sink.malformed.isEmpty)
        }
    }
}

import Dispatch
import Foundation
import NIOPosix
import SpoolCore
import SpoolSender
import SpoolTestKit
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct `HTTP live transport`: LiveTransportSuite {
    // MARK: As it was sent

    @Test(arguments: [
        "/logs?project_id=p&sort=a.b&sort=c&&x==y&z=%2F+%20",
        "/evaluations/ev%2F1%20%3F/evaluators?", "/projects/a;b,c:d@e!$&'()*+=~-._",
        "/projects/%C3%A9%25%00%0D%2F%5C%23%3F%3B?q=/?:@%FF%00%23", "/projects/:a/%2F/x?",
    ])
    func `method, target and header fields arrive as they are`(target: String) async throws {
        let seen = Mutex("")
        let upstream = try RawUpstream { connection in
            let request = connection.request() ?? ""
            seen.withLock { $0 = request }
            connection.answer(418, "tea", headers: "X-One: 1\r\n")
        }
        try await with(upstream) { transport in
            let answer = try await answer(
                transport,
                LiveRequest(
                    method: "PATCH", target: target,
                    headers: [("Accept", "a/b"), ("X-API-KEY", "own")], body: .bytes([0x7B, 0x7D])))
            #expect(answer.status == 418)
            #expect(answer.headers.contains { $0 == ("X-One", "1") })
            #expect(answer.body.length == 3)
            let all = await answer.body.bytes.all()
            #expect(all.bytes == Array("tea".utf8))
            #expect(all.last == .end)
        }
        let lines = seen.withLock { $0 }.components(separatedBy: "\r\n")
        #expect(lines.first == "PATCH /v4\(target) HTTP/1.1")
        let fields = Set(lines.dropFirst().dropLast(2).map { $0.lowercased() })
        #expect(
            fields == [
                "accept: a/b", "x-api-key: own", "content-length: 2", "host: \(upstream.address)",
            ])
        #expect(lines.last == "{}")
    }

    @Test func `a Unix socket works, with a Host header`() async throws {
        let path = "/tmp/loopspool-live-\(UUID().uuidString.prefix(8)).sock"
        defer { unlink(path) }
        let seen = Mutex("")
        let upstream = try RawUpstream(path: path) { connection in
            let request = connection.request() ?? ""
            seen.withLock { $0 = request }
            connection.answer(200, "[]")
        }
        defer { upstream.close() }
        try await with("unix:\(path)") { transport in
            let answer = try await answer(transport, Self.get)
            let all = await answer.body.bytes.all()
            #expect(all.bytes == Array("[]".utf8))
        }
        #expect(seen.withLock { $0 }.hasPrefix("GET /projects HTTP/1.1\r\n"))
        #expect(seen.withLock { $0 }.lowercased().contains("host: localhost\r\n"))
    }

    @Test func `answers to HEAD and without content have no body`() async throws {
        let upstream = try RawUpstream { connection in
            while let request = connection.request() {
                connection.write(
                    request.hasPrefix("HEAD")
                        ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
                        : "HTTP/1.1 204 No Content\r\n\r\n")
            }
        }
        try await with(upstream) { transport in
            for method in ["HEAD", "DELETE"] {
                let answer = try await answer(
                    transport, LiveRequest(method: method, target: "/logs?id=x"))
                let all = await answer.body.bytes.all()
                #expect(all.bytes.isEmpty)
                #expect(all.last == .end)
            }
        }
    }

    @Test func `a redirect is an answer and is not followed`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.answer(307, "", headers: "Location: /elsewhere\r\n")
        }
        try await with(upstream) { transport in
            let answer = try await answer(transport, Self.get)
            #expect(answer.status == 307)
        }
        #expect(upstream.connections == 1)
    }

    // MARK: As it comes

    @Test func `an event is here before upstream writes the next one`() async throws {
        let mayGoOn = DispatchSemaphore(value: 0)
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write(Self.head + "Transfer-Encoding: chunked\r\n\r\n")
            for event in ["data: 1\n\n", "data: 2\n\n"] {
                mayGoOn.wait()
                connection.write("9\r\n\(event)\r\n")
            }
            mayGoOn.wait()
            connection.write("0\r\n\r\n")
        }
        try await with(upstream) { transport in
            let answer = try await answer(transport, Self.get)
            #expect(answer.body.length == nil)
            for event in ["data: 1\n\n", "data: 2\n\n"] {
                mayGoOn.signal()
                #expect(text(await answer.body.bytes.next()) == event)
            }
            mayGoOn.signal()
            #expect(await answer.body.bytes.next() == .end)
        }
    }

    @Test(arguments: [6, nil] as [Int?])
    func `a part of the request is upstream before the next one is there`(length: Int?) async throws
    {
        let (parts, arrived) = AsyncStream<String>.makeStream()
        let upstream = try RawUpstream { connection in
            arrived.yield(connection.read(through: "one"))
            arrived.yield(connection.read(through: length == nil ? "0\r\n\r\n" : "two"))
            connection.answer(201, "")
        }
        try await with(upstream) { transport in
            let body = ScriptedStream()
            body.send("one")
            async let answered = answer(
                transport,
                LiveRequest(
                    method: "POST", target: "/evaluators",
                    body: .stream(StreamedBody(body, length: length))))
            var seen = parts.makeAsyncIterator()
            let first = try #require(await seen.next()).lowercased()
            #expect(
                first.contains(
                    length == nil ? "transfer-encoding: chunked" : "content-length: 6"))
            body.send("two")
            body.send(.end)
            #expect(try #require(await seen.next()).contains("two"))
            #expect(try await answered.status == 201)
        }
    }

    @Test func `upstream is read no further than the reader asks`() async throws {
        let piece = String(repeating: "x", count: 64 << 10)
        let total = 1024 * piece.utf8.count
        let written = Mutex(0)
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            for _ in 0..<1024 {
                connection.write(piece)
                written.withLock { $0 += piece.utf8.count }
            }
        }
        try await with(upstream) { transport in
            let answer = try await answer(transport, Self.get)
            var received = 0
            var leadMax = 0
            while case .bytes(let bytes) = await answer.body.bytes.next() {
                received += bytes.count
                leadMax = max(leadMax, written.withLock { $0 } - received)
            }
            #expect(received == total)
            // What the kernel buffers of a loopback connection.
            #expect(leadMax < 16 << 20)
        }
    }

    @Test func `the request is asked for no faster than upstream reads it`() async throws {
        let mayRead = DispatchSemaphore(value: 0)
        let upstream = try RawUpstream { connection in
            connection.read(through: "\r\n\r\n")
            mayRead.wait()
            while connection.some() != nil {}
        }
        try await with(upstream) { transport in
            let part = [UInt8](repeating: 1, count: 256 << 10)
            let body = ScriptedStream { $0 < 4096 ? .bytes(part) : .end }
            let outcome = await outcome(
                transport,
                LiveRequest(
                    method: "POST", target: "/evaluators",
                    body: .stream(StreamedBody(body, length: nil)), idleTimeout: .milliseconds(200))
            )
            guard case .tooSlow(let reason) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(reason.contains("read on"))
            #expect(body.asked < 256)
            mayRead.signal()
        }
    }

    @Test func `long streams do not wait for each other`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write(Self.head + "Transfer-Encoding: chunked\r\n\r\n")
            connection.waitForClose()
        }
        try await with(upstream) { transport in
            var answers: [LiveAnswer] = []
            for _ in 0..<40 { answers.append(try await answer(transport, Self.get)) }
            #expect(upstream.connections == 40)
            for answer in answers { answer.body.bytes.cancel() }
        }
    }
}

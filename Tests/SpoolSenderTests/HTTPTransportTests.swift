import Dispatch
import Foundation
import NIOPosix
import SpoolCore
import SpoolSender
import Synchronization
import Testing

@Suite struct `HTTP transport` {
    private let group = MultiThreadedEventLoopGroup.singleton

    /// Performs exchanges one after the other, over one transport.
    private func exchange(
        with upstream: RawUpstream, at address: String? = nil, key: String? = nil,
        target: String = "/logs", body: String = "[{}]", timeout: Duration = .seconds(20),
        times: Int = 1
    ) async throws -> [UpstreamOutcome] {
        defer { upstream.close() }
        return try await exchange(
            at: address ?? "http://\(upstream.address)", key: key, target: target, body: body,
            timeout: timeout, times: times)
    }

    private func exchange(
        at address: String, key: String? = nil, target: String = "/logs", body: String = "[{}]",
        timeout: Duration = .seconds(20), times: Int = 1
    ) async throws -> [UpstreamOutcome] {
        let transport = try HTTPTransport(
            to: UpstreamAddress(address), key: key, version: "1.2.3", on: group)
        let request = UpstreamRequest(
            method: "POST", target: target, body: Array(body.utf8), timeout: timeout)
        var outcomes: [UpstreamOutcome] = []
        for _ in 0..<times {
            outcomes.append(
                await withCheckedContinuation { continuation in
                    transport.exchange(request) { continuation.resume(returning: $0) }
                })
        }
        try await transport.shutdown()
        return outcomes
    }

    private func ok(_ body: String, status: Int = 200, retryAfter: String? = nil) -> UpstreamOutcome
    {
        .answered(
            UpstreamAnswer(status: status, retryAfter: retryAfter, body: Array(body.utf8)))
    }

    private func isNotSent(_ outcome: UpstreamOutcome) -> Bool {
        if case .notSent = outcome { true } else { false }
    }

    private func isLost(_ outcome: UpstreamOutcome, timedOut: Bool) -> Bool {
        if case .noAnswer(_, timedOut) = outcome { true } else { false }
    }

    @Test func `sends the request as it was made and returns the answer as it came`() async throws {
        let seen = Mutex("")
        let upstream = try RawUpstream { connection in
            let request = connection.request() ?? ""
            seen.withLock { $0 = request }
            connection.answer(429, "later", headers: "Retry-After: 7\r\n")
        }
        let outcomes = try await exchange(
            with: upstream, at: "http://\(upstream.address)/v4/", key: "hl_sk_1",
            target: "/logs?reference_id=a%2Fb%20%3F", body: #"[{"output":"ä"}]"#)
        #expect(outcomes == [ok("later", status: 429, retryAfter: "7")])
        let lines = seen.withLock { $0 }.split(separator: "\r\n").map(String.init)
        #expect(lines.first == "POST /v4/logs?reference_id=a%2Fb%20%3F HTTP/1.1")
        let headers = lines.dropFirst().map { $0.lowercased() }
        #expect(headers.contains("x-api-key: hl_sk_1"))
        #expect(headers.contains("content-type: application/json"))
        #expect(headers.contains("user-agent: loopspool/1.2.3"))
        #expect(headers.contains("content-length: 17"))
        #expect(headers.contains("host: \(upstream.address)"))
        #expect(lines.last == #"[{"output":"ä"}]"#)
    }

    @Test func `a request without a body has no content type`() async throws {
        let seen = Mutex("")
        let upstream = try RawUpstream { connection in
            let request = connection.request() ?? ""
            seen.withLock { $0 = request }
            connection.answer(201, #"{"id":"sesh_1"}"#)
        }
        let outcomes = try await exchange(with: upstream, target: "/sessions", body: "")
        #expect(outcomes == [ok(#"{"id":"sesh_1"}"#, status: 201)])
        let text = seen.withLock { $0 }.lowercased()
        #expect(text.hasPrefix("post /sessions http/1.1\r\n"))
        #expect(text.contains("\r\ncontent-length: 0\r\n"))
        #expect(!text.contains("content-type"))
        #expect(!text.contains("transfer-encoding"))
    }

    @Test func `a refused connection was surely not sent`() async throws {
        let upstream = try RawUpstream { _ in }
        upstream.close()
        let outcomes = try await exchange(at: "http://\(upstream.address)", times: 2)
        #expect(outcomes.allSatisfy(isNotSent))
    }

    @Test func `a missing Unix socket and an unknown host were surely not sent`() async throws {
        for address in ["unix:/nowhere/at-all.sock", "http://host.invalid"] {
            let outcomes = try await exchange(at: address)
            #expect(outcomes.allSatisfy(isNotSent), "\(outcomes)")
        }
    }

    @Test func `a reset after the request is no answer`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.reset()
        }
        let outcomes = try await exchange(with: upstream)
        #expect(outcomes.allSatisfy { isLost($0, timedOut: false) }, "\(outcomes)")
        #expect(upstream.connections == 1, "the request must not be sent again by itself")
    }

    @Test func `a close without an answer is no answer`() async throws {
        let upstream = try RawUpstream { connection in _ = connection.request() }
        let outcomes = try await exchange(with: upstream)
        #expect(outcomes.allSatisfy { isLost($0, timedOut: false) }, "\(outcomes)")
    }

    @Test(arguments: [401, 413, 429, 503])
    func `an answer that comes before the whole body was read counts`(status: Int) async throws {
        let isOver = DispatchSemaphore(value: 0)
        let upstream = try RawUpstream { connection in
            connection.read(through: "\r\n\r\n")
            connection.answer(status, "no", headers: "Retry-After: 7\r\n")
            // It neither reads on nor closes.
            isOver.wait()
        }
        let body = String(repeating: "x", count: 16 << 20)
        let outcomes = try await exchange(with: upstream, body: body)
        isOver.signal()
        #expect(outcomes == [ok("no", status: status, retryAfter: "7")])
    }

    @Test func `a large body that nobody reads is no answer`() async throws {
        let upstream = try RawUpstream { connection in connection.reset() }
        let body = String(repeating: "x", count: 8 << 20)
        let outcomes = try await exchange(with: upstream, body: body)
        #expect(outcomes.allSatisfy { !isLost($0, timedOut: true) }, "\(outcomes)")
        #expect(outcomes.allSatisfy { if case .answered = $0 { false } else { true } })
    }

    @Test func `headers that never come time out`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.waitForClose()
        }
        let outcomes = try await exchange(with: upstream, timeout: .milliseconds(100))
        #expect(outcomes.allSatisfy { isLost($0, timedOut: true) }, "\(outcomes)")
    }

    @Test func `a body that never ends times out`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
            connection.waitForClose()
        }
        let outcomes = try await exchange(with: upstream, timeout: .milliseconds(100))
        #expect(outcomes.allSatisfy { isLost($0, timedOut: true) }, "\(outcomes)")
    }

    @Test func `a body shorter than its length is no answer`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]")
        }
        let outcomes = try await exchange(with: upstream)
        #expect(outcomes.allSatisfy { isLost($0, timedOut: false) }, "\(outcomes)")
    }

    @Test func `what is not HTTP is no answer`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write("SSH-2.0-OpenSSH\r\n\r\n")
        }
        let outcomes = try await exchange(with: upstream)
        #expect(outcomes.allSatisfy { isLost($0, timedOut: false) }, "\(outcomes)")
    }

    @Test func `a chunked answer and one that ends with the connection are whole`() async throws {
        let chunked = try RawUpstream { connection in
            _ = connection.request()
            connection.write(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n"
            )
        }
        #expect(try await exchange(with: chunked) == [ok("[1]")])
        let closing = try RawUpstream { connection in
            _ = connection.request()
            connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1]")
        }
        #expect(try await exchange(with: closing) == [ok("[1]")])
    }

    @Test func `an answer without end is cut at the limit`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
            let piece = String(repeating: "x", count: 1 << 20)
            for _ in 0..<((Limits.answerBytesMax >> 20) + 1) { connection.write(piece) }
            connection.waitForClose()
        }
        let outcomes = try await exchange(with: upstream)
        guard case .answered(let answer)? = outcomes.first else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(answer.status == 200)
        #expect(answer.body.count == Limits.answerBytesMax)
    }

    @Test func `connections are kept and used again`() async throws {
        let upstream = try RawUpstream { connection in
            while connection.request() != nil { connection.answer(200, "[]") }
        }
        let outcomes = try await exchange(with: upstream, times: 20)
        #expect(outcomes == Array(repeating: ok("[]"), count: 20))
        // Now and then the client hands out an answer before it has taken the connection back.
        #expect(upstream.connections <= 4)
    }

    @Test func `a kept connection that closes is in doubt or replaced, never an answer`()
        async throws
    {
        let requests = Mutex(0)
        let upstream = try RawUpstream { connection in
            guard connection.request() != nil else { return }
            requests.withLock { $0 += 1 }
            connection.answer(200, "[]")
            // Closed without a word, at the moment when the next request may come.
        }
        let outcomes = try await exchange(with: upstream, times: 50)
        let answered = outcomes.count { $0 == ok("[]") }
        #expect(outcomes.allSatisfy { !isLost($0, timedOut: true) })
        // Nothing was sent a second time behind our back.
        #expect(requests.withLock { $0 } == answered)
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func `a redirect is an answer and is not followed`(status: Int) async throws {
        let upstream = try RawUpstream { connection in
            while connection.request() != nil {
                connection.answer(status, "", headers: "Location: /elsewhere\r\n")
            }
        }
        #expect(try await exchange(with: upstream) == [ok("", status: status)])
        #expect(upstream.connections == 1)
    }

    @Test func `a Unix socket works, with a Host header`() async throws {
        let path = "/tmp/loopspool \(UUID().uuidString.prefix(8)) ä%.sock"
        defer { unlink(path) }
        let seen = Mutex("")
        let upstream = try RawUpstream(path: path) { connection in
            while let request = connection.request() {
                seen.withLock { $0 = request }
                connection.answer(200, "[]")
            }
        }
        let outcomes = try await exchange(with: upstream, at: "unix:\(path)", times: 20)
        #expect(outcomes == Array(repeating: ok("[]"), count: 20))
        #expect(upstream.connections <= 4)
        let request = seen.withLock { $0 }
        #expect(request.hasPrefix("POST /logs HTTP/1.1\r\n"))
        #expect(request.lowercased().contains("\r\nhost: localhost\r\n"))
    }

    @Test func `no error repeats the key`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.reset()
        }
        let outcomes = try await exchange(with: upstream, key: "hl_sk_secret")
        #expect(!"\(outcomes)".contains("hl_sk_secret"))
        #expect {
            _ = try HTTPTransport(
                to: UpstreamAddress("http://h"), key: "hl_sk_secret\n", version: "1",
                on: MultiThreadedEventLoopGroup.singleton)
        } throws: { error in
            !"\(error)".contains("hl_sk_secret")
        }
    }
}

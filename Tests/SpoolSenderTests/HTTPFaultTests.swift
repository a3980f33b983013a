import Foundation
import NIOPosix
import SpoolCore
import SpoolSender
import Synchronization
import Testing

/// What the transport makes of an upstream that breaks the rules: never an answer that is none, never
/// "not sent" for what may have been read.
@Suite struct `Faults on the wire` {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func exchange(
        at address: String, body: String = "[{}]", timeout: Duration = .seconds(20), times: Int = 1
    ) async throws -> [UpstreamOutcome] {
        let transport = try HTTPTransport(
            to: UpstreamAddress(address), key: nil, version: "1", on: group)
        let request = UpstreamRequest(
            method: "POST", target: "/logs", body: Array(body.utf8), timeout: timeout)
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

    /// Exchanges with an upstream that reads each request and then does as the script says.
    private func exchange(
        timeout: Duration = .seconds(20), times: Int = 1,
        _ script: @escaping @Sendable (RawUpstream.Connection) -> Void
    ) async throws -> [UpstreamOutcome] {
        let upstream = try RawUpstream { connection in
            while connection.request() != nil { script(connection) }
        }
        defer { upstream.close() }
        return try await exchange(
            at: "http://\(upstream.address)", timeout: timeout, times: times)
    }

    private func isLost(_ outcome: UpstreamOutcome) -> Bool {
        if case .noAnswer(_, timedOut: false) = outcome { true } else { false }
    }

    private func isNotSent(_ outcome: UpstreamOutcome) -> Bool {
        if case .notSent = outcome { true } else { false }
    }

    private func ok(_ body: String) -> UpstreamOutcome {
        .answered(UpstreamAnswer(status: 200, body: Array(body.utf8)))
    }

    // MARK: Resets

    /// How far an answer comes before the connection is reset.
    private static let beginnings = [
        "", "H", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[{}]\r\n",
    ]

    @Test(arguments: beginnings)
    func `a reset in the middle of the answer is no answer`(beginning: String) async throws {
        let outcomes = try await exchange { connection in
            connection.write(beginning)
            connection.reset()
        }
        #expect(outcomes.allSatisfy(isLost), "\(outcomes)")
    }

    @Test(arguments: beginnings)
    func `a close in the middle of the answer is no answer`(beginning: String) async throws {
        let outcomes = try await exchange { connection in
            connection.write(beginning)
            connection.finish()
        }
        #expect(outcomes.allSatisfy(isLost), "\(outcomes)")
    }

    @Test func `a reset before anything was read is never an answer`() async throws {
        let upstream = try RawUpstream { $0.reset() }
        defer { upstream.close() }
        let outcomes = try await exchange(at: "http://\(upstream.address)", times: 20)
        #expect(outcomes.allSatisfy { isLost($0) || isNotSent($0) }, "\(outcomes)")
    }

    // MARK: Lengths

    @Test func `what follows an answer is never taken for the next one`() async throws {
        let applied = Mutex(0)
        let outcomes = try await exchange(times: 20) { connection in
            let number = applied.withLock { count in
                count += 1
                return count
            }
            // Two answers to one request, in one write: a second one that came when the next request is
            // on its way could be meant for that, by all that HTTP/1.1 tells.
            let head = "HTTP/1.1 200 OK\r\nContent-Length:"
            let first = "[\(number)]"
            connection.write(
                "\(head) \(first.utf8.count)\r\n\r\n\(first)\(head) 13\r\n\r\n[\"of nobody\"]")
        }
        #expect(!outcomes.contains(ok("[\"of nobody\"]")), "\(outcomes)")
        let answered = outcomes.filter { !isLost($0) && !isNotSent($0) }
        #expect(answered.count <= applied.withLock { $0 })
    }

    @Test func `a length that is too short cuts the answer, and spoils no other`() async throws {
        let outcomes = try await exchange(times: 10) { connection in
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]}}}}")
        }
        #expect(outcomes.allSatisfy { $0 == ok("[]") || isLost($0) || isNotSent($0) })
        #expect(outcomes.first == ok("[]"))
    }

    @Test(arguments: ["-1", "abc", "99999999999999999999", "1\r\nContent-Length: 2"])
    func `a length that is none is no answer`(length: String) async throws {
        let outcomes = try await exchange { connection in
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n[]")
        }
        #expect(outcomes.allSatisfy(isLost), "\(outcomes)")
    }

    // MARK: Heads

    @Test func `an interim answer is not the answer`() async throws {
        let outcomes = try await exchange(times: 2) { connection in
            connection.write("HTTP/1.1 100 Continue\r\n\r\n")
            connection.write("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            connection.answer(200, "[]")
        }
        #expect(outcomes == [ok("[]"), ok("[]")])
    }

    @Test func `an interim answer that stays alone times out`() async throws {
        let outcomes = try await exchange(timeout: .milliseconds(100)) { connection in
            connection.write("HTTP/1.1 100 Continue\r\n\r\n")
            connection.waitForClose()
        }
        guard case .noAnswer(_, timedOut: true)? = outcomes.first else {
            Issue.record("\(outcomes)")
            return
        }
    }

    @Test(arguments: ["000", "001", "050", "099"])
    func `a status that HTTP does not know is no answer`(status: String) async throws {
        let rests = [
            "\r\n", "Content-Length: 2\r\n\r\n[]", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        ]
        for rest in rests {
            let outcomes = try await exchange(times: 2) { connection in
                connection.write("HTTP/1.1 \(status) X\r\n" + rest)
                connection.waitForClose()
            }
            #expect(outcomes.allSatisfy(isLost), "\(rest.debugDescription): \(outcomes)")
        }
    }

    @Test func `an offer to switch protocols is no interim answer`() async throws {
        let outcomes = try await exchange { connection in
            connection.write("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n{}")
            connection.answer(200, "[]")
        }
        #expect(outcomes == [.answered(UpstreamAnswer(status: 101, body: []))])
    }

    @Test func `a head of half a megabyte is read or given up`() async throws {
        let outcomes = try await exchange { connection in
            connection.write("HTTP/1.1 200 OK\r\n")
            let line = "X-Noise: " + String(repeating: "n", count: 8000) + "\r\n"
            for _ in 0..<64 { connection.write(line) }
            connection.write("Content-Length: 2\r\n\r\n[]")
        }
        #expect(outcomes.allSatisfy { isLost($0) || $0 == ok("[]") }, "\(outcomes)")
    }

    /// What an answer may begin with, and what it may go on with for ever.
    private static let trickles = [
        ("HTTP/1.1 200 OK\r\nX-Slow: ", "x"), ("HTTP/1.1 200 OK\r\n", "X-Slow: x\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "x"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("HTTP/1.1 200 OK\r\n\r\n", "x"),
    ]

    @Test(arguments: trickles)
    func `an answer that trickles has one timeout for all of it`(
        beginning: String, drop: String
    ) async throws {
        let outcomes = try await exchange(timeout: .milliseconds(300)) { connection in
            connection.write(beginning)
            // Slower than 256 header fields in the time there is: the parser takes no more.
            while connection.write(drop) { usleep(5_000) }
        }
        guard case .noAnswer(_, timedOut: true)? = outcomes.first, outcomes.count == 1 else {
            Issue.record("\(outcomes)")
            return
        }
    }

    @Test(arguments: ["x", "X-Noise: nnnnnnnnnnnnnnnn\r\n"])
    func `a head without end is given up before it fills the memory`(noise: String) async throws {
        let written = Mutex(0)
        let piece = String(repeating: noise, count: 65_536 / noise.utf8.count)
        let outcomes = try await exchange { connection in
            connection.write("HTTP/1.1 200 OK\r\nX-Long: ")
            while connection.write(piece) { written.withLock { $0 += piece.utf8.count } }
        }
        #expect(outcomes.allSatisfy(isLost), "\(outcomes)")
        // What the parser takes, and what the two sockets hold.
        #expect(written.withLock { $0 } < 16 << 20)
    }

    @Test(arguments: [
        "garbage\r\n\r\n", "\r\n\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n",
        "<html></html>", "\u{0}\u{1}\u{2}\u{3}", "POST /logs HTTP/1.1\r\n\r\n",
    ])
    func `garbage is no answer`(garbage: String) async throws {
        let outcomes = try await exchange { connection in
            connection.write(garbage)
            connection.finish()
        }
        #expect(outcomes.allSatisfy(isLost), "\(outcomes)")
    }

    // MARK: TLS

    @Test func `a server that does not speak TLS was not sent anything`() async throws {
        let heard = Mutex("")
        let upstream = try RawUpstream { connection in
            let text = connection.some() ?? ""
            heard.withLock { $0 += text }
            connection.answer(200, "[]")
        }
        defer { upstream.close() }
        let outcomes = try await exchange(at: "https://\(upstream.address)")
        #expect(outcomes.allSatisfy(isNotSent), "\(outcomes)")
        #expect(!heard.withLock { $0 }.contains("/logs"))
    }

    @Test func `a handshake that breaks off was not sent anything`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.some()
            connection.reset()
        }
        defer { upstream.close() }
        let outcomes = try await exchange(at: "https://\(upstream.address)")
        #expect(outcomes.allSatisfy(isNotSent), "\(outcomes)")
    }

    @Test(.enabled(if: SelfSigned.isPossible, "needs openssl"))
    func `a certificate that nobody vouches for is not trusted with anything`() async throws {
        let server = try SelfSigned()
        var outcomes: [UpstreamOutcome] = []
        // It listens when it is ready; until then connections are refused.
        for _ in 0..<400 where !"\(outcomes)".localizedCaseInsensitiveContains("certificate") {
            outcomes = try await exchange(at: "https://localhost:\(server.port)")
            #expect(outcomes.allSatisfy(isNotSent), "\(outcomes)")
            try await Task.sleep(for: .milliseconds(25))
        }
        #expect("\(outcomes)".localizedCaseInsensitiveContains("certificate"), "\(outcomes)")
        #expect(!server.stop().contains("POST /logs"))
    }
}

/// `openssl s_server` with a certificate of its own making.
private final class SelfSigned {
    private static let tool = "/usr/bin/openssl"
    static var isPossible: Bool { FileManager.default.isExecutableFile(atPath: tool) }

    let port: Int
    private let folder: URL
    private let process: pid_t

    private struct Failure: Error {}

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "loopspool-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // A port that was free a moment ago.
        let probe = try RawUpstream { _ in }
        probe.close()
        guard let port = Int(probe.address.split(separator: ":").last ?? "") else {
            throw Failure()
        }
        self.port = port
        let script = """
            cd '\(folder.path)' && \(Self.tool) req -x509 -newkey rsa:2048 -nodes -days 2 \
            -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem \
            >/dev/null 2>&1 && { \(Self.tool) s_server -accept \(port) -key key.pem -cert cert.pem \
            </dev/zero >heard 2>&1 & echo $! >pid; }
            """
        guard system(script) == 0,
            let text = try? String(contentsOf: folder.appending(path: "pid"), encoding: .utf8),
            let process = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
        else { throw Failure() }
        self.process = process
    }

    /// Ends it; returns what it heard.
    func stop() -> String {
        kill(process, SIGKILL)
        let heard = try? String(contentsOf: folder.appending(path: "heard"), encoding: .utf8)
        try? FileManager.default.removeItem(at: folder)
        return heard ?? ""
    }
}

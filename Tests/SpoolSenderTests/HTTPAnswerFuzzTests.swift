import Foundation
import NIOPosix
import SpoolCore
import SpoolSender
import SpoolTestKit
import Testing

/// An upstream may send anything at any time: every exchange ends, none ends the process, and a status
/// is an answer only if HTTP knows it as one.
@Suite(.timeLimit(.minutes(5))) struct `Answers of any make`: LiveTransportSuite {
    /// `ANSWERS=5000` tries more of them.
    private static let seeds =
        1...(ProcessInfo.processInfo.environment["ANSWERS"].flatMap { UInt64($0) } ?? 200)

    /// An upstream that answers each connection in another way, the same for the same seed; it waits for
    /// no more of the request than `body`.
    private func upstream(_ seed: UInt64, body: String) throws -> RawUpstream {
        try RawUpstream { connection in
            var answer = AnyAnswer(seed: seed &* 1000 &+ UInt64(connection.number))
            // Some begin before the request is there, some while its body is under way.
            switch answer.random(4) {
            case 0: break
            case 1: connection.read(through: "\r\n\r\n")
            default: connection.read(through: body)
            }
            for piece in answer.pieces() {
                guard connection.write(piece) else { return }
                // Pieces that are apart are more often read apart.
                if answer.random(3) == 0 { usleep(500) }
            }
            if answer.random(3) == 0 { connection.reset() }
        }
    }

    private func isFinal(_ status: Int) -> Bool {
        status == 101 || (200...999).contains(status)
    }

    @Test(arguments: seeds)
    func `are survived by deliveries`(seed: UInt64) async throws {
        let upstream = try upstream(seed, body: "xx")
        defer { upstream.close() }
        let transport = try HTTPTransport(
            to: UpstreamAddress("http://\(upstream.address)"), key: nil, version: "1",
            on: MultiThreadedEventLoopGroup.singleton)
        let body = Array(repeating: UInt8(ascii: "x"), count: seed.isMultiple(of: 5) ? 1 << 20 : 2)
        let request = UpstreamRequest(
            method: "POST", target: "/logs", body: body, timeout: .milliseconds(500))
        for _ in 0..<3 {
            let outcome = await withCheckedContinuation { continuation in
                transport.exchange(request) { continuation.resume(returning: $0) }
            }
            if case .answered(let answer) = outcome {
                #expect(isFinal(answer.status), "seed \(seed)")
            }
        }
        try await transport.shutdown()
    }

    @Test(arguments: seeds)
    func `are survived by live calls`(seed: UInt64) async throws {
        let isWhole = seed.isMultiple(of: 2)
        let upstream = try upstream(seed, body: isWhole ? "halfhalf" : "half")
        try await with(upstream) { transport in
            for _ in 0..<3 {
                let body = ScriptedStream()
                body.send("half")
                let request = LiveRequest(
                    method: "POST", target: "/x", body: .stream(StreamedBody(body, length: 8)),
                    firstByteTimeout: .milliseconds(500), idleTimeout: .milliseconds(500))
                if isWhole { finish(body) }
                guard case .answered(let answer) = await outcome(transport, request) else {
                    continue
                }
                #expect(isFinal(answer.status), "seed \(seed)")
                if !isWhole { finish(body) }
                _ = await answer.body.bytes.all()
            }
        }
    }

    private func finish(_ body: ScriptedStream) {
        body.send("half")
        body.send(.end)
    }
}

/// Something like an answer, made at random.
private struct AnyAnswer {
    private var source: SeededRandom

    init(seed: UInt64) {
        source = SeededRandom(seed: seed)
    }

    mutating func random(_ count: Int) -> Int {
        Int.random(in: 0..<count, using: &source)
    }

    private mutating func one(of choices: [String]) -> String {
        choices[random(choices.count)]
    }

    /// What is written, in pieces as they come.
    mutating func pieces() -> [String] {
        var text = ""
        for _ in 0...random(4) { text += part() }
        var bytes = Array(text.utf8)
        if random(4) == 0, !bytes.isEmpty {
            for _ in 0...random(3) { bytes[random(bytes.count)] = UInt8(random(128)) }
        }
        var pieces: [String] = []
        while !bytes.isEmpty {
            let size = 1 + random(random(2) == 0 ? 4 : 200)
            pieces.append(String(decoding: bytes.prefix(size), as: UTF8.self))
            bytes.removeFirst(min(size, bytes.count))
        }
        return pieces
    }

    private mutating func part() -> String {
        switch random(8) {
        case 0: one(of: ["{}", "\r\n", "0\r\n\r\n", "2\r\n[]\r\n", "HTTP/1.1", "\0"])
        case 1: head("100")
        default: head(status()) + bodyText()
        }
    }

    private mutating func status() -> String {
        switch random(3) {
        case 0: String("00\(random(1000))".suffix(3))
        case 1: one(of: ["000", "050", "099", "100", "101", "103", "199"])
        default: one(of: ["200", "201", "204", "205", "304", "307", "404", "500", "600", "999"])
        }
    }

    private mutating func head(_ status: String) -> String {
        var head = one(of: ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"])
        head += " \(status)" + one(of: [" X", " ", ""]) + "\r\n"
        for _ in 0..<random(4) {
            head += one(of: [
                "Content-Length: 0", "Content-Length: 2", "Content-Length: 9", "Connection: close",
                "Transfer-Encoding: chunked", "Connection: upgrade\r\nUpgrade: x", "X:", ": x",
                "Content-Encoding: gzip", "Trailer: X", "Location: /", " folded",
            ])
            head += "\r\n"
        }
        return head + "\r\n"
    }

    private mutating func bodyText() -> String {
        one(of: [
            "", "[]", "2\r\n[]\r\n0\r\n\r\n", "2;x=y\r\n[]\r\n0\r\nX: y\r\n\r\n", "0\r\nX:\r\n\r\n",
            "0\r\nX\r\n\r\n", "ffffffffffffffff\r\n", "2\r\n[",
        ])
    }
}

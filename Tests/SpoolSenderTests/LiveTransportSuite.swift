import NIOPosix
import SpoolCore
import SpoolSender
import SpoolTestKit
import Testing

/// Tests of a transport for live calls before a scripted upstream.
protocol LiveTransportSuite {}

extension LiveTransportSuite {
    /// Runs `body` with a transport to `address`, and shuts it down.
    func with(
        _ address: String, _ body: (HTTPLiveTransport) async throws -> Void
    ) async throws {
        let transport = HTTPLiveTransport(
            to: try UpstreamAddress(address), on: MultiThreadedEventLoopGroup.singleton)
        do {
            try await body(transport)
        } catch {
            try await transport.shutdown()
            throw error
        }
        try await transport.shutdown()
    }

    /// Runs `body` with a transport to a scripted upstream, and closes both.
    func with(
        _ upstream: RawUpstream, _ body: (HTTPLiveTransport) async throws -> Void
    ) async throws {
        defer { upstream.close() }
        try await with("http://\(upstream.address)/v4", body)
    }

    /// What came of a call.
    func outcome(
        _ transport: HTTPLiveTransport, _ request: LiveRequest
    ) async -> LiveOutcome {
        await withCheckedContinuation { continuation in
            _ = transport.begin(request) { continuation.resume(returning: $0) }
        }
    }

    /// Upstream's answer; anything else is an issue.
    func answer(
        _ transport: HTTPLiveTransport, _ request: LiveRequest
    ) async throws -> LiveAnswer {
        let outcome = await outcome(transport, request)
        guard case .answered(let answer) = outcome else {
            Issue.record("no answer: \(outcome)")
            throw CancellationError()
        }
        return answer
    }

    /// A call without a body.
    static var get: LiveRequest { LiveRequest(method: "GET", target: "/projects") }
    /// The beginning of an answer.
    static var head: String { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" }

    /// The bytes of a part as text, or what else it is.
    func text(_ part: StreamPart) -> String {
        if case .bytes(let bytes) = part {
            String(decoding: bytes, as: UTF8.self)
        } else {
            "\(part)"
        }
    }

    /// Whether a stream broke off here.
    func isBroken(_ part: StreamPart) -> Bool {
        if case .broken = part { true } else { false }
    }
}

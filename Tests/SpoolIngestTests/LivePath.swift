import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolCore
import SpoolIngest
import SpoolSender
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

/// An upstream that records what reaches it, and answers as the test says, or never.
final class RecordingUpstream: HTTPApplication {
    typealias Respond = @Sendable (HTTPRequest) -> HTTPAnswer?

    private let seen = Mutex<[HTTPRequest]>([])
    /// Ways back that are kept and not used.
    private let silenced = Mutex<[@Sendable (HTTPAnswer) -> Void]>([])
    private let respond: Respond

    init(_ respond: @escaping Respond) {
        self.respond = respond
    }

    /// Everything that came, in order.
    var requests: [HTTPRequest] { seen.withLock { $0 } }

    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan { .read(bytesMax: 32 << 20) }

    func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        seen.withLock { $0.append(request) }
        // Watched, so that what is under way ends with its client.
        request.client?.whenGone {}
        if let answer = respond(request) {
            reply(answer)
        } else {
            silenced.withLock { $0.append(reply) }
        }
    }
}

/// The whole way of a live call: a client's socket, the door, the gateway, the real client towards
/// upstream, and an upstream at the end of it.
struct LivePath {
    let upstream: RecordingUpstream
    /// Where upstream listens.
    let there: HTTPListener
    let sink: RecordingSink
    let port: Int

    func connect() throws -> RawClient { try RawClient(port: port) }

    /// Runs `body` over a fresh path to `respond`. Upstream's base URL ends in `/base`, or is a
    /// Unix socket, as the embedded archive's.
    static func run(
        archive: Bool = false, settings: LiveSettings = LiveSettings(),
        _ respond: @escaping RecordingUpstream.Respond,
        _ body: (LivePath) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let path = "/tmp/loopspool-path-\(UUID().uuidString.prefix(8)).sock"
        let upstream = RecordingUpstream(respond)
        let there = try await serve(
            upstream,
            on: archive ? .unix(path: path, mode: 0o600) : .tcp(host: "127.0.0.1", port: 0))
        let transport = HTTPLiveTransport(to: try address(of: there), on: group)
        let sink = RecordingSink()
        let lookup = ScriptedLookup()
        let here = try await serve(
            IngestAPI(
                sink: sink, lookup: lookup,
                live: LivePassThrough(
                    to: transport, lookup: lookup, identity: sink.identity, settings: settings),
                decoder: EventDecoder(
                    identity: sink.identity, defaultProject: nil, stamps: SteadyStamps()),
                loops: DoorLoops(group)), on: .tcp(host: "127.0.0.1", port: 0))
        guard case .tcp(_, let port) = here.boundAddress else {
            preconditionFailure("bound \(here.boundAddress)")
        }
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await body(
                    LivePath(upstream: upstream, there: there, sink: sink, port: port)))
        } catch {
            result = .failure(error)
        }
        await here.drain()
        try await transport.shutdown()
        await there.drain()
        try result.get()
    }

    private static func serve(
        _ application: any HTTPApplication, on address: ListenAddress
    ) async throws -> HTTPListener {
        try await HTTPListener.start(
            application, on: address, group: MultiThreadedEventLoopGroup.singleton,
            budget: ByteBudget(bytesMax: 64 << 20), connections: ConnectionLimit(max: 64))
    }

    private static func address(of listener: HTTPListener) throws -> UpstreamAddress {
        switch listener.boundAddress {
        case .unix(let path, _): try UpstreamAddress("unix:\(path)")
        case .tcp(let host, let port): try UpstreamAddress("http://\(host):\(port)/base")
        }
    }
}

extension RawClient {
    /// Sends a request as the Python SDK writes it.
    func call(
        _ method: String, _ target: String, _ body: String = "", key: String? = "hl_sk_own"
    ) async throws {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += "Accept-Encoding: identity\r\nAccept: application/json\r\n"
        head += "User-Agent: Konfig/0.7.35/python\r\n"
        if let key { head += "X-API-KEY: \(key)\r\n" }
        if !body.isEmpty {
            head += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        }
        try await send("\(head)\r\n\(body)")
    }

    /// Reads one answer: its head in lower case, and its body without the transfer coding.
    func answer() async throws -> (status: Int, head: String, body: String) {
        let head = String(decoding: try await receive(through: "\r\n\r\n"), as: UTF8.self)
        let status = try #require(Int(head.dropFirst(9).prefix(3)), "no answer: \(head)")
        let fields = head.lowercased()
        var body: [UInt8] = []
        if let length = fields.firstMatch(of: /content-length: (\d+)/)?.1 {
            body = try await receive(exactly: Int(length) ?? 0)
        } else if fields.contains("transfer-encoding: chunked") {
            while let chunk = try await chunk() { body += chunk }
        }
        return (status, fields, String(decoding: body, as: UTF8.self))
    }

    /// Reads one chunk; nil for the last one.
    func chunk() async throws -> [UInt8]? {
        // As bytes: to Swift, "\r\n" is one character.
        let line = String(
            decoding: try await receive(through: "\r\n").dropLast(2), as: UTF8.self)
        let size = try #require(Int(line, radix: 16), "no chunk: \(line)")
        let bytes = try await receive(exactly: size)
        _ = try await receive(exactly: 2)
        return size == 0 ? nil : bytes
    }
}

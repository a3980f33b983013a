import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

/// An application that does as the test says: echoes at once, or hands each request to the test.
final class ScriptedApplication: HTTPApplication {
    /// A request the test answers itself.
    struct Held: Sendable {
        let request: HTTPRequest
        let reply: @Sendable (HTTPAnswer) -> Void
    }

    let requests: AsyncStream<Held>
    let planned = Mutex<[String]>([])
    private let held: AsyncStream<Held>.Continuation
    private let plan: @Sendable (HTTPRequestHead) -> BodyPlan
    private let holds: Bool
    private let respond: @Sendable (HTTPRequest) -> HTTPAnswer

    /// `plan` and `respond` are called on the event loop, which does nothing else meanwhile.
    init(
        holds: Bool = false,
        plan: @escaping @Sendable (HTTPRequestHead) -> BodyPlan = { _ in .read(bytesMax: 1 << 20) },
        respond: @escaping @Sendable (HTTPRequest) -> HTTPAnswer = echo
    ) {
        (requests, held) = AsyncStream.makeStream()
        self.holds = holds
        self.plan = plan
        self.respond = respond
    }

    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        planned.withLock { $0.append(head.uri) }
        return plan(head)
    }

    func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        if holds {
            held.yield(Held(request: request, reply: reply))
        } else {
            reply(respond(request))
        }
    }

    /// `METHOD path ?query body` and who asked.
    @Sendable static func echo(_ request: HTTPRequest) -> HTTPAnswer {
        let query = request.query.map { "?\($0)" } ?? ""
        let body = String(buffer: request.body)
        return HTTPAnswer(
            status: 200, body: Array("\(request.method) \(request.path)\(query) \(body)".utf8),
            contentType: "text/plain", headers: [("X-Peer", request.peer.callerName)])
    }
}

/// A listener on a Unix socket or on loopback, and what it was given.
struct ServerFixture {
    let listener: HTTPListener
    let budget: ByteBudget
    let connections: ConnectionLimit
    let application: ScriptedApplication

    func connect() throws -> RawClient {
        switch listener.boundAddress {
        case .unix(let path, _): try RawClient(unixPath: path)
        case .tcp(_, let port): try RawClient(port: port)
        }
    }

    /// Runs `body` against a fresh server, drains it, and checks that nothing is left behind.
    static func run(
        _ application: ScriptedApplication = ScriptedApplication(), onTCP: Bool = false,
        budget: ByteBudget = ByteBudget(bytesMax: 8 << 20),
        connections: ConnectionLimit = ConnectionLimit(max: 64),
        settings: HTTPSettings = HTTPSettings(),
        _ body: (ServerFixture) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let listener = try await HTTPListener.start(
                application,
                on: onTCP
                    ? .tcp(host: "127.0.0.1", port: 0)
                    : .unix(path: "\(directory)/s", mode: 0o600),
                group: MultiThreadedEventLoopGroup.singleton, budget: budget,
                connections: connections, settings: settings)
            let fixture = ServerFixture(
                listener: listener, budget: budget, connections: connections,
                application: application)
            do {
                try await body(fixture)
            } catch {
                await listener.drain()
                throw error
            }
            await listener.drain()
            #expect(budget.reserved == 0)
            #expect(budget.waiting == 0)
            #expect(connections.open == 0)
        }
    }
}

/// Calls `body` with a directory that is removed afterwards.
func withTemporaryDirectory<Result>(
    _ body: (String) async throws -> Result
) async throws -> Result {
    let directory = "/tmp/loopspool-\(UUID().uuidString.prefix(13))"
    try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
}

/// One response as it was received.
struct Response: Equatable {
    var status: Int
    var headers: [String: String]
    var body: String

    /// Reads one response of a server that always gives the length, or has no body.
    static func receive(from client: RawClient, hasBody: Bool = true) async throws -> Response {
        let head = String(decoding: try await client.receive(through: "\r\n\r\n"), as: UTF8.self)
        let lines = head.components(separatedBy: "\r\n")
        let status = try #require(
            lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) },
            "not a response: \(head.debugDescription)")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() where !line.isEmpty {
            let colon = try #require(line.firstIndex(of: ":"))
            headers[line[..<colon].lowercased()] =
                String(line[line.index(after: colon)...]).trimmingCharacters(in: .whitespaces)
        }
        let length = hasBody ? headers["content-length"].flatMap { Int($0) } ?? 0 : 0
        let body = try await client.receive(exactly: length)
        return Response(
            status: status, headers: headers, body: String(decoding: body, as: UTF8.self))
    }
}

extension RawClient {
    /// Sends `text` and reads one response.
    func exchange(_ text: String) async throws -> Response {
        try await send(text)
        return try await Response.receive(from: self)
    }
}

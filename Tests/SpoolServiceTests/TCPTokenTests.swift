import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolServer
import SpoolService
import SpoolTestKit
import Synchronization
import Testing

/// A whole daemon whose TCP port asks for a token.
@Suite("The token of the TCP port", .timeLimit(.minutes(1)))
struct TCPTokenTests {
    private static let secret = "tcp-secret-5f1d3c"

    /// Upstream: keeps the heads that reach it.
    private final class Upstream: HTTPApplication {
        private let seen = Mutex<[HTTPRequestHead]>([])

        /// The heads so far, in order.
        var heads: [HTTPRequestHead] { seen.withLock { $0 } }

        func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
            seen.withLock { $0.append(head) }
            return .read(bytesMax: 1 << 20)
        }

        func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
            // Live calls are answered; what was spooled stays in the spool.
            reply(HTTPAnswer(status: request.method == "GET" ? 200 : 503, body: Array("{}".utf8)))
        }
    }

    /// Runs `body` against a daemon with a token and a key of its own, and then reads what it left:
    /// its files, and its log.
    private func run(
        _ body: (Daemon, Upstream) async throws -> Void
    ) async throws -> String {
        let directory = "/tmp/loopspool-tcp-\(UUID().uuidString.prefix(8))"
        let token = directory + ".token"
        defer {
            for path in [directory, token] { try? FileManager.default.removeItem(atPath: path) }
        }
        #expect(
            FileManager.default.createFile(
                atPath: token, contents: Data((Self.secret + "\n").utf8),
                attributes: [.posixPermissions: 0o600]))
        let upstream = Upstream()
        let there = try await HTTPListener.start(
            upstream, on: .tcp(host: "127.0.0.1", port: 0),
            group: MultiThreadedEventLoopGroup.singleton, budget: ByteBudget(bytesMax: 8 << 20),
            connections: ConnectionLimit(max: 64))
        let lines = LogLines()
        let daemon = try await Daemon.start(
            try SettingsReader.daemon(
                flags: [
                    .stateDirectory: directory, .runtimeDirectory: directory + "/run",
                    .listen: "127.0.0.1:0", .upstream: "http://\(there.boundAddress)",
                    .tcpTokenFile: token,
                ], environment: ["HOME": directory, "LOOPSPOOL_API_KEY": "hl_sk_daemon"]),
            logger: lines.logger)
        do {
            try await body(daemon, upstream)
        } catch {
            await daemon.stop()
            throw error
        }
        await daemon.stop()
        await there.drain()
        return try LeftBehind.text(of: directory) + lines.all
    }

    /// One request on a connection of its own; returns the whole answer.
    private func ask(
        _ address: ListenAddress, _ method: String, _ path: String, _ fields: [String] = [],
        _ body: String = ""
    ) async throws -> String {
        let client =
            switch address {
            case .unix(let path, _): try RawClient(unixPath: path)
            case .tcp(_, let port): try RawClient(port: port)
            }
        let head = ["\(method) \(path) HTTP/1.1", "Connection: close", "Host: 127.0.0.1"] + fields
        let text =
            (head + ["Content-Length: \(body.utf8.count)"]).joined(separator: "\r\n")
            + "\r\n\r\n" + body
        try await client.send(text)
        return String(decoding: try await client.receiveAll(), as: UTF8.self)
    }

    @Test("it is asked for on TCP alone, lends the daemon's key, and stays in the daemon")
    func endToEnd() async throws {
        let log = #"{"project":"p","output":"this-text-is-spooled"}"#
        let left = try await run { daemon, upstream in
            let (tcp, unix) = (daemon.listening.http, daemon.listening.api)
            let bearer = "Authorization: Bearer \(Self.secret)"
            let key = "X-API-KEY: \(Self.secret)"
            var answers: [String] = []
            for fields in [[], ["X-API-KEY: hl_sk_own"], ["Authorization: Bearer x"]] {
                for (method, path) in [("POST", "/v4/logs"), ("GET", "/projects")] {
                    let answer = try await ask(tcp, method, path, fields, log)
                    #expect(answer.hasPrefix("HTTP/1.1 401 Unauthorized\r\n"), "\(answer)")
                    #expect(answer.contains("\r\nWWW-Authenticate: Bearer\r\n"))
                    answers.append(answer)
                }
            }
            #expect(upstream.heads.isEmpty, "a call went out without the token")
            for field in [bearer, key] {
                answers.append(try await ask(tcp, "POST", "/v4/logs", [field], log))
                answers.append(try await ask(tcp, "GET", "/v4/projects", [field]))
            }
            answers.append(try await ask(unix, "POST", "/v4/logs", [], log))
            answers.append(try await ask(unix, "GET", "/v4/projects", ["X-API-KEY: hl_sk_own"]))
            for answer in answers.suffix(6) { #expect(answer.hasPrefix("HTTP/1.1 200 ")) }
            answers.append(try await ask(daemon.listening.control, "GET", "/status"))
            #expect(answers.last?.contains("\"accepted\":3") == true)
            #expect(!answers.joined().contains(Self.secret))

            let heads = upstream.heads
            let keys = heads.filter { $0.method == .GET }.map { $0.headers["x-api-key"] }
            #expect(keys == [["hl_sk_daemon"], ["hl_sk_daemon"], ["hl_sk_own"]])
            for head in heads { #expect(!"\(head)".contains(Self.secret)) }
        }
        #expect(left.contains("this-text-is-spooled"), "the search finds nothing at all")
        #expect(!left.contains(Self.secret))
    }
}

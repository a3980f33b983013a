import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolCore
import SpoolServer
import SpoolService
import SpoolTestKit
import Testing

@Suite("Secrets of live calls", .timeLimit(.minutes(1)))
struct LiveSecretsTests {
    /// The operations whose bodies carry the keys of model providers.
    private static let calls = [
        "/chat", "/chat-deployed", "/chat-model-config", "/completion", "/completion-deployed",
        "/completion-model-config", "/projects/pr_1/evaluations",
    ]
    private static let secrets = ["sk-provider-secret", "hl_sk_caller_secret"]
    private static let visible = "this-text-is-spooled"

    private struct Echo: HTTPApplication {
        func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan { .read(bytesMax: 1 << 20) }

        func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
            reply(HTTPAnswer(status: 500, body: Array(request.body.readableBytesView)))
        }
    }

    @Test(
        "keys of callers and of model providers reach neither spool, archive nor log",
        arguments: ["archive", "an upstream that fails", "an upstream that is down"])
    func nothingIsKept(upstream: String) async throws {
        let directory = "/tmp/loopspool-secrets-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let echo = try await HTTPListener.start(
            Echo(), on: .tcp(host: "127.0.0.1", port: 0),
            group: MultiThreadedEventLoopGroup.singleton, budget: ByteBudget(bytesMax: 8 << 20),
            connections: ConnectionLimit(max: 8))
        if upstream.hasSuffix("down") { await echo.drain() }
        var flags: [SettingsReader.Name: String] = [
            .stateDirectory: directory, .runtimeDirectory: directory + "/run",
            .listen: "127.0.0.1:0",
        ]
        if upstream != "archive" { flags[.upstream] = "http://\(echo.boundAddress)" }
        let lines = LogLines()
        let daemon = try await Daemon.start(
            try SettingsReader.daemon(flags: flags, environment: ["HOME": directory]),
            logger: lines.logger)
        do {
            try await Self.call(daemon)
        } catch {
            await daemon.stop()
            throw error
        }
        await daemon.stop()
        await echo.drain()

        let kept = try LeftBehind.text(of: directory)
        #expect(kept.contains(Self.visible), "the search finds nothing at all")
        for secret in Self.secrets {
            #expect(!kept.contains(secret))
            #expect(!lines.all.contains(secret))
        }
        #expect(!lines.all.isEmpty)
    }

    private static func call(_ daemon: Daemon) async throws {
        guard case .unix(let path, _) = daemon.listening.api else {
            throw CancellationError()
        }
        let client = try RawClient(unixPath: path)
        let log = #"{"project":"p","output":"\#(visible)"}"#
        try await client.send(
            "POST /logs HTTP/1.1\r\nContent-Length: \(log.utf8.count)\r\n\r\n\(log)")
        #expect(try await client.receive(through: "}").count > 0)
        for call in calls {
            let body = #"{"project":"p","provider_api_keys":{"openai":"\#(secrets[0])"}}"#
            let client = try RawClient(unixPath: path)
            try await client.send(
                "POST /v4\(call) HTTP/1.1\r\nX-API-KEY: \(secrets[1])\r\nConnection: close\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            let answer = String(decoding: try await client.receiveAll(), as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 50"), "\(call): \(answer)")
        }
    }
}

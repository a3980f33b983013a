import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolCore
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolService

/// What an operator sees of an upstream that says no.
@Suite("The operator's view of upstream", .timeLimit(.minutes(1)))
struct UpstreamViewTests {
    /// Takes what every project but `pay` logs.
    private struct Upstream: HTTPApplication {
        func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan { .read(bytesMax: 1 << 20) }

        func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
            let body = String(decoding: request.body.readableBytesView, as: UTF8.self)
            guard !body.contains(#""pay""#) else {
                return reply(.detail(status: 402, "no credit left for pay"))
            }
            let count = body.components(separatedBy: #""project""#).count - 1
            let ids = (0..<count).map { _ in #"{"id":"data_\#(UUID().uuidString)"}"# }
            reply(HTTPAnswer(status: 200, body: Array("[\(ids.joined(separator: ","))]".utf8)))
        }
    }

    /// Runs `body` against a daemon that delivers to such an upstream.
    private func run(
        _ body: (Daemon, LogLines, HTTPListener) async throws -> Void
    ) async throws {
        let directory = try TestFolder.make("upstream-view")
        let upstream = try await HTTPListener.start(
            Upstream(), on: .tcp(host: "127.0.0.1", port: 0),
            group: MultiThreadedEventLoopGroup.singleton, budget: ByteBudget(bytesMax: 8 << 20),
            connections: ConnectionLimit(max: 8))
        let lines = LogLines()
        let settings = try SettingsReader.daemon(
            flags: [
                .stateDirectory: directory, .runtimeDirectory: directory + "/run",
                .listen: "127.0.0.1:0", .upstream: "http://\(upstream.boundAddress)",
                .minFreeDisk: "1MiB",
            ], environment: ["HOME": directory])
        let daemon = try await Daemon.start(settings, logger: lines.logger)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(daemon, lines, upstream))
        } catch {
            result = .failure(error)
        }
        await daemon.stop()
        await upstream.drain()
        try result.get()
    }

    /// One request on a connection of its own; the JSON of its answer.
    private func ask(_ address: ListenAddress, _ head: String, _ body: String = "") async throws
        -> JSONValue
    {
        guard case .unix(let path, _) = address else { throw CancellationError() }
        let client = try RawClient(unixPath: path)
        try await client.send(
            "\(head) HTTP/1.1\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        let answer = String(decoding: try await client.receiveAll(), as: UTF8.self)
        let json = try #require(answer.components(separatedBy: "\r\n\r\n").last)
        return try JSONValue(parsing: Array(json.utf8))
    }

    private func log(_ project: String, to daemon: Daemon) async throws {
        _ = try await ask(daemon.listening.api, "POST /logs", #"{"project":"\#(project)"}"#)
    }

    @Test("shows of each parked part how many events it holds, and what upstream said")
    func parked() async throws {
        try await run { daemon, _, _ in
            for project in ["ok", "pay", "pay", "pay", "ok"] {
                try await log(project, to: daemon)
            }
            var status: JSONValue?
            while status?["ledger"]?["delivered"]?.intValue != 2
                || status?["upstream"]?["parked"]?.elements?.isEmpty != false
                || status?["ledger"]?["queued"]?.intValue != 3
            {
                status = try await ask(daemon.listening.control, "GET /status")
            }
            let upstream = try #require(status?["upstream"])
            let parked = try #require(upstream["parked"]?.elements?.first)
            #expect(parked["project"]?.stringValue == "pay")
            #expect(parked["events"]?.intValue == 3)
            #expect(parked["status"]?.intValue == 402)
            #expect(
                parked["upstream_said"]?.stringValue == #"{"detail":"no credit left for pay"}"#)
            #expect(upstream["next_question_seconds"]?.isNull == true)
            #expect(upstream["last_failed_question"]?.isNull == true)
        }
    }

    @Test("the log tells of a park and of an upstream that is away, without upstream's words")
    func logged() async throws {
        try await run { daemon, lines, upstream in
            try await log("ok", to: daemon)
            // Else both projects share a request, and the refusal of one speaks against both.
            var delivered: Int?
            while delivered != 1 {
                let status = try await ask(daemon.listening.control, "GET /status")
                delivered = status["ledger"]?["delivered"]?.intValue
            }
            for _ in 0..<2 { try await log("pay", to: daemon) }
            while !lines.all.contains("project: pay") && !lines.all.contains("\"project\": pay") {
                await Task.yield()
            }
            await upstream.drain()
            try await log("ok", to: daemon)
            while !lines.all.contains("connect") { await Task.yield() }
            let told = lines.all.split(separator: "\n").filter {
                $0.hasPrefix("notice upstream takes no events")
            }
            #expect(told.count == 2, "\(lines.all)")
            #expect(told.first?.contains("402") == true)
            #expect(told.first?.contains("POST /logs") == true)
            #expect(!lines.all.contains("no credit left"))
        }
    }
}

import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolCore
import SpoolServer
import SpoolService
import SpoolTestKit
import Synchronization
import Testing

@Suite("A stop", .timeLimit(.minutes(1)))
struct StopTests {
    /// Answers when it is told to.
    private final class Patient: HTTPApplication {
        private let waiting = Mutex<[@Sendable (HTTPAnswer) -> Void]>([])

        var isAsked: Bool { waiting.withLock { !$0.isEmpty } }

        func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan { .read(bytesMax: 1 << 20) }

        func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
            waiting.withLock { $0.append(reply) }
        }

        func release() {
            for reply in waiting.withLock({ $0 }) {
                reply(HTTPAnswer(status: 200, body: Array(#"{"records":[]}"#.utf8)))
            }
        }
    }

    @Test("waits for deliveries while a live call goes on, not after it")
    func waitsTogether() async throws {
        let directory = "/tmp/loopspool-stop-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let upstream = Patient()
        let listener = try await HTTPListener.start(
            upstream, on: .tcp(host: "127.0.0.1", port: 0),
            group: MultiThreadedEventLoopGroup.singleton, budget: ByteBudget(bytesMax: 8 << 20),
            connections: ConnectionLimit(max: 8))
        let lines = LogLines()
        let daemon = try await Daemon.start(
            try SettingsReader.daemon(
                flags: [
                    .stateDirectory: directory, .runtimeDirectory: directory + "/run",
                    .listen: "127.0.0.1:0", .upstream: "http://\(listener.boundAddress)",
                ], environment: ["HOME": directory]),
            logger: lines.logger)
        guard case .unix(let path, _) = daemon.listening.api else { throw CancellationError() }
        let caller = try RawClient(unixPath: path)
        try await caller.send("GET /v4/projects HTTP/1.1\r\nConnection: close\r\n\r\n")
        try await eventually { upstream.isAsked }
        async let stopped: Void = daemon.stop()
        try await eventually { lines.all.contains("waiting for outstanding answers") }
        // Had the sender been stopped after the ways in, the call would have been broken off by now.
        upstream.release()
        let answer = String(decoding: try await caller.receiveAll(), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 200"), "\(answer)")
        await stopped
        await listener.drain()
    }
}

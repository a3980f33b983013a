import Foundation
import NIOCore
import NIOPosix
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// An event stream listener on a Unix socket before a queue in memory.
struct EventStreamFixture {
    let listener: EventStreamListener
    let sink: RecordingSink
    let budget: ByteBudget
    let connections: ConnectionLimit

    func connect() throws -> RawClient {
        guard case .unix(let path, _) = listener.boundAddress else {
            preconditionFailure("the fixture listens on a Unix socket")
        }
        return try RawClient(unixPath: path)
    }

    /// The `output` of every committed log, in order of acceptance.
    var outputs: [String] {
        sink.bodies.map { body in
            body.components(separatedBy: "\"output\":\"").last?
                .components(separatedBy: "\"").first ?? body
        }
    }

    /// Runs `body` against a fresh listener, drains it, and checks that nothing is left behind.
    static func run(
        commits: RecordingSink.Commits = .immediately,
        budget: ByteBudget = ByteBudget(bytesMax: 64 << 20),
        settings: EventStreamSettings = EventStreamSettings(),
        _ body: (EventStreamFixture) async throws -> Void
    ) async throws {
        let directory = "/tmp/loopspool-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let sink = RecordingSink(commits: commits)
        let connections = ConnectionLimit(max: 64)
        let listener = try await EventStreamListener.start(
            sink: sink,
            decoder: EventDecoder(
                identity: sink.identity, defaultProject: "p", stamps: SteadyStamps()),
            on: .unix(path: "\(directory)/s", mode: 0o600),
            group: MultiThreadedEventLoopGroup.singleton, budget: budget,
            connections: connections, settings: settings)
        let fixture = EventStreamFixture(
            listener: listener, sink: sink, budget: budget, connections: connections)
        do {
            try await body(fixture)
        } catch {
            // So that the drain comes to its end whatever the test had in mind.
            sink.refuse(.stopping)
            sink.refuseWaiting(.stopping)
            await listener.drain()
            throw error
        }
        await listener.drain()
        #expect(budget.reserved == 0)
        #expect(budget.waiting == 0)
        #expect(connections.open == 0)
    }

    /// One line that logs `output`.
    static func log(_ output: some Any) -> String { "{\"log\":{\"output\":\"\(output)\"}}\n" }

    /// The line that asks for acks.
    static let acks = "{\"acks\":true}\n"
}

extension RawClient {
    /// Reads one line, without its newline; empty at the end of the stream.
    func receiveLine() async throws -> String {
        let line = try await receive(through: "\n")
        let text = line.last == UInt8(ascii: "\n") ? line.dropLast() : line[...]
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads lines until the one given has come, and returns all.
    func receiveLines(through last: String) async throws -> [String] {
        var lines: [String] = []
        repeat {
            lines.append(try await receiveLine())
            try #require(lines.last != "", "the stream ended before \(last): \(lines)")
        } while lines.last != last
        return lines
    }

    /// Everything the server still says, in lines.
    func receiveRemainingLines() async throws -> [String] {
        String(decoding: try await receiveAll(), as: UTF8.self)
            .split(separator: "\n").map(String.init)
    }
}

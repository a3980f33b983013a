import ArgumentParser
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolCore
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@testable import loopspool

/// The commands about dead letters against a control socket that says what the test wants.
@Suite("Commands about dead letters", .timeLimit(.minutes(1)))
struct DeadCommandTests {
    /// Answers every request alike, or never.
    private final class Control: HTTPApplication {
        private let body: String?
        private let open = Mutex<[@Sendable (HTTPAnswer) -> Void]>([])

        init(_ body: String?) { self.body = body }

        func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan { .read(bytesMax: 1 << 20) }

        func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
            if let body {
                reply(HTTPAnswer(status: 200, body: Array(body.utf8)))
            } else {
                open.withLock { $0.append(reply) }
            }
        }

        /// Answers what was left open, so that the listener can end.
        func end() {
            for reply in open.withLock({ $0 }) { reply(HTTPAnswer(status: 503, body: [])) }
        }
    }

    private func run(_ answer: String?, _ body: (String) async throws -> Void) async throws {
        let directory = try TestFolder.make("control")
        let control = Control(answer)
        let listener = try await HTTPListener.start(
            control, on: .unix(path: directory + "/control.sock", mode: 0o600),
            group: MultiThreadedEventLoopGroup.singleton, budget: ByteBudget(bytesMax: 8 << 20),
            connections: ConnectionLimit(max: 8))
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(directory))
        } catch {
            result = .failure(error)
        }
        control.end()
        await listener.drain()
        try result.get()
    }

    /// The exit status of a command; 0 where it ends well.
    private func status(_ arguments: [String], at directory: String) async throws -> Int32 {
        var command = try DeadCommand.parseAsRoot(arguments + ["--runtime-dir", directory])
        do {
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return 0
        } catch let code as ExitCode {
            return code.rawValue
        }
    }

    @Test("a letter that is named and cannot be replayed ends the replay with 65")
    func leftByName() async throws {
        try await run(#"{"matched":0,"left":1,"followed":0,"dry_run":false}"#) { directory in
            let named = try await status(["replay", "--id", "data_1"], at: directory)
            #expect(named == 65)
            let counted = try await status(
                ["replay", "--id", "data_1", "--dry-run"], at: directory)
            #expect(counted == 65)
            let unnamed = try await status(["replay"], at: directory)
            #expect(unnamed == 0)
        }
    }

    @Test("every command takes --json")
    func json() async throws {
        try await run(#"{"matched":1,"left":0,"followed":0}"#) { directory in
            for command in [
                ["list"], ["show", "data_1"], ["replay"], ["discard", "--all"], ["resume"],
            ] {
                let ended = try await status(command + ["--json"], at: directory)
                #expect(ended == 0, "\(command)")
            }
        }
    }

    @Test("a daemon that does not answer in time is told of as that, and not as missing")
    func silence() async throws {
        try await run(nil) { directory in
            let client = ControlClient(socket: directory + "/control.sock")
            let error = await #expect(throws: DaemonSilent.self) {
                try await client.request("POST", "/dead/replay", patience: .seconds(1))
            }
            let words = try #require(error).description
            #expect(words.contains("has not answered on \(directory)/control.sock for 1 s"))
            #expect(words.contains("may still be doing"))
            #expect(words.contains("loopspool status"))
        }
    }

    @Test("one is told of as one, several as several")
    func plural() throws {
        func text(_ matched: Int, _ left: Int) throws -> [Substring] {
            let answer = #"{"matched":\#(matched),"left":\#(left),"followed":\#(matched)}"#
            return DeadText.replayed(try JSONValue(parsing: Array(answer.utf8)), isDryRun: false)
                .split(separator: "\n")
        }
        #expect(
            try text(1, 1) == [
                "1 dead letter queued again", "1 that had died with them follows",
                "1 dead letter of the chosen stays dead, because something it names was discarded",
            ])
        #expect(
            try text(2, 2) == [
                "2 dead letters queued again", "2 that had died with them follow",
                "2 dead letters of the chosen stay dead, because something they name was discarded",
            ])
    }
}

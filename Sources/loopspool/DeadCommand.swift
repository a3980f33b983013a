import ArgumentParser
import SpoolCore

struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead",
        abstract: "Dead letters: events that upstream refused for good.",
        subcommands: [DeadReplayCommand.self])
}

struct DeadReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Put every dead letter back into the queue.",
        discussion: """
            They keep their ids and go causes first, as ever. Mend what made upstream refuse them \
            before: `loopspool status` shows its words.

            Example:
              loopspool dead replay
            """)

    @OptionGroup var place: DaemonPlace

    func run() async throws {
        do {
            let answer = try await ControlClient(socket: place.socket("control.sock"))
                .request("POST", "/dead/replay")
            guard answer.status == 200, let body = try? JSONValue(parsing: answer.body) else {
                Console.complain(String(decoding: answer.body, as: UTF8.self))
                throw Ending.tryLater
            }
            Console.say("\(body["replayed"]?.intValue ?? 0) dead letters are queued again")
        } catch let error as DaemonUnreachable {
            Console.complain("\(error)")
            throw Ending.unavailable
        }
    }
}

import ArgumentParser
import Glibc
import SpoolCore

struct SendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Hand a file of events to the daemon, one JSON object a line.",
        discussion: """
            A line is {"log": {…}}, {"feedback": {…}} or {"update": {…}}, the value being the v4 body. Exit 0 \
            means that every line is on disk; refused lines are named on standard error and end with 65.

            Examples:
              loopspool send events.ndjson
              my-app | loopspool send -
            """)

    @Argument(help: "The file; - for standard input.")
    var file: String

    @OptionGroup var place: DaemonPlace

    func run() async throws {
        let descriptor = file == "-" ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            Console.complain("cannot read \(file): \(String(cString: strerror(errno)))")
            throw Ending.noInput
        }
        do {
            var stream = try StreamClient(socket: place.socket("events.sock"))
            let outcome = try stream.send(from: descriptor) {
                Console.complain(
                    "the daemon takes nothing more for now; waiting ('loopspool status' shows why)")
            }
            for refusal in outcome.refusals {
                Console.complain("line \(refusal.line) refused: \(refusal.detail)")
            }
            Console.say(
                "\(outcome.acknowledged) lines dealt with, \(outcome.refusals.count) refused")
            if let failure = outcome.readFailure {
                Console.complain(
                    "cannot read \(file) to its end: \(failure); send what follows those lines again"
                )
                throw Ending.noInput
            }
            guard outcome.refusals.isEmpty else { throw Ending.refusedInput }
        } catch let error as StreamError {
            Console.complain("\(error)")
            throw Ending.unavailable
        }
    }
}

import ArgumentParser
import SpoolCore

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Hand one log to the daemon.",
        discussion: """
            Prints the daemon's answer: the log's id and its reference. Exit 0 means the log is on disk.

            Examples:
              loopspool log --project demo --output "Hello"
              loopspool log --project demo --reference-id run-17 --json '{"inputs":{"q":"2+2"},"output":"4"}'
            """)

    @Option(help: "The project, by name.")
    var project: String?

    @Option(help: "What the model said.")
    var output: String?

    @Option(help: "Your own key for the log.")
    var referenceId: String?

    @Option(help: "The parent log's reference.")
    var parentReferenceId: String?

    @Option(name: .customLong("json"), help: "The body, or the rest of it, as a JSON object.")
    var body: String?

    @OptionGroup var place: DaemonPlace

    func run() async throws {
        try await Handover.post(
            "/v4/logs",
            members: [
                ("project", project), ("output", output), ("reference_id", referenceId),
                ("parent_reference_id", parentReferenceId),
            ], body: body, to: place)
    }
}

struct FeedbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedback",
        abstract: "Hand one feedback item to the daemon.",
        discussion: """
            The log is named by its id, as `loopspool log` or an SDK answered it. Exit 0 means the \
            feedback is on disk.

            Example:
              loopspool feedback --data-id data_… --type rating --value good
            """)

    @Option(help: "The log's id.")
    var dataId: String?

    @Option(help: "rating, action, issue, correction, comment, or a type of your own.")
    var type: String?

    @Option(help: "The value.")
    var value: String?

    @Option(help: "Who gave it.")
    var user: String?

    @Option(name: .customLong("json"), help: "The body, or the rest of it, as a JSON object.")
    var body: String?

    @OptionGroup var place: DaemonPlace

    func run() async throws {
        try await Handover.post(
            "/v4/feedback",
            members: [("data_id", dataId), ("type", type), ("value", value), ("user", user)],
            body: body,
            to: place)
    }
}

/// Posts one event that was put together from options.
enum Handover {
    static func post(
        _ target: String, members: [(String, String?)], body: String?, to place: DaemonPlace
    ) async throws {
        let bytes = try compose(members, body)
        do {
            let answer = try await ControlClient(socket: place.socket("api.sock"))
                .request("POST", target, body: bytes)
            let text = String(decoding: answer.body, as: UTF8.self)
            guard answer.status / 100 == 2 else {
                Console.complain("refused with status \(answer.status): \(text)")
                throw answer.status == 503 ? Ending.tryLater : Ending.refusedInput
            }
            Console.say(text)
        } catch let error as DaemonUnreachable {
            Console.complain("\(error)")
            throw Ending.unavailable
        } catch let error as DaemonSilent {
            Console.complain("\(error)")
            throw Ending.tryLater
        }
    }

    /// The options' members, then those of the JSON object as they were written.
    static func compose(_ members: [(String, String?)], _ body: String?) throws -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for case (let key, let value?) in members {
            writer.key(key)
            writer.string(value)
        }
        if let body { try append(Array(body.utf8), to: &writer) }
        writer.endObject()
        return writer.bytes
    }

    private static func append(_ body: [UInt8], to writer: inout JSONWriter) throws {
        do {
            try body.withUnsafeBytes { bytes in
                var scanner = JSONScanner(bytes)
                try scanner.enterObject()
                while let key = try scanner.nextMember() {
                    writer.key(JSONText.string(bytes, key))
                    writer.raw(bytes[try scanner.scanValue().range])
                }
                try scanner.finish()
            }
        } catch {
            Console.complain("--json is no JSON object: \(error)")
            throw Ending.refusedInput
        }
    }
}

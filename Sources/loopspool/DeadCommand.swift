import ArgumentParser
import SpoolCore
import SpoolService

struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead",
        abstract: "Dead letters: events that upstream refused for good.",
        discussion: """
            They are kept with upstream's words until you replay or discard them. Mend what made \
            upstream refuse them, then replay: they keep their ids and go causes first, as ever.
            """,
        subcommands: [
            DeadListCommand.self, DeadShowCommand.self, DeadReplayCommand.self,
            DeadDiscardCommand.self, DeadResumeCommand.self,
        ])
}

/// Which dead letters a command is about; every condition given must hold.
struct DeadSelection: ParsableArguments {
    @Option(help: ArgumentHelp("Only this one; may be repeated.", valueName: "id"))
    var id: [String] = []

    @Option(help: ArgumentHelp("Only those of a project, by name or id.", valueName: "name"))
    var project: String?

    @Option(
        help: ArgumentHelp(
            """
            Only those that died of this: refused, too-large, cause-unknown, cause-dead, \
            reference-ambiguous, cause-cycle.
            """, valueName: "reason"))
    var reason: String?

    @Option(
        help: ArgumentHelp(
            "Only those that died so long ago or longer: 90s, 15m, 12h, 7d.", valueName: "time"),
        transform: DeadSelection.timeSpan)
    var olderThan: TimeSpan?

    private static func timeSpan(_ text: String) throws -> TimeSpan {
        if let span = TimeSpan(text) { return span }
        throw ValidationError("'\(text)' is not a time; write e.g. 90s, 15m, 12h, 7d")
    }

    /// Whether there is any condition.
    var isFiltered: Bool {
        !id.isEmpty || project != nil || reason != nil || olderThan != nil
    }

    /// Ends the command where it has named letters by id that are none, or that do not meet the other
    /// conditions.
    func checkFound(_ count: Int) throws {
        let missing = Set(id).count - count
        guard !id.isEmpty, missing > 0 else { return }
        Console.complain(
            "\(missing) of the ids named no such dead letter: "
                + "it is queued again, delivered or discarded, or another condition excludes it")
        throw Ending.refusedInput
    }

    /// The conditions as the control socket takes them.
    func write(to writer: inout JSONWriter) {
        if !id.isEmpty {
            writer.key("ids")
            writer.beginArray()
            for id in id { writer.string(id) }
            writer.endArray()
        }
        for (name, value) in [("project", project), ("reason", reason)] {
            guard let value else { continue }
            writer.key(name)
            writer.string(value)
        }
        if let olderThan {
            writer.key("older_than_seconds")
            writer.int(olderThan.seconds)
        }
    }
}

struct DeadListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List dead letters, the oldest first.",
        discussion: """
            Examples:
              loopspool dead list --reason too-large
              loopspool dead list --project shop --json | jq -r '.dead_letters[].id'
            """)

    @OptionGroup var place: DaemonPlace
    @OptionGroup var selection: DeadSelection

    @Option(help: ArgumentHelp("At most so many, up to 500.", valueName: "count"))
    var limit = 50

    @Option(help: ArgumentHelp("Go on after this one.", valueName: "id"))
    var after: String?

    @Flag(help: "Print the daemon's own JSON.")
    var json = false

    func run() async throws {
        let (text, answer) = try await DeadClient(place).ask("/dead/list", selection) { writer in
            writer.key("limit")
            writer.int(limit)
            if let after {
                writer.key("after")
                writer.string(after)
            }
        }
        if json { return Console.say(text) }
        let letters = answer["dead_letters"]?.elements ?? []
        if letters.isEmpty {
            let isAll = !selection.isFiltered && after == nil
            return Console.say(isAll ? "no dead letters" : "no such dead letters")
        }
        for letter in letters { Console.say(DeadText.line(letter)) }
        if let next = answer["next"]?.stringValue {
            Console.say("there are more: say the same with --after \(next)")
        }
    }
}

struct DeadShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one dead letter with its body, as JSON.",
        discussion: """
            Example:
              loopspool dead show data_4Yc… | jq .body
            """)

    @OptionGroup var place: DaemonPlace

    @Argument(help: "Its id.")
    var id: String

    @Flag(help: "As it is anyway: the letter is always printed as JSON.")
    var json = false

    func run() async throws {
        var selection = DeadSelection()
        selection.id = [id]
        selection.project = nil
        selection.reason = nil
        selection.olderThan = nil
        let (text, _) = try await DeadClient(place).ask("/dead/show", selection)
        Console.say(text.printableJSON)
    }
}

struct DeadReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Put dead letters back into the queue.",
        discussion: """
            What died because a log it names was dead follows that log. Without a condition every dead \
            letter is replayed. Mend what made upstream refuse them before: 'loopspool dead list' \
            shows its words.

            Examples:
              loopspool dead replay
              loopspool dead replay --reason too-large --dry-run
            """)

    @OptionGroup var place: DaemonPlace
    @OptionGroup var selection: DeadSelection

    @Flag(help: "Only say how many it would be.")
    var dryRun = false

    @Flag(help: "Print the daemon's own JSON.")
    var json = false

    func run() async throws {
        let (text, answer) = try await DeadClient(place).ask(
            "/dead/replay", selection, patience: ControlClient.longPatience
        ) { writer in
            writer.key("dry_run")
            writer.bool(dryRun)
        }
        Console.say(json ? text : DeadText.replayed(answer, isDryRun: dryRun))
        let left = answer["left"]?.intValue ?? 0
        try selection.checkFound((answer["matched"]?.intValue ?? 0) + left)
        // Named, and not queued again: told of above.
        if left > 0, !selection.id.isEmpty { throw Ending.refusedInput }
    }
}

struct DeadDiscardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard",
        abstract: "Throw dead letters away for good.",
        discussion: """
            They are counted as discarded by the operator; nothing brings them back.

            Examples:
              loopspool dead discard --older-than 30d --dry-run
              loopspool dead discard --id data_4Yc…
              loopspool dead discard --all
            """)

    @OptionGroup var place: DaemonPlace
    @OptionGroup var selection: DeadSelection

    @Flag(help: "Every dead letter; needed where no condition is given.")
    var all = false

    @Flag(help: "Only say how many it would be.")
    var dryRun = false

    @Flag(help: "Print the daemon's own JSON.")
    var json = false

    func validate() throws {
        guard all || dryRun || selection.isFiltered else {
            throw ValidationError(
                "say which: --id, --project, --reason, --older-than, or --all; nothing brings them back"
            )
        }
    }

    func run() async throws {
        let (text, answer) = try await DeadClient(place).ask(
            "/dead/discard", selection, patience: ControlClient.longPatience
        ) { writer in
            writer.key("dry_run")
            writer.bool(dryRun)
            writer.key("all")
            writer.bool(all)
        }
        let count = answer["matched"]?.intValue ?? 0
        Console.say(
            json ? text : "\(DeadText.count(count)) \(dryRun ? "would be discarded" : "discarded")")
        try selection.checkFound(count)
    }
}

struct DeadResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Try everything that is parked or backing off at once.",
        discussion: """
            For when you have mended upstream, the key or the events and do not want to wait for the \
            next try, which 'loopspool status' shows. What still fails is parked again.

            Example:
              loopspool dead resume
            """)

    @OptionGroup var place: DaemonPlace

    @Flag(help: "Print the daemon's own JSON.")
    var json = false

    func run() async throws {
        let (text, _) = try await DeadClient(place).ask("/dead/resume", nil)
        Console.say(json ? text : "trying now; 'loopspool status' shows how it goes")
    }
}

/// Asks the daemon about dead letters.
private struct DeadClient {
    private let client: ControlClient

    init(_ place: DaemonPlace) {
        client = ControlClient(socket: place.socket("control.sock"))
    }

    /// Performs one request; what the daemon has to say against it ends the command.
    func ask(
        _ path: String, _ selection: DeadSelection?, patience: Duration = ControlClient.patience,
        more: (inout JSONWriter) -> Void = { _ in }
    ) async throws -> (text: String, json: JSONValue) {
        var writer = JSONWriter()
        writer.beginObject()
        selection?.write(to: &writer)
        more(&writer)
        writer.endObject()
        do {
            let answer = try await client.request(
                "POST", path, body: writer.bytes, patience: patience)
            let text = String(decoding: answer.body, as: UTF8.self)
            let json = try? JSONValue(parsing: answer.body)
            guard answer.status == 200, let json else {
                Console.complain((json?["detail"]?.stringValue ?? text).printable)
                throw answer.status == 503 ? Ending.tryLater : Ending.refusedInput
            }
            return (text, json)
        } catch let error as DaemonUnreachable {
            Console.complain("\(error)")
            throw Ending.unavailable
        } catch let error as DaemonSilent {
            Console.complain("\(error)")
            throw Ending.tryLater
        }
    }
}

/// Dead letters for people.
enum DeadText {
    /// How many, in words.
    static func count(_ count: Int) -> String {
        count == 1 ? "1 dead letter" : "\(count) dead letters"
    }

    /// What a replay has done, or would do.
    static func replayed(_ answer: JSONValue, isDryRun: Bool) -> String {
        func number(_ name: String) -> Int { answer[name]?.intValue ?? 0 }
        let letters = count(number("matched"))
        var lines = [
            isDryRun
                ? "\(letters) would be queued again, and whatever died because of them"
                : "\(letters) queued again"
        ]
        let followed = number("followed")
        if followed > 0 {
            let verb = followed == 1 ? "follows" : "follow"
            lines.append("\(followed) that had died with them \(verb)")
        }
        let left = number("left")
        if left > 0 {
            let verbs = left == 1 ? ("stays", "it names") : ("stay", "they name")
            lines.append(
                "\(count(left)) of the chosen \(verbs.0) dead, because something \(verbs.1) was discarded"
            )
        }
        return lines.joined(separator: "\n")
    }

    /// When, what, where and why, and what upstream said.
    static func line(_ letter: JSONValue) -> String {
        func text(_ name: String) -> String { letter[name]?.stringValue?.printable ?? "?" }
        let status = letter["status"]?.intValue.map { " \($0)" } ?? ""
        let words = text("upstream_said").prefix(200)
        return """
            \(text("id"))  \(text("died_at"))  \(text("kind"))  \(text("project"))  \
            \(text("reason"))\(status)\(words.isEmpty ? "" : ": \(words)")
            """
    }
}

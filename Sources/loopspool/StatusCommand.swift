import ArgumentParser
import SpoolCore
import SpoolService

/// Where the daemon's sockets are.
struct DaemonPlace: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the daemon's sockets are. [LOOPSPOOL_RUNTIME_DIR]", valueName: "dir"))
    var runtimeDir: String?

    /// The path of one of the sockets.
    func socket(_ name: String) -> String {
        SettingsReader.runtimeDirectory(flag: runtimeDir, environment: Console.environment) + "/"
            + name
    }
}

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what is queued, in flight, delivered and dead, and how upstream is.",
        discussion: """
            Examples:
              loopspool status
              loopspool status --json | jq .ledger
            """)

    @OptionGroup var place: DaemonPlace

    @Flag(help: "Print the daemon's own JSON.")
    var json = false

    func run() async throws {
        do {
            let answer = try await ControlClient(socket: place.socket("control.sock"))
                .request("GET", "/status")
            guard answer.status == 200, let status = try? JSONValue(parsing: answer.body) else {
                Console.complain(String(decoding: answer.body, as: UTF8.self).printable)
                throw Ending.unavailable
            }
            Console.say(
                json ? String(decoding: answer.body, as: UTF8.self) : StatusText(status).description
            )
        } catch let error as DaemonUnreachable {
            Console.complain("\(error)")
            throw Ending.unavailable
        } catch let error as DaemonSilent {
            Console.complain("\(error)")
            throw Ending.tryLater
        }
    }
}

/// A status report for people.
struct StatusText: CustomStringConvertible {
    private let status: JSONValue

    init(_ status: JSONValue) {
        self.status = status.printable
    }

    var description: String {
        var lines = ["ledger"] + ledger
        if let trouble = status["trouble"]?.stringValue {
            lines.insert("trouble   " + trouble, at: 0)
        }
        if let age = status["ledger_age_seconds"]?.doubleValue, age > 0 {
            lines[lines.count - ledger.count - 1] = "ledger, as it was \(age) s ago"
        }
        lines += counters
        let waiting = status["queue"]?["waiting_for_a_log"]?.intValue ?? 0
        if waiting > 0 { lines.append("  \(waiting) of the queued wait for a log they name") }
        if let age = status["queue"]?["oldest_age_seconds"]?.doubleValue {
            lines.append("  the oldest is \(Int(age)) s old")
        }
        lines += upstream
        lines += limits
        for letter in status["dead_letters"]?.elements ?? [] {
            let words = letter["upstream_said"]?.stringValue ?? ""
            lines.append(
                "dead letter \(letter["id"]?.stringValue ?? "?"): "
                    + "\(letter["reason"]?.stringValue ?? "?")\(words.isEmpty ? "" : ": \(words)")")
        }
        if let dead = status["ledger"]?["dead"]?.intValue, dead > 0 {
            lines.append("all \(dead): loopspool dead list")
        }
        return lines.joined(separator: "\n")
    }

    /// Where every accepted event is; what was given up only where something was.
    private var ledger: [String] {
        var rows = ["accepted", "queued", "in_flight", "delivered", "dead"].map { name in
            (name.replacing("_", with: " "), "\(status["ledger"]?[name]?.intValue ?? 0)")
        }
        let discarded = counts(status["ledger"]?["discarded"])
        if discarded.total > 0 {
            rows.append(("discarded", "\(discarded.total) (\(discarded.parts))"))
        }
        return rows.map { "  \(padded($0, 12))\($1)" }
    }

    /// What is counted beside the ledger, where there is any.
    private var counters: [String] {
        let repeats = counts(status["possible_duplicates"])
        var rows = [
            (repeats.total, "sent again, perhaps twice upstream (\(repeats.parts))")
        ]
        rows += [
            ("deduplicated", "repeats recognised, not accepted again"),
            ("malformed", "lines of streams without acks could not be understood"),
            ("disk_refusals", "times the disk refused to write"),
        ].map { (status[$0]?.intValue ?? 0, $1) }
        return rows.filter { $0.0 > 0 }.map { "  \($0) \($1)" }
    }

    /// Counters by name: their sum, and each in words.
    private func counts(_ counters: JSONValue?) -> (total: Int, parts: String) {
        let counts = (counters?.members ?? []).map { ($0.0, $0.1.intValue ?? 0) }
            .filter { $0.1 > 0 }
        let parts = counts.map { "\($0) \($1)" }
        return (counts.reduce(0) { $0 + $1.1 }, parts.joined(separator: ", "))
    }

    /// What is at its bound; nothing while all is well.
    private var limits: [String] {
        guard let limits = status["limits"] else { return [] }
        var lines: [String] = []
        func isFull(_ name: String) -> Bool {
            let used = limits[name]?.intValue ?? 0
            let bound = limits[name + "_max"]?.intValue ?? .max
            return used >= bound - bound / 20
        }
        if isFull("spool_bytes") {
            lines.append(
                "the spool is full or nearly so: "
                    + (limits["on_full"]?.stringValue == "drop_oldest"
                        ? "the oldest events make way for new ones"
                        : "callers get 503 until upstream takes some"))
        }
        if isFull("dead_bytes") {
            lines.append("there is no room for more dead letters: replay or discard some")
        }
        if isFull("connections") {
            lines.append("nearly all connections are taken: further clients wait")
        }
        if isFull("ingest_bytes") {
            lines.append("the memory for requests is nearly all used: large ones get 503")
        }
        if let trimmed = status["archive"]?["trimmed"]?.intValue, trimmed > 0 {
            lines.append("the archive has removed its \(trimmed) oldest logs to keep its bound")
        }
        if let file = status["archive_set_aside"]?.stringValue {
            lines.append(
                "an archive was damaged and is kept as \(file); logs delivered before are there only, "
                    + "`sqlite3 \(file) .recover` reads them; delete it when you need it no more")
        }
        return lines
    }

    private var upstream: [String] {
        guard let upstream = status["upstream"] else { return [] }
        var health = upstream["health"]?.stringValue ?? "unknown"
        if let next = upstream["next_try_seconds"]?.doubleValue {
            health += ", next try in \(next) s"
        }
        var lines = ["upstream  \(upstream["url"]?.stringValue ?? "?"): \(health)"]
        for parked in upstream["parked"]?.elements ?? [] { lines += StatusText.parked(parked) }
        lines += StatusText.doubt(upstream)
        if let trouble = upstream["last_trouble"], let words = trouble["words"]?.stringValue {
            let answer = trouble["status"]?.intValue.map { " it answered: \($0) " } ?? ": "
            lines.append("  \(StatusText.age(trouble)) s ago\(answer)\(words)")
        }
        return lines
    }

    /// What nobody knows to have arrived, and what is done about it.
    private static func doubt(_ upstream: JSONValue) -> [String] {
        let count = upstream["batches_in_doubt"]?.intValue ?? 0
        let isAsked = upstream["asking_by_reference"]?.stringValue != "resend"
        var lines: [String] = []
        if count > 0, isAsked {
            let isUndecided = upstream["asking_by_reference"]?.stringValue == "undecided"
            let isOpen = isUndecided ? ", which has answered no such question yet" : ""
            let next = upstream["next_question_seconds"]?.doubleValue
            let time = next.map { $0 == 0 ? "; being asked now" : "; next question in \($0) s" }
            lines.append(
                "batches in doubt: \(count); what arrived of them is asked of upstream\(isOpen)"
                    + (time ?? ""))
            if let failed = upstream["last_failed_question"], !failed.isNull {
                lines.append(
                    "the last question that failed, \(age(failed)) s ago: \(said(failed) ?? "?")")
            }
        } else if count > 0 {
            lines.append("batches in doubt: \(count); they are sent again, counted")
        }
        if !isAsked {
            lines.append(
                "upstream is not asked what arrived: after a lost answer logs are sent again, counted"
            )
        }
        return lines.map { "  " + $0 }
    }

    /// What is parked, why, with how many events, and until when; and what upstream said.
    private static func parked(_ parked: JSONValue) -> [String] {
        let operation = parked["operation"]?.stringValue ?? "everything"
        let project = parked["project"]?.stringValue.map { " of \($0)" } ?? ""
        let seconds = parked["next_try_seconds"]?.doubleValue ?? 0
        let events = parked["events"]?.intValue.map { "; holds \($0) of the queued" } ?? ""
        let line = """
              parked: \(operation)\(project): \(parked["advice"]?.stringValue ?? "?")\(events); \
            next try in \(seconds) s
            """
        return [line] + (said(parked).map { ["    it said: \($0)"] } ?? [])
    }

    /// The status and words of an answer, or why there was none.
    private static func said(_ facts: JSONValue) -> String? {
        guard let words = facts["upstream_said"]?.stringValue else { return nil }
        return (facts["status"]?.intValue.map { "\($0) " } ?? "") + words.prefix(200)
    }

    private static func age(_ facts: JSONValue) -> Int {
        Int(facts["seconds_ago"]?.doubleValue ?? 0)
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

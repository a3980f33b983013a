import ArgumentParser
import SpoolCore
import SpoolQueue
import SpoolService

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Examine the spool: pages, ledger, states, references, ids.",
        discussion: """
            Changes nothing in the spool, beside a running daemon too; of a large one it reads every \
            page. Where it finds damage it leaves a mark, spool.db-suspect: the next start then reads \
            all of the spool too, keeps a damaged one aside, and reads back what can be read.

            Exit status: 0 nothing found, 1 findings, 2 the spool could not be examined.

            Examples:
              loopspool doctor
              loopspool doctor --state-dir /var/lib/loopspool --json | jq .findings
            """)

    @Option(help: ArgumentHelp("Where the spool is. [LOOPSPOOL_STATE_DIR]", valueName: "dir"))
    var stateDir: String?

    @Flag(help: "Print the findings as JSON.")
    var json = false

    func run() throws {
        let report: DoctorReport
        do {
            let directory = try SettingsReader.stateDirectory(
                flag: stateDir, environment: Console.environment)
            report = try SpoolDoctor.examine(directory: directory)
        } catch {
            Console.complain("\(error)")
            throw ExitCode(2)
        }
        let text = DoctorText(report)
        Console.say(json ? text.json : text.description)
        if !report.findings.isEmpty { throw ExitCode(1) }
    }
}

/// What an examination found, for people and for programs.
struct DoctorText: CustomStringConvertible {
    private let report: DoctorReport

    init(_ report: DoctorReport) {
        self.report = report
    }

    var description: String {
        var lines = [report.path]
        if report.isMeasured {
            lines[0] += ", schema version \(report.version)"
            lines += [
                "  \(report.events) events in \(report.leases) batches and waiting, "
                    + "\(report.deadLetters) dead letters",
                "  \(report.databaseBytes) bytes, \(report.freeBytes) of them free, "
                    + "and \(report.logBytes) in the log",
            ]
        }
        lines += report.findings.map(\.description)
        if report.findings.isEmpty { lines.append("nothing is wrong") }
        return lines.joined(separator: "\n")
    }

    var json: String {
        var writer = JSONWriter(reserving: 1024)
        writer.beginObject()
        writer.key("path")
        writer.string(report.path)
        let numbers: [(StaticString, Int64)] = [
            ("version", Int64(report.version)), ("events", report.events),
            ("dead_letters", report.deadLetters), ("leases", report.leases),
            ("database_bytes", report.databaseBytes), ("free_bytes", report.freeBytes),
            ("log_bytes", report.logBytes),
        ]
        for (name, value) in numbers where report.isMeasured {
            writer.key(name)
            writer.int(value)
        }
        writer.key("findings")
        writer.beginArray()
        for finding in report.findings { write(finding, &writer) }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func write(_ finding: DoctorFinding, _ writer: inout JSONWriter) {
        let members: [(StaticString, String)] = [
            ("severity", finding.severity.rawValue), ("check", finding.check),
            ("found", finding.words), ("advice", finding.advice),
        ]
        writer.beginObject()
        for (name, value) in members {
            writer.key(name)
            writer.string(value)
        }
        writer.endObject()
    }
}

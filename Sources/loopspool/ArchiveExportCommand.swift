import ArgumentParser
import Glibc
import SpoolArchive
import SpoolService

struct ArchiveExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the archive as events that `loopspool send` takes.",
        discussion: """
            One JSON object a line, each log before its children and before what was said about \
            it, so that an archive can move to another upstream. Nothing is changed, and a daemon \
            may have the archive open meanwhile. What cannot come along is counted on standard \
            error: contents of logs with "save": false, parents that are no longer here, \
            references that a newer log has too.

            Examples:
              loopspool archive export --state-dir /var/lib/loopspool --output archive.ndjson
              loopspool archive export | loopspool send -
            """)

    @Option(help: ArgumentHelp("Reads the database in DIR/archive.", valueName: "dir"))
    var stateDir: String?

    @Option(
        help: ArgumentHelp(
            "Written whole or not at all; - for standard output.", valueName: "file"))
    var output = "-"

    func run() async throws {
        do {
            var flags: [SettingsReader.Name: String] = [:]
            flags[.stateDirectory] = stateDir
            let settings = try SettingsReader.archive(
                flags: flags, environment: Console.environment)
            let summary = try Self.export(settings.directory, to: ExportFile(output))
            for line in Self.words(summary) { Console.complain(line) }
            guard summary.damaged.isEmpty else { throw Ending.refusedInput }
        } catch let ending as ExitCode {
            throw ending
        } catch {
            Console.complain("\(error)")
            switch error {
            case ArchiveError.absent: throw Ending.noInput
            case ArchiveError.outdated: throw Ending.foreignDatabase
            case is ExportFileError: throw Ending.cannotCreate
            default: throw Ending.code(for: error)
            }
        }
    }

    private static func export(
        _ directory: String, to file: ExportFile
    ) throws -> ArchiveExport.Summary {
        var file = file
        do {
            let summary = try ArchiveExport.run(directory: directory) { try file.write($0) }
            try file.finish()
            return summary
        } catch {
            file.discard()
            throw error
        }
    }

    /// What was written, and what could not come along.
    private static func words(_ summary: ArchiveExport.Summary) -> [String] {
        let written =
            "exported \(summary.logs) logs, \(summary.updates) updates, "
            + "\(summary.feedback) feedback, \(summary.results) evaluation results"
        let losses: [(Int, String)] = [
            (summary.unsaved, "logs without contents, which asked not to be saved"),
            (summary.orphans, "logs without their parent, which is no longer here"),
            (summary.renamed, "logs with another reference, because a newer log has theirs too"),
            (summary.oversized, "lines longer than the daemon takes, which it will refuse"),
        ]
        var words = [written] + losses.filter { $0.0 > 0 }.map { "\($0.1): \($0.0)" }
        if !summary.damaged.isEmpty {
            let some = summary.damaged.prefix(10).joined(separator: ", ")
            words.append(
                "damaged logs: \(summary.damaged.count) (\(some)); restore archive.db from a "
                    + "backup, and check the disk")
        }
        return words
    }
}

/// Where an export goes: standard output, or a file that appears under its name once it is whole.
private struct ExportFile {
    private let path: String
    private let descriptor: Int32
    private var waiting: [UInt8] = []

    private var isStandardOutput: Bool { path == "-" }
    private var unfinishedPath: String { path + ".part" }

    init(_ path: String) throws(ExportFileError) {
        self.path = path
        // This user alone: the lines hold what people wrote.
        descriptor =
            path == "-"
            ? STDOUT_FILENO : open(path + ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path + ".part") }
    }

    /// Writes a line, some together.
    mutating func write(_ line: [UInt8]) throws(ExportFileError) {
        waiting += line
        if waiting.count > 256 << 10 { try flush() }
    }

    /// Writes what is left and gives the file its name, when it is on disk.
    mutating func finish() throws(ExportFileError) {
        try flush()
        if isStandardOutput { return }
        guard fsync(descriptor) == 0, close(descriptor) == 0 else {
            throw failure(unfinishedPath)
        }
        guard rename(unfinishedPath, path) == 0 else { throw failure(path) }
    }

    /// Leaves nothing behind of a file that did not become whole.
    func discard() {
        if !isStandardOutput { unlink(unfinishedPath) }
    }

    private mutating func flush() throws(ExportFileError) {
        var rest = waiting[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw failure(isStandardOutput ? "standard output" : unfinishedPath)
            }
            rest = rest.dropFirst(count)
        }
        waiting.removeAll(keepingCapacity: true)
    }

    private func failure(_ path: String) -> ExportFileError {
        ExportFileError(path: path, words: String(cString: strerror(errno)))
    }
}

/// The export's file cannot be written.
private struct ExportFileError: Error, CustomStringConvertible {
    let path: String
    let words: String

    var description: String {
        "\(path) cannot be written: \(words). Name another file with --output, or make room there."
    }
}

import ArgumentParser
import SpoolArchive
import SpoolService

struct ArchiveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "archive",
        abstract: "The built-in v4 store.",
        subcommands: [ArchiveServeCommand.self, ArchiveExportCommand.self])
}

struct ArchiveServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the archive by itself, as an upstream for daemons on this host.",
        discussion: """
            Examples:
              loopspool archive serve --listen 127.0.0.1:7576 --state-dir /srv/archive
              loopspool run --upstream http://127.0.0.1:7576/v4

            For drills it can misbehave. A fault is an effect, then how many requests it hits and \
            which, with colons between; commas between faults. Delays add up; of the others the \
            first that hits decides.

              status=500                        answers with that status
              status=503:retry-after=2s         and says when to come again
              delay=50ms                        takes that much longer
              reset                             resets the connection, no answer
              cut                               breaks off within the answer
              outage=10s/60s                    resets all, 10 s of every 60 s
              capacity=4                        answers 429 to more at once
              body-max=65536                    answers 413 to longer bodies

              10%                               hits that share of them
              after                             once the archive has handled it
              method=POST:path=/logs:body=TEXT  hits only such requests

              loopspool archive serve --faults 'status=500:10%,reset:5%:after'
              loopspool archive serve --faults delay=50ms --fault-control f.sock
              curl --unix-socket f.sock http://localhost/faults
              curl --unix-socket f.sock http://localhost/faults -d 'reset:50%'
              curl --unix-socket f.sock http://localhost/faults -d ''
            """)

    @Option(
        help: ArgumentHelp(
            "Loopback address; port 0 picks a free one. (default: 127.0.0.1:7576)",
            valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("Keeps its database in DIR/archive.", valueName: "dir"))
    var stateDir: String?

    @Option(
        help: ArgumentHelp(
            "A test aid: appends every request that is handled, with its whole body, as one JSON "
                + "line.",
            valueName: "file"))
    var record: String?

    @Option(
        help: ArgumentHelp("Misbehaves like this; may be given several times.", valueName: "faults")
    )
    var faults: [String] = []

    @Option(
        help: ArgumentHelp(
            "Repeats which requests are hit, if they come in the same order. (default: random)",
            valueName: "number"))
    var faultSeed: UInt64?

    @Option(
        help: ArgumentHelp(
            "A Unix socket: GET /faults shows the faults and what they did, POST /faults sets them.",
            valueName: "path"))
    var faultControl: String?

    func validate() throws {
        do throws(FaultMistake) {
            for text in faults { _ = try Fault.list(text) }
        } catch {
            throw ValidationError("--faults: \(error)")
        }
    }

    func run() async throws {
        let logger = Console.logger()
        do {
            var flags: [SettingsReader.Name: String] = [:]
            flags[.listen] = listen
            flags[.stateDirectory] = stateDir
            let settings = try SettingsReader.archive(
                flags: flags, environment: Console.environment)
            let drill = try drill()
            try await StandaloneArchive.run(
                settings, record: record, drill: drill, logger: logger
            ) { address in
                Console.say(
                    """
                    loopspool \(Version.current): archive ready
                      HTTP      http://\(address)/v4
                      archive   \(settings.directory)
                    """)
                if let drill { Console.say(Self.words(drill)) }
            }
        } catch {
            Console.complain("\(error)")
            throw Ending.code(for: error)
        }
    }

    /// What goes wrong; nil when no flag asks for anything.
    private func drill() throws(FaultMistake) -> StandaloneArchive.Drill? {
        guard !faults.isEmpty || faultControl != nil else { return nil }
        return StandaloneArchive.Drill(
            faults: try Fault.list(faults.joined(separator: ",")),
            seed: faultSeed ?? .random(in: 0...999_999), controlPath: faultControl)
    }

    private static func words(_ drill: StandaloneArchive.Drill) -> String {
        let faults = drill.faults.map(\.description).joined(separator: ",")
        var lines = ["  faults    \(faults.isEmpty ? "none" : faults)  (seed \(drill.seed))"]
        if let path = drill.controlPath { lines.append("  control   unix:\(path)") }
        return lines.joined(separator: "\n")
    }
}

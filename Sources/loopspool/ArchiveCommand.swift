import ArgumentParser
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
            Example:
              loopspool archive serve --listen 127.0.0.1:7576 --state-dir /srv/archive
              loopspool run --upstream http://127.0.0.1:7576/v4
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
            "A test aid: appends every request, with its whole body, as one JSON line.",
            valueName: "file"))
    var record: String?

    func run() async throws {
        let logger = Console.logger()
        do {
            var flags: [SettingsReader.Name: String] = [:]
            flags[.listen] = listen
            flags[.stateDirectory] = stateDir
            let settings = try SettingsReader.archive(
                flags: flags, environment: Console.environment)
            try await StandaloneArchive.run(settings, record: record, logger: logger) { address in
                Console.say(
                    """
                    loopspool \(Version.current): archive ready
                      HTTP      http://\(address)/v4
                      archive   \(settings.directory)
                    """)
            }
        } catch {
            Console.complain("\(error)")
            throw Ending.code(for: error)
        }
    }
}

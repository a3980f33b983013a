import ArgumentParser
import SpoolService

/// The settings that `run` takes as flags; each has an environment variable of the same meaning.
struct DaemonFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Upstream's base URL, as the SDKs take it. Without one: the embedded archive.",
            valueName: "url"))
    var upstream: String?

    @Option(help: ArgumentHelp("Where the spool is kept. [LOOPSPOOL_STATE_DIR]", valueName: "dir"))
    var stateDir: String?

    @Option(
        help: ArgumentHelp("Where the sockets are made. [LOOPSPOOL_RUNTIME_DIR]", valueName: "dir"))
    var runtimeDir: String?

    @Option(
        help: ArgumentHelp(
            "Loopback HTTP; port 0 picks a free one. (default: 127.0.0.1:7575)",
            valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("The project of logs that name none.", valueName: "name"))
    var defaultProject: String?

    @Option(
        help: ArgumentHelp(
            "Whether what the API's documents do not list is refused: lenient or strict. "
                + "(default: lenient)",
            valueName: "how"))
    var validation: String?

    @Option(
        help: ArgumentHelp(
            "A log whose reference is another log's already: accept or refuse. (default: accept)",
            valueName: "how"))
    var duplicateReferences: String?

    @Option(
        help: ArgumentHelp(
            "A file with the token that every request on TCP must carry. (default: none)",
            valueName: "path"))
    var tcpTokenFile: String?

    @Option(
        help: ArgumentHelp(
            "Users whose live calls carry the daemon's key, as numbers with commas. (default: none)",
            valueName: "uids"))
    var liveDaemonKeyUids: String?

    @Option(
        help: ArgumentHelp(
            "Seconds that upstream may take to begin its answer to a live call. (default: 600)",
            valueName: "seconds"))
    var liveFirstByteTimeout: String?

    @Option(
        help: ArgumentHelp(
            "Seconds that it may pause in the middle of one. (default: 300)",
            valueName: "seconds"))
    var liveIdleTimeout: String?

    var given: [SettingsReader.Name: String] {
        var flags: [SettingsReader.Name: String] = [:]
        flags[.upstream] = upstream
        flags[.stateDirectory] = stateDir
        flags[.runtimeDirectory] = runtimeDir
        flags[.listen] = listen
        flags[.defaultProject] = defaultProject
        flags[.validation] = validation
        flags[.duplicateReferences] = duplicateReferences
        flags[.tcpTokenFile] = tcpTokenFile
        flags[.liveDaemonKeyUIDs] = liveDaemonKeyUids
        flags[.liveFirstByteTimeout] = liveFirstByteTimeout
        flags[.liveIdleTimeout] = liveIdleTimeout
        return flags
    }
}

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the daemon in the foreground.",
        discussion: """
            Runs until SIGTERM or SIGINT, then takes no new events, waits up to ten seconds for \
            outstanding answers, and exits 0. What was accepted stays in the spool.

            Every flag has an environment variable: LOOPSPOOL_UPSTREAM for --upstream, \
            LOOPSPOOL_STATE_DIR for --state-dir, and so on. A flag wins. Upstream's key is read from \
            LOOPSPOOL_API_KEY only, so that no process list shows it.

            Examples:
              loopspool run
              loopspool run --state-dir /var/tmp/spool --listen 127.0.0.1:0
              LOOPSPOOL_API_KEY=... loopspool run --upstream https://logs.example.com/v4
            """)

    @OptionGroup var flags: DaemonFlags
    @OptionGroup(title: "Bounds") var limits: LimitFlags

    func run() async throws {
        let logger = Console.logger()
        do {
            let settings = try SettingsReader.daemon(
                flags: flags.given.merging(limits.given) { $1 }, environment: Console.environment)
            let notifier = SystemdNotifier(environment: Console.environment, pid: Process.id)
            let daemon = try await Daemon.start(settings, logger: logger, notifier: notifier)
            await greet(daemon, settings)
            try await daemon.runUntilSignal()
        } catch {
            Console.complain("\(error)")
            throw Ending.code(for: error)
        }
    }

    /// What it listens on, and a line to paste.
    private func greet(_ daemon: Daemon, _ settings: DaemonSettings) async {
        let listening = daemon.listening
        let held = await daemon.held()
        let token =
            settings.tcpToken.map { " -H \"Authorization: Bearer $(cat '\($0.path)')\"" } ?? ""
        Console.say(
            """
            loopspool \(Version.current): ready
              HTTP      http://\(listening.http)/v4  and  \(listening.api)
              events    \(listening.events)  (NDJSON)
              control   \(listening.control)
              spool     \(settings.stateDirectory)  (\(held) events waiting)
              upstream  \(settings.upstreamName)
              try it    curl -s http://\(listening.http)/v4/logs -H 'Content-Type: application/json'\(token) \
            -d '{"project":"demo","output":"Hello"}'
            """)
    }
}

public import SpoolCore
public import SpoolSender
public import SpoolServer

/// What a daemon is told: validated, typed, every default filled in.
public struct DaemonSettings: Sendable {
    /// Where the spool and the embedded archive live.
    public var stateDirectory: String
    /// Where the sockets live.
    public var runtimeDirectory: String
    /// Loopback HTTP.
    public var listen: ListenAddress
    /// Upstream's base URL; nil: the embedded archive.
    public var upstream: UpstreamAddress?
    /// The `X-API-KEY` that spooled events are delivered with. Never printed, never stored.
    public var apiKey: String?
    /// The project of logs that name none.
    public var defaultProject: String?
    /// How much of the documented contract callers are held to.
    public var validation: Validation
    /// What becomes of a log whose reference is another log's already.
    public var duplicateReferences: DuplicateReferences
    /// The token that is asked of callers on TCP; nil: none is.
    public var tcpToken: TokenFile?
    /// Bounds, and what happens at them.
    public var policy: SpoolPolicy
    /// The users whose live calls carry the daemon's key in place of their own.
    public var liveDaemonKeyUIDs: Set<UInt32>
    /// How long upstream may take to begin its answer to a live call.
    public var liveFirstByteTimeout: Duration
    /// How long it may pause in the middle of one.
    public var liveIdleTimeout: Duration
    /// Connections over all ways in.
    var connectionsMax = Limits.connectionsMax

    /// Upstream, for people.
    public var upstreamName: String {
        upstream?.description ?? "the embedded archive in \(archiveDirectory)"
    }
    /// Where HTTP is served besides TCP.
    public var apiSocket: String { runtimeDirectory + "/api.sock" }
    /// Where NDJSON events are taken.
    public var eventsSocket: String { runtimeDirectory + "/events.sock" }
    /// Where the operator's questions are answered.
    public var controlSocket: String { runtimeDirectory + "/control.sock" }
    /// Where the embedded archive is reached.
    public var archiveSocket: String { runtimeDirectory + "/archive.sock" }
    /// Where the embedded archive keeps its database.
    public var archiveDirectory: String { stateDirectory + "/archive" }
}

/// Turns what the user wrote, as flags and in the environment, into settings. Flags win.
///
/// All mistakes are reported at once, each with the setting, the value and what would be right.
public struct SettingsReader {
    /// A setting that can be given as a flag or an environment variable.
    public enum Name: String, CaseIterable, Sendable {
        case upstream = "--upstream"
        case stateDirectory = "--state-dir"
        case runtimeDirectory = "--runtime-dir"
        case listen = "--listen"
        case defaultProject = "--default-project"
        case validation = "--validation"
        case duplicateReferences = "--duplicate-references"
        case tcpTokenFile = "--tcp-token-file"
        case maxBytes = "--max-bytes"
        case minFreeDisk = "--min-free-disk"
        case onFull = "--on-full"
        case deadMaxBytes = "--dead-max-bytes"
        case deadOnFull = "--dead-on-full"
        case maxAge = "--max-age"
        case inDoubt = "--in-doubt"
        case maxInFlight = "--max-in-flight"
        case acceptBare2xx = "--accept-bare-2xx"
        case liveDaemonKeyUIDs = "--live-daemon-key-uids"
        case liveFirstByteTimeout = "--live-first-byte-timeout"
        case liveIdleTimeout = "--live-idle-timeout"

        /// The environment variable of the same meaning.
        public var variable: String {
            "LOOPSPOOL_" + rawValue.dropFirst(2).replacing("-", with: "_").uppercased()
        }
    }

    private let flags: [Name: String]
    private let environment: [String: String]
    private let workingDirectory: String?
    var mistakes: [String] = []

    /// A reader over flags that were given and the process's environment.
    ///
    /// - Parameter workingDirectory: where relative paths begin; nil where it is gone. Not the variable
    ///   `PWD`, which a caller may have from elsewhere.
    public init(
        flags: [Name: String], environment: [String: String],
        workingDirectory: String? = Process.workingDirectory
    ) {
        self.flags = flags
        self.environment = environment
        self.workingDirectory = workingDirectory
    }

    /// The settings of a daemon, or every mistake.
    public static func daemon(
        flags: [Name: String], environment: [String: String],
        workingDirectory: String? = Process.workingDirectory
    ) throws(SettingsError) -> DaemonSettings {
        var reader = SettingsReader(
            flags: flags, environment: environment, workingDirectory: workingDirectory)
        let state = reader.stateDirectory()
        let settings = DaemonSettings(
            stateDirectory: state, runtimeDirectory: reader.runtimeDirectory(state: state),
            listen: reader.listen(default: .tcp(host: "127.0.0.1", port: 7575)),
            upstream: reader.upstream(), apiKey: reader.apiKey(),
            defaultProject: reader.value(.defaultProject)?.value,
            validation: reader.choice(.validation, default: .lenient),
            duplicateReferences: reader.choice(.duplicateReferences, default: .accept),
            tcpToken: reader.tokenFile(.tcpTokenFile),
            policy: reader.policy(),
            liveDaemonKeyUIDs: reader.uids(.liveDaemonKeyUIDs),
            liveFirstByteTimeout: reader.seconds(
                .liveFirstByteTimeout, default: Limits.liveFirstByteTimeout),
            liveIdleTimeout: reader.seconds(.liveIdleTimeout, default: Limits.liveIdleTimeout))
        guard reader.mistakes.isEmpty else { throw SettingsError(mistakes: reader.mistakes) }
        return settings
    }

    /// The runtime directory alone, for commands that talk to a daemon.
    public static func runtimeDirectory(
        flag: String?, environment: [String: String]
    ) -> String {
        var reader = SettingsReader(
            flags: flag.map { [.runtimeDirectory: $0] } ?? [:], environment: environment)
        return reader.runtimeDirectory(state: reader.stateDirectory())
    }

    /// The state directory alone, for commands that read the spool.
    public static func stateDirectory(
        flag: String?, environment: [String: String]
    ) throws(SettingsError) -> String {
        var reader = SettingsReader(
            flags: flag.map { [.stateDirectory: $0] } ?? [:], environment: environment)
        let directory = reader.stateDirectory()
        guard reader.mistakes.isEmpty else { throw SettingsError(mistakes: reader.mistakes) }
        return directory
    }

    /// The address of `archive serve`, or every mistake.
    public static func archive(
        flags: [Name: String], environment: [String: String]
    ) throws(SettingsError) -> (directory: String, listen: ListenAddress) {
        var reader = SettingsReader(flags: flags, environment: environment)
        let result = (
            directory: reader.stateDirectory() + "/archive",
            listen: reader.listen(default: .tcp(host: "127.0.0.1", port: 7576))
        )
        guard reader.mistakes.isEmpty else { throw SettingsError(mistakes: reader.mistakes) }
        return result
    }

    // MARK: One setting each

    /// The value and how it was given; an empty variable counts as absent.
    func value(_ name: Name) -> (value: String, source: String)? {
        if let flag = flags[name] { return (flag, name.rawValue) }
        guard let value = environment[name.variable], !value.isEmpty else { return nil }
        return (value, name.variable)
    }

    /// Under systemd the unit's directory, else the user's (XDG base directory specification 0.8).
    private mutating func stateDirectory() -> String {
        if let given = value(.stateDirectory) { return absolute(given.value, given.source) }
        if let unit = environment["STATE_DIRECTORY"]?.split(separator: ":").first {
            return String(unit)
        }
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
            return state + "/loopspool"
        }
        guard let home = environment["HOME"], home.hasPrefix("/") else {
            mistakes.append(
                "\(Name.stateDirectory.rawValue): there is no HOME to put it in; name a directory")
            return "/"
        }
        return home + "/.local/state/loopspool"
    }

    private mutating func runtimeDirectory(state: String) -> String {
        if let given = value(.runtimeDirectory) { return absolute(given.value, given.source) }
        if environment["STATE_DIRECTORY"].map({ !$0.isEmpty }) == true { return "/run/loopspool" }
        if let runtime = environment["XDG_RUNTIME_DIR"], runtime.hasPrefix("/") {
            return runtime + "/loopspool"
        }
        return state + "/run"
    }

    private mutating func absolute(_ path: String, _ source: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = workingDirectory else {
            mistakes.append("\(source): '\(path)' is relative; write the whole path")
            return path
        }
        return current == "/" ? "/" + path : current + "/" + path
    }

    private mutating func listen(default address: ListenAddress) -> ListenAddress {
        guard let (text, source) = value(.listen) else { return address }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]) else {
            mistakes.append(
                "\(source): '\(text)' is not HOST:PORT, e.g. 127.0.0.1:7575 (port 0: a free one)")
            return address
        }
        let host = parts[0] == "localhost" ? "127.0.0.1" : String(parts[0])
        guard Self.isLoopback(host) else {
            mistakes.append(
                "\(source): '\(host)' is not a loopback address; whoever can reach the port can write logs, "
                    + "so only 127.0.0.0/8 is allowed")
            return address
        }
        return .tcp(host: host, port: Int(port))
    }

    /// Whether a host is an address of 127.0.0.0/8, written as four numbers. A name would be looked up, and
    /// might lead anywhere.
    private static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { part in
                part.utf8.allSatisfy { (0x30...0x39).contains($0) }
                    && UInt8(part).map { String($0) == part } == true
            }
    }

    private mutating func upstream() -> UpstreamAddress? {
        guard let (text, source) = value(.upstream) else { return nil }
        do throws(UpstreamAddressError) {
            return try UpstreamAddress(text)
        } catch {
            mistakes.append("\(source): \(error)")
            return nil
        }
    }

    /// One of a few words, each the raw value of a case.
    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: Name, default choice: Choice
    ) -> Choice {
        guard let (text, source) = value(name) else { return choice }
        guard let chosen = Choice(rawValue: text) else {
            let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            mistakes.append("\(source): '\(text)' is none of \(choices)")
            return choice
        }
        return chosen
    }

    private mutating func tokenFile(_ name: Name) -> TokenFile? {
        guard let (path, source) = value(name) else { return nil }
        do throws(TokenFileError) {
            return try TokenFile(path: absolute(path, source))
        } catch {
            mistakes.append("\(source): \(error)")
            return nil
        }
    }

    private mutating func uids(_ name: Name) -> Set<UInt32> {
        guard let (text, source) = value(name) else { return [] }
        let uids = text.split(separator: ",").map { UInt32($0) }
        guard !uids.contains(nil) else {
            mistakes.append("\(source): '\(text)' is not a list of user ids, e.g. 1000,1001")
            return []
        }
        return Set(uids.compactMap(\.self))
    }

    private mutating func seconds(_ name: Name, default time: Duration) -> Duration {
        guard let (text, source) = value(name) else { return time }
        guard let seconds = UInt32(text), (1...86_400).contains(seconds) else {
            mistakes.append("\(source): '\(text)' is not a number of seconds from 1 to 86400")
            return time
        }
        return .seconds(seconds)
    }

    private mutating func apiKey() -> String? {
        guard let key = environment["LOOPSPOOL_API_KEY"], !key.isEmpty else { return nil }
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            mistakes.append(
                "LOOPSPOOL_API_KEY: holds a space, line break or non-ASCII character (value not shown)"
            )
            return nil
        }
        return key
    }
}

/// Every mistake in the settings.
public struct SettingsError: Error, CustomStringConvertible {
    /// One sentence a mistake.
    public let mistakes: [String]

    /// What is wrong, with what, and what to do now.
    public var description: String { mistakes.joined(separator: "\n") }
}

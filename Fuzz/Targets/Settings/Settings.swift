import FuzzKit
import SpoolCore
import SpoolSender
import SpoolServer
import SpoolService

/// Whatever stands in the environment and the flags, there are settings within their bounds, or
/// mistakes that each name a setting; and no mistake shows a secret.
@main
enum Settings {
    static func main() {
        Fuzzer.run { input in
            var flags: [SettingsReader.Name: String] = [:]
            var environment: [String: String] = [:]
            for line in input.split(separator: UInt8(ascii: "\n")) {
                let parts = line.split(
                    separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
                let value = parts.count == 2 ? String(decoding: parts[1], as: UTF8.self) : ""
                let key = String(decoding: parts[0], as: UTF8.self)
                // That file is opened, and a device could do something then.
                if key.hasSuffix("TOKEN_FILE") || key == "--tcp-token-file" { continue }
                if let name = SettingsReader.Name(rawValue: key) {
                    flags[name] = value
                } else {
                    environment[key] = value
                }
            }
            checkDaemon(flags, environment)
            checkArchive(flags, environment)
            _ = SettingsReader.runtimeDirectory(
                flag: flags[.runtimeDirectory], environment: environment)
        }
    }

    private static func checkDaemon(
        _ flags: [SettingsReader.Name: String], _ environment: [String: String]
    ) {
        let settings: DaemonSettings
        do {
            settings = try SettingsReader.daemon(flags: flags, environment: environment)
        } catch {
            return check(error, flags, environment)
        }
        let paths = [
            settings.stateDirectory, settings.apiSocket, settings.eventsSocket,
            settings.controlSocket, settings.archiveSocket, settings.archiveDirectory,
        ]
        for path in paths where environment["STATE_DIRECTORY"] == nil {
            require(path.utf8.first == UInt8(ascii: "/"), "\(path) is relative")
        }
        check(settings.listen)
        if let key = settings.apiKey {
            require(key.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "a key no header holds")
        }
        for time in [settings.liveFirstByteTimeout, settings.liveIdleTimeout] {
            require((.seconds(1)...(.seconds(86_400))).contains(time), "a time of \(time)")
        }
        check(settings.policy)
        if let flag = flags[.defaultProject] { require(settings.defaultProject == flag, flag) }
        guard let upstream = settings.upstream else { return }
        check(upstream)
    }

    private static func check(_ policy: SpoolPolicy) {
        for bytes in [policy.bytesMax, policy.freeDiskBytesMin, policy.deadBytesMax] {
            require(bytes >= 0, "\(bytes) bytes")
        }
        require(policy.ageMax.map { $0 > .zero } ?? true, "an age of \(policy.ageMax ?? .zero)")
        require((1...256).contains(policy.inFlightMax), "\(policy.inFlightMax) in flight")
    }

    private static func check(_ upstream: UpstreamAddress) {
        let text = upstream.description
        let bytes = Array(text.utf8)
        if text.hasPrefix("unix:") {
            require(text.utf8.count > "unix:/".utf8.count, text)
        } else {
            let schemes = ["http://", "https://"]
            require(schemes.contains { bytes.starts(with: $0.utf8) }, text)
            let isURL = bytes.allSatisfy { !"?#@".utf8.contains($0) }
            require(isURL || pathHolds(bytes, UInt8(ascii: "@")), text)
            require(bytes.last != UInt8(ascii: "/"), text)
        }
        // An address reads as it is written.
        let again = try? UpstreamAddress(text)
        require(again == upstream, "\(text) reads as \(again?.description ?? "nothing")")
    }

    /// An `@` may stand in a path, but not in an authority, where a password goes before it.
    private static func pathHolds(_ url: [UInt8], _ byte: UInt8) -> Bool {
        let parts = url.split(separator: UInt8(ascii: "/"), maxSplits: 2)
        return !parts[1].contains(byte) && !url.contains { "?#".utf8.contains($0) }
    }

    private static func checkArchive(
        _ flags: [SettingsReader.Name: String], _ environment: [String: String]
    ) {
        do {
            let archive = try SettingsReader.archive(flags: flags, environment: environment)
            check(archive.listen)
        } catch {
            check(error, flags, environment)
        }
    }

    private static func check(_ listen: ListenAddress) {
        guard case .tcp(let host, let port) = listen else {
            return require(false, "\(listen) is no TCP address")
        }
        require(host.utf8.starts(with: "127.".utf8), "\(host) is not of this host")
        require((0...65_535).contains(port), "port \(port)")
    }

    private static func check(
        _ error: SettingsError, _ flags: [SettingsReader.Name: String],
        _ environment: [String: String]
    ) {
        require(!error.mistakes.isEmpty, "an error without a mistake")
        for mistake in error.mistakes {
            let isNamed =
                mistake.hasPrefix("LOOPSPOOL_") || mistake.hasPrefix("--")
            require(isNamed, "'\(mistake)' names no setting")
        }
        if let key = environment["LOOPSPOOL_API_KEY"] {
            let others = environment.filter { $0.key != "LOOPSPOOL_API_KEY" }
            check(error, hides: key, ifNotIn: Array(others.values) + Array(flags.values))
        }
        let upstream = flags[.upstream] ?? environment["LOOPSPOOL_UPSTREAM"] ?? ""
        if let password = password(in: upstream) {
            let others = environment.filter { $0.key != "LOOPSPOOL_UPSTREAM" }.map(\.value)
            let otherFlags = flags.filter { $0.key != .upstream }.map(\.value)
            check(error, hides: password, ifNotIn: others + otherFlags)
        }
    }

    /// A secret that stands in no other value, and is too long to stand in a sentence by chance, is
    /// not shown.
    private static func check(
        _ error: SettingsError, hides secret: String, ifNotIn values: [String]
    ) {
        guard secret.utf8.count > 6, !values.contains(where: { $0.contains(secret) }) else {
            return
        }
        let sentences = [
            "a space, line break or non-ASCII character", "a user name or password",
            "127.0.0.1:7575",
            "LOOPSPOOL_API_KEY", "LOOPSPOOL_UPSTREAM", "--upstream",
            "the scheme is not http, https or",
            "a base URL has no query and no fragment", "http://HOST[:PORT][/PATH], https://",
        ]
        guard !sentences.contains(where: { $0.contains(secret) }) else { return }
        require(!error.description.contains(secret), "a secret is shown: \(error)")
    }

    /// What stands between `//…:` and the last `@` before the path.
    private static func password(in url: String) -> String? {
        let parts = url.utf8.split(
            separator: UInt8(ascii: "/"), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count > 2, parts[0].last == UInt8(ascii: ":"), parts[1].isEmpty,
            let at = parts[2].lastIndex(of: UInt8(ascii: "@")),
            let colon = parts[2][..<at].firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        return String(parts[2][..<at][colon...].dropFirst())
    }
}

import SpoolCore
import SpoolServer
import SpoolService
import Testing

@Suite("Settings")
struct SettingsTests {
    private let home = ["HOME": "/home/ada", "PWD": "/srv/here"]

    @Test("a flag wins over the environment, the environment over the default")
    func precedence() throws {
        let environment = home.merging(["LOOPSPOOL_LISTEN": "127.0.0.1:1111"]) { $1 }
        let byDefault = try SettingsReader.daemon(flags: [:], environment: home)
        let byVariable = try SettingsReader.daemon(flags: [:], environment: environment)
        let byFlag = try SettingsReader.daemon(
            flags: [.listen: "127.0.0.1:2222"], environment: environment)
        #expect(byDefault.listen.description == "127.0.0.1:7575")
        #expect(byVariable.listen.description == "127.0.0.1:1111")
        #expect(byFlag.listen.description == "127.0.0.1:2222")
    }

    @Test("directories are systemd's under systemd, else the user's, else beside the state")
    func directories() throws {
        let unit = try SettingsReader.daemon(
            flags: [:], environment: home.merging(["STATE_DIRECTORY": "/var/lib/loopspool"]) { $1 })
        #expect(unit.stateDirectory == "/var/lib/loopspool")
        #expect(unit.runtimeDirectory == "/run/loopspool")
        let user = try SettingsReader.daemon(
            flags: [:], environment: home.merging(["XDG_RUNTIME_DIR": "/run/user/1"]) { $1 })
        #expect(user.stateDirectory == "/home/ada/.local/state/loopspool")
        #expect(user.runtimeDirectory == "/run/user/1/loopspool")
        let bare = try SettingsReader.daemon(flags: [:], environment: home)
        #expect(bare.runtimeDirectory == "/home/ada/.local/state/loopspool/run")
    }

    @Test("a relative path begins in the working directory, whatever PWD says")
    func relativePaths() throws {
        func state(_ path: String, in directory: String?) throws -> String {
            try SettingsReader.daemon(
                flags: [.stateDirectory: path], environment: home, workingDirectory: directory
            ).stateDirectory
        }
        #expect(try state("spool", in: "/var/tmp") == "/var/tmp/spool")
        #expect(try state("spool", in: "/") == "/spool")
        #expect(try state("/spool", in: "/var/tmp") == "/spool")
        #expect(throws: SettingsError.self) { try state("spool", in: nil) }
        let here = try SettingsReader.daemon(flags: [.stateDirectory: "x"], environment: home)
        #expect(here.stateDirectory == Process.workingDirectory.map { $0 + "/x" })
    }

    @Test(
        "only an address of this host is listened on, and no name is looked up",
        arguments: [
            ("127.0.0.1:0", true), ("127.255.255.255:0", true), ("localhost:0", true),
            ("127.foo:0", false), ("127.0.0.1.example.org:0", false), ("127.0.0:0", false),
            ("127.0.0.256:0", false), ("127.0.0.+1:0", false), ("127.0.0.01:0", false),
            ("127.:0", false), ("[::1]:0", false),
        ])
    func loopback(address: String, isTaken: Bool) {
        let settings = try? SettingsReader.daemon(flags: [.listen: address], environment: home)
        #expect((settings != nil) == isTaken)
    }

    @Test("a command that needs a directory says why there is none without HOME")
    func noHome() throws {
        let error = #expect(throws: SettingsError.self) {
            try SettingsReader.stateDirectory(flag: nil, environment: [:])
        }
        #expect(try #require(error).description.contains("no HOME"))
        #expect(try SettingsReader.stateDirectory(flag: "/s", environment: [:]) == "/s")
    }

    @Test("every mistake is reported at once, each with the setting and what would be right")
    func mistakes() throws {
        let flags: [SettingsReader.Name: String] = [
            .listen: "0.0.0.0:80", .upstream: "ftp://x",
        ]
        let environment = home.merging(["LOOPSPOOL_API_KEY": "secret key"]) { $1 }
        let error = try #require(throws: SettingsError.self) {
            try SettingsReader.daemon(flags: flags, environment: environment)
        }
        #expect(error.mistakes.count == 3)
        #expect(error.description.contains("--listen: '0.0.0.0' is not a loopback address"))
        #expect(error.description.contains("--upstream"))
        #expect(!error.description.contains("secret key"), "a key in an error message")
    }

    @Test("live calls: nobody borrows the daemon's key unless listed, and times are seconds")
    func live() throws {
        let byDefault = try SettingsReader.daemon(flags: [:], environment: home)
        #expect(byDefault.liveDaemonKeyUIDs.isEmpty)
        #expect(byDefault.liveFirstByteTimeout == .seconds(600))
        #expect(byDefault.liveIdleTimeout == .seconds(300))
        let given = try SettingsReader.daemon(
            flags: [.liveIdleTimeout: "7"],
            environment: home.merging(["LOOPSPOOL_LIVE_DAEMON_KEY_UIDS": "1000,0"]) { $1 })
        #expect(given.liveDaemonKeyUIDs == [0, 1000])
        #expect(given.liveIdleTimeout == .seconds(7))
        let error = try #require(throws: SettingsError.self) {
            try SettingsReader.daemon(
                flags: [
                    .liveDaemonKeyUIDs: "ada", .liveFirstByteTimeout: "0", .liveIdleTimeout: "1m",
                ], environment: home)
        }
        #expect(error.mistakes.count == 3)
    }

    @Test("validation is lenient and a duplicate reference accepted, unless the operator says else")
    func door() throws {
        let byDefault = try SettingsReader.daemon(flags: [:], environment: home)
        #expect(byDefault.validation == .lenient)
        #expect(byDefault.duplicateReferences == .accept)
        #expect(byDefault.tcpToken == nil)
        let given = try SettingsReader.daemon(
            flags: [.validation: "strict"],
            environment: home.merging([
                "LOOPSPOOL_DUPLICATE_REFERENCES": "refuse", "LOOPSPOOL_VALIDATION": "lenient",
            ]) { $1 })
        #expect(given.validation == .strict)
        #expect(given.duplicateReferences == .refuse)
        let error = try #require(throws: SettingsError.self) {
            try SettingsReader.daemon(
                flags: [.validation: "Strict", .duplicateReferences: "yes"], environment: home)
        }
        #expect(
            error.mistakes == [
                "--validation: 'Strict' is none of lenient, strict",
                "--duplicate-references: 'yes' is none of accept, refuse",
            ])
    }
}

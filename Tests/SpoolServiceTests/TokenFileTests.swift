import Foundation
import Glibc
import SpoolService
import Testing

/// `--tcp-token-file`: read at the start, and refused with words that help.
@Suite("The token file")
struct TokenFileTests {
    private static let secret = "0123456789abcdef"

    /// Runs `body` with a file of this content and mode.
    private func withFile<Result>(
        _ content: String, mode: Int = 0o600, _ body: (String) throws -> Result
    ) throws -> Result {
        let path = "/tmp/loopspool-token-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try content.write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return try body(path)
    }

    private func read(_ path: String) throws -> DaemonSettings {
        try SettingsReader.daemon(
            flags: [:],
            environment: ["HOME": "/home/ada", "LOOPSPOOL_TCP_TOKEN_FILE": path],
            workingDirectory: "/tmp")
    }

    /// What is said of a file that is refused.
    private func complaint(about path: String) throws -> String {
        let error = try #require(throws: SettingsError.self) { try read(path) }
        #expect(error.mistakes.count == 1)
        #expect(error.description.hasPrefix("LOOPSPOOL_TCP_TOKEN_FILE: "))
        return error.description
    }

    @Test(
        "one line of 16 to 4096 printable characters, with or without its end",
        arguments: [
            secret, secret + "\n", String(repeating: "~", count: 4096) + "\n", "!\"#$%&'()*+,-./:",
        ])
    func accepted(content: String) throws {
        for mode in [0o600, 0o400] {
            try withFile(content, mode: mode) { path in
                let settings = try read(path)
                #expect(settings.tcpToken?.path == path)
                #expect(!"\(settings)".contains(content.prefix(16)), "a token in a description")
            }
        }
    }

    @Test("a relative path is taken from where the command was typed")
    func relative() throws {
        try withFile(Self.secret) { path in
            let name = String(path.dropFirst("/tmp/".count))
            let settings = try read(name)
            #expect(settings.tcpToken?.path == path)
        }
    }

    @Test(
        "every other content is refused, and not repeated",
        arguments: [
            ("", "0 bytes"), ("\n", "0 bytes"), ("0123456789abcde", "15 bytes"),
            (String(repeating: "x", count: 4097), "more than 4096 bytes"),
            (String(repeating: "x", count: 1 << 20), "more than 4096 bytes"),
            (secret + " " + secret, "a space"), (secret + "\r\n", "a space"),
            (secret + "\n" + secret + "\n", "second line"), (secret + "\n\n", "second line"),
            (secret + "é", "printable ASCII"), (secret + "\0", "printable ASCII"),
        ])
    func content(text: String, words: String) throws {
        try withFile(text) { path in
            let complaint = try complaint(about: path)
            #expect(complaint.contains(words))
            #expect(complaint.contains(path))
            #expect(!complaint.contains(Self.secret))
        }
    }

    @Test(
        "a file that others may read or write is refused",
        arguments: [
            0o644, 0o640, 0o660, 0o604, 0o602, 0o700, 0o4600, 0o200,
        ])
    func modes(mode: Int) throws {
        try withFile(Self.secret, mode: mode) { path in
            let complaint = try complaint(about: path)
            #expect(complaint.contains("mode 0"))
            #expect(!complaint.contains(Self.secret))
        }
    }

    @Test("what is no file is refused without waiting for it")
    func noFile() throws {
        #expect(try complaint(about: "/nowhere/token").contains("No such file"))
        #expect(try complaint(about: "/tmp").contains("not a regular file"))
        #expect(try complaint(about: "/dev/null").contains("not a regular file"))
        let pipe = "/tmp/loopspool-pipe-\(UUID().uuidString)"
        #expect(mkfifo(pipe, 0o600) == 0)
        defer { unlink(pipe) }
        #expect(try complaint(about: pipe).contains("not a regular file"))
    }

    @Test(
        "root's file may be readable for root's group, as systemd makes it, and for no other",
        .enabled(if: geteuid() == 0))
    func credential() throws {
        try withFile(Self.secret, mode: 0o440) { path in
            #expect(chown(path, 0, 0) == 0)
            let settings = try read(path)
            #expect(settings.tcpToken?.path == path)
            #expect(chown(path, 0, 12_345) == 0)
            let complaint = try complaint(about: path)
            #expect(complaint.contains("mode 0440"))
        }
    }

    @Test("a file of another user is refused", .enabled(if: geteuid() == 0))
    func owner() throws {
        try withFile(Self.secret) { path in
            #expect(chown(path, 12_345, 12_345) == 0)
            let complaint = try complaint(about: path)
            #expect(complaint.contains("belongs to the user 12345"))
        }
    }
}

import Foundation
import SpoolCore
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolService

@Suite("A daemon whose embedded archive is damaged", .timeLimit(.minutes(1)))
struct DamagedArchiveTests {
    private func ask(
        _ request: String, _ body: String, at address: ListenAddress
    ) async throws -> JSONValue {
        guard case .unix(let path, _) = address else { throw CancellationError() }
        let client = try RawClient(unixPath: path)
        let head = "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)"
        try await client.send(
            "\(request) HTTP/1.1\r\nConnection: close\r\n\(head)\r\n\r\n\(body)")
        let answer = String(decoding: try await client.receiveAll(), as: UTF8.self)
        let json = try #require(answer.components(separatedBy: "\r\n\r\n").last)
        return try JSONValue(parsing: Array(json.utf8))
    }

    /// Waits until so many events were delivered.
    private func delivered(_ count: Int, by daemon: Daemon) async throws -> JSONValue {
        while true {
            let status = try await ask("GET /status", "", at: daemon.listening.control)
            if status["ledger"]?["delivered"]?.intValue == count { return status }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    @Test("starts, keeps the damaged file, delivers into a fresh one, and tells the operator")
    func startsAfresh() async throws {
        let directory = "/tmp/loopspool-damage-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let settings = try SettingsReader.daemon(
            flags: [
                .stateDirectory: directory, .runtimeDirectory: directory + "/run",
                .listen: "127.0.0.1:0", .minFreeDisk: "1MiB",
            ], environment: ["HOME": directory])
        try FileManager.default.createDirectory(
            atPath: settings.archiveDirectory, withIntermediateDirectories: true)
        let file = URL(filePath: settings.archiveDirectory + "/archive.db")
        let bytes = Data(repeating: 0x5a, count: 16384)
        try bytes.write(to: file)

        let lines = LogLines()
        let daemon = try await Daemon.start(settings, logger: lines.logger)
        let log = #"{"project":"p","output":"x","session_reference_id":"s"}"#
        _ = try await ask("POST /v4/logs", log, at: daemon.listening.api)
        let status = try await delivered(1, by: daemon)
        await daemon.stop()
        #expect(status["archive"]?["logs"]?.intValue == 1)
        let kept = try #require(status["archive_set_aside"]?.stringValue)
        #expect(kept.hasPrefix(file.path + ".corrupt-"))
        #expect(try Data(contentsOf: URL(filePath: kept)) == bytes)
        #expect(lines.all.contains("critical the archive was set aside"))
        #expect(lines.all.contains(kept))
    }
}

import Foundation
import SpoolServer
import SpoolService
import SpoolTestKit
import Testing

/// What the operator says about the door reaches it.
@Suite("Settings of the door", .timeLimit(.minutes(1)))
struct DoorSettingsTests {
    /// The statuses of bodies posted to `/logs`, one after the other, and of lines of the stream.
    private func statuses(
        _ settings: [SettingsReader.Name: String], posting bodies: [String]
    ) async throws -> [String] {
        let directory = "/tmp/loopspool-settings-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let flags = settings.merging([
            .stateDirectory: directory, .runtimeDirectory: directory + "/run",
            .listen: "127.0.0.1:0", .defaultProject: "p",
        ]) { $1 }
        let daemon = try await Daemon.start(
            try SettingsReader.daemon(flags: flags, environment: ["HOME": directory]),
            logger: LogLines().logger)
        do {
            var statuses: [String] = []
            for body in bodies {
                let client = try RawClient(unixPath: directory + "/run/api.sock")
                try await client.send(
                    "POST /v4/logs HTTP/1.1\r\nConnection: close\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                let answer = String(decoding: try await client.receiveAll(), as: UTF8.self)
                statuses.append(String(answer.dropFirst(9).prefix(3)))
            }
            await daemon.stop()
            return statuses
        } catch {
            await daemon.stop()
            throw error
        }
    }

    @Test("validation is strict when it is set so")
    func validation() async throws {
        let bodies = [#"{"outptu":"x"}"#, #"{"output":"x"}"#]
        #expect(try await statuses([:], posting: bodies) == ["200", "200"])
        #expect(try await statuses([.validation: "strict"], posting: bodies) == ["422", "200"])
    }

    @Test("a reference that is another log's is refused when it is set so")
    func duplicates() async throws {
        let bodies = [1, 2, 1].map { #"{"reference_id":"r","output":"\#($0)"}"# }
        #expect(try await statuses([:], posting: bodies) == ["200", "200", "200"])
        #expect(
            try await statuses([.duplicateReferences: "refuse"], posting: bodies)
                == ["200", "409", "200"])
    }
}

import Foundation
import SpoolCore
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolService

/// What an operator sees of a whole daemon.
@Suite("The operator's view", .timeLimit(.minutes(1)))
struct OperatorViewTests {
    /// Runs `body` against a daemon with the embedded archive.
    private func run(
        _ flags: [SettingsReader.Name: String] = [:],
        _ change: (inout DaemonSettings) -> Void = { _ in },
        _ body: (Daemon) async throws -> Void
    ) async throws {
        let directory = "/tmp/loopspool-view-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var settings = try SettingsReader.daemon(
            flags: flags.merging([
                .stateDirectory: directory, .runtimeDirectory: directory + "/run",
                .listen: "127.0.0.1:0",
            ]) { given, _ in given }, environment: ["HOME": directory])
        change(&settings)
        let daemon = try await Daemon.start(settings, logger: LogLines().logger)
        do {
            try await body(daemon)
        } catch {
            await daemon.stop()
            throw error
        }
        await daemon.stop()
    }

    private func client(_ address: ListenAddress) throws -> RawClient {
        guard case .unix(let path, _) = address else { throw CancellationError() }
        return try RawClient(unixPath: path)
    }

    /// Asks on a connection of its own: the status, and the JSON of the answer.
    private func get(
        _ path: String, _ address: ListenAddress
    ) async throws -> (status: String, body: JSONValue) {
        let client = try client(address)
        try await client.send("GET \(path) HTTP/1.1\r\nConnection: close\r\n\r\n")
        let answer = String(decoding: try await client.receiveAll(), as: UTF8.self)
        let body = try #require(answer.components(separatedBy: "\r\n\r\n").last)
        let status = answer.dropFirst("HTTP/1.1 ".count).prefix(3)
        return (String(status), try JSONValue(parsing: Array(body.utf8)))
    }

    @Test("is open while idle clients hold every place of the ways in")
    func isNeverLockedOut() async throws {
        try await run([:], { $0.connectionsMax = 3 }) { daemon in
            let api = daemon.listening.api
            let idle = try (0..<5).map { _ in try client(api) }
            var limits: JSONValue?
            while limits?["connections"]?.intValue != 3 {
                limits = try await get("/status", daemon.listening.control).body["limits"]
            }
            #expect(limits?["connections_max"]?.intValue == 3)
            _ = idle
        }
    }

    @Test("shows a disk below its reserve at /readyz, /healthz and in status")
    func diskBelowReserve() async throws {
        try await run([.minFreeDisk: "1000000GiB"]) { daemon in
            let ready = try await get("/readyz", daemon.listening.api)
            #expect(ready.status == "503")
            #expect(ready.body["detail"]?.stringValue?.contains("bytes free") == true)
            let health = try await get("/healthz", daemon.listening.api)
            #expect(health.status == "200")
            #expect(health.body["trouble"]?.stringValue?.contains("bytes free") == true)
            let status = try await get("/status", daemon.listening.control)
            #expect(status.status == "200")
            #expect(status.body["trouble"]?.stringValue?.contains("bytes free") == true)
            #expect(status.body["limits"]?["disk_below_reserve"]?.boolValue == true)
        }
    }

    @Test("shows every bound with what is used of it, and no trouble where there is none")
    func bounds() async throws {
        try await run([.minFreeDisk: "1MiB"]) { daemon in
            #expect(try await get("/readyz", daemon.listening.api).status == "200")
            let status = try await get("/status", daemon.listening.control).body
            #expect(status["trouble"]?.stringValue == nil)
            let limits = try #require(status["limits"])
            for name in ["spool_bytes", "dead_bytes", "connections", "ingest_bytes"] {
                let used = try #require(limits[name]?.intValue, "\(name)")
                #expect(try #require(limits[name + "_max"]?.intValue, "\(name)") > used)
            }
            #expect(limits["free_disk_bytes_min"]?.intValue == 1 << 20)
            #expect(try #require(limits["free_disk_bytes"]?.intValue) > 1 << 20)
            for name in ["count", "overwritten", "bytes"] {
                #expect(status["malformed_kept"]?[name]?.intValue == 0, "\(name)")
            }
            #expect(status["malformed_kept"]?["bytes_max"]?.intValue == 16 << 20)
            #expect(status["archive"]?["trimmed"]?.intValue == 0)
            let archive = try #require(status["archive"])
            #expect(try #require(archive["bytes_max"]?.intValue) > 0)
        }
    }
}

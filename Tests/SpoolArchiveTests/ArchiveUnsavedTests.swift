import SpoolCore
import SpoolSQLite
import SpoolServer
import Testing

@testable import SpoolArchive

/// A log with `save: false` leaves its config and metadata, and of its payload no trace in any
/// file.
struct ArchiveUnsavedTests {
    private static let canary = "canary-7f3a"

    private static let body = """
        {"project":"p","save":false,"reference_id":"r","inputs":{"a":"\(canary)"},
        "messages":[{"role":"user","content":"\(canary)"}],"output":"\(canary)",
        "output_message":{"role":"assistant","content":"\(canary)"},
        "provider_request":{"k":"\(canary)"},"provider_response":{"k":"\(canary)"},
        "unlisted":"\(canary)","metadata":{"m":1.50},"config":{"model":"m"},"error":"kept",
        "duration":2.50,"created_at":"2024-05-01T12:30:15Z"}
        """

    private func leavesTrace(_ archive: ArchiveFixture) throws -> Bool {
        try String(decoding: archive.fileBytes(), as: UTF8.self).contains(Self.canary)
    }

    @Test func `the payload never reaches the disk, before and after a checkpoint`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(Self.body)
        try await archive.ask("POST", "/logs", "[\(Self.body)]")
        try await archive.ask(
            "POST", "/evaluations/e/log", #"{"datapoint_id":"d","log":\#(Self.body)}"#, status: 201)
        try await archive.ask("PATCH", "/logs/\(id)", #"{"output":"\#(Self.canary)","error":"e"}"#)
        try await archive.ask("PATCH", "/logs?reference_id=r", #"{"output":"\#(Self.canary)"}"#)
        #expect(try !leavesTrace(archive))
        await archive.close()
        #expect(try !leavesTrace(archive), "closing checkpoints")
        await archive.remove()
    }

    @Test func `a saved log does leave one, so the search can find it`() async throws {
        let archive = try ArchiveFixture()
        _ = try await archive.log(Self.body.replacing(#""save":false"#, with: #""save":true"#))
        #expect(try leavesTrace(archive))
        await archive.remove()
    }

    @Test func `config, metadata and what else is no payload are kept`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(Self.body)
        try await archive.ask("PATCH", "/logs/\(id)", #"{"output":"x","duration":3.0}"#)
        let log = try await archive.ask("GET", "/logs/\(id)")
        #expect(log["save"] == .bool(false))
        #expect(log["metadata"]?["m"] == .number("1.50"))
        #expect(log["config"]?["model"] == .string("m"))
        #expect(log["reference_id"] == .string("r"))
        #expect(log["error"] == .string("kept"))
        #expect(log["duration"] == .number("3.0"))
        #expect(log["created_at"] == .string("2024-05-01T12:30:15Z"))
        for name in V4Contract.unsavedFields { #expect(log[name.description] == nil) }
        await archive.remove()
    }
}

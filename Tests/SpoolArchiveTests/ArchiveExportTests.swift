import Foundation
import SpoolCore
import SpoolSQLite
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// `ArchiveExport`: lines that move an archive to another upstream.
struct ArchiveExportTests {
    /// The lines of an archive, and what its export says of them.
    private static func export(
        _ archive: ArchiveFixture
    ) throws -> (lines: [JSONValue], summary: ArchiveExport.Summary) {
        var lines: [JSONValue] = []
        let summary = try ArchiveExport.run(directory: archive.directory) { line in
            #expect(line.last == UInt8(ascii: "\n"))
            let text = line.dropLast()
            #expect(!text.contains(UInt8(ascii: "\n")) && !text.contains(UInt8(ascii: "\r")))
            lines.append(try JSONValue(parsing: Array(text), depthMax: 70))
        }
        return (lines, summary)
    }

    @Test func `every kind of event is a line with the names it was given`() async throws {
        let archive = try ArchiveFixture()
        let body = """
            { "project":"p", "reference_id":"r\\u0031", "inputs":{ "n":1.50 },\r
              "session_reference_id":"s", "created_at":"2024-05-01T12:00:00Z",
              "unlisted":[1], "feedback":{"type":"inline","value":true} }
            """
        let id = try await archive.log(body)
        try await archive.ask("PATCH", "/logs/\(id)", #"{"output":"n\u0065w","duration":2e-7}"#)
        try await archive.ask(
            "POST", "/feedback",
            #"[{"type":"rating","value":1.0,"data_id":"\#(id)","created_at":"2024-05-02"},"#
                + #"{"type":"rating","unset":true,"data_id":"\#(id)","user":"u"}]"#)
        let (lines, summary) = try Self.export(archive)
        #expect(lines.count == 5)
        let log = try #require(lines[0]["log"])
        #expect(
            log.members?.map(\.0) == [
                "project", "reference_id", "session_reference_id", "inputs", "created_at",
                "unlisted",
            ])
        #expect(log["reference_id"] == .string("r1"))
        #expect(log["inputs"]?["n"] == .number("1.50"))
        #expect(log["created_at"] == .string("2024-05-01T12:00:00Z"))
        #expect(
            lines[1]
                == .object([
                    (
                        "update",
                        .object([
                            ("reference_id", .string("r1")), ("output", .string("new")),
                            ("duration", .number("2e-7")),
                        ])
                    )
                ]))
        #expect(lines[2]["feedback"]?["reference_id"] == .string("r1"))
        #expect(lines[2]["feedback"]?["type"] == .string("inline"))
        #expect(
            lines[2]["feedback"]?["created_at"]?.stringValue.flatMap { DateTime($0) } != nil)
        #expect(lines[3]["feedback"]?["value"] == .number("1.0"))
        #expect(lines[3]["feedback"]?["created_at"] == .string("2024-05-02"))
        #expect(lines[3]["feedback"]?["data_id"] == nil)
        #expect(lines[4]["feedback"]?["unset"] == .bool(true))
        #expect(lines[4]["feedback"]?["user"] == .string("u"))
        var expected = ArchiveExport.Summary()
        (expected.logs, expected.updates, expected.feedback) = (1, 1, 3)
        #expect(summary == expected)
        await archive.remove()
    }

    @Test func `an evaluation's log and results name their evaluation`() async throws {
        let archive = try ArchiveFixture()
        let answer = try await archive.ask(
            "POST", "/evaluations/ev_1/log?evaluatee_id=evv_1",
            #"{"datapoint_id":"dp","log":{"project":"p","reference_id":"r"}}"#, status: 201)
        let id = try #require(answer["id"]?.stringValue)
        #expect(
            try await archive.ask("GET", "/logs/\(id)")["source_datapoint_id"] == .string("dp"))
        try await archive.ask(
            "POST", "/evaluations/ev_1/result",
            #"{"log_id":"\#(id)","evaluator_id":"f","result":0.50}"#, status: 201)
        try await archive.ask(
            "POST", "/evaluations/ev_2/result?evaluatee_id=evv_2",
            #"{"log_id":"\#(id)","evaluator_id":"f","error":"no"}"#, status: 201)
        let (lines, summary) = try Self.export(archive)
        let log = try #require(lines[0]["evaluation_log"])
        #expect(log.members?.map(\.0) == ["evaluation_id", "evaluatee_id", "datapoint_id", "log"])
        #expect(log["evaluation_id"] == .string("ev_1"))
        #expect(log["evaluatee_id"] == .string("evv_1"))
        #expect(log["datapoint_id"] == .string("dp"))
        #expect(log["log"]?["reference_id"] == .string("r"))
        #expect(
            lines[1]["evaluation_result"]
                == .object([
                    ("evaluation_id", .string("ev_1")), ("reference_id", .string("r")),
                    ("evaluator_id", .string("f")), ("result", .number("0.50")),
                ]))
        #expect(
            lines[2]["evaluation_result"]
                == .object([
                    ("evaluation_id", .string("ev_2")), ("evaluatee_id", .string("evv_2")),
                    ("reference_id", .string("r")), ("evaluator_id", .string("f")),
                    ("error", .string("no")),
                ]))
        #expect(summary.results == 2)
        await archive.remove()
    }

    @Test func `ids become references: projects, sessions, parents, and logs without one`()
        async throws
    {
        let archive = try ArchiveFixture()
        let session = try #require(
            try await archive.ask("POST", "/sessions", status: 201)["id"]?.stringValue)
        let parent = try await archive.log(
            #"{"project":"p","session_id":"\#(session)","reference_id":null}"#)
        let project = try await archive.project(ofLog: parent)
        _ = try await archive.log(
            #"{"project":"other","project_id":"\#(project)","parent_id":"\#(parent)","#
                + #""parent_reference_id":null,"session_id":null,"reference_id":"r"}"#)
        _ = try await archive.log(#"{"project":"q","parent_reference_id":"r"}"#)
        let (lines, summary) = try Self.export(archive)
        let logs = lines.compactMap { $0["log"] }
        #expect(logs.map { $0["project"]?.stringValue } == ["p", "p", "q"])
        #expect(logs[0]["reference_id"] == .string("export-" + parent))
        #expect(logs[0]["session_reference_id"] == .string("export-" + session))
        #expect(
            logs[0]["created_at"] == (try await archive.ask("GET", "/logs/\(parent)"))["created_at"]
        )
        #expect(logs[1]["parent_reference_id"] == .string("export-" + parent))
        #expect(logs[2]["parent_reference_id"] == .string("r"))
        for log in logs {
            for name in ["project_id", "session_id", "parent_id"] { #expect(log[name] == nil) }
        }
        #expect(summary.logs == 3)
        #expect(summary.renamed == 0)
        await archive.remove()
    }

    @Test func `of logs that share a reference the newest keeps it, and all stay apart`()
        async throws
    {
        let archive = try ArchiveFixture()
        let body = #"{"project":"p","reference_id":"same"}"#
        let old = try await archive.log(body)
        let child = try await archive.log(#"{"project":"p","parent_reference_id":"same"}"#)
        let new = try await archive.log(body)
        for id in [old, new] {
            try await archive.ask(
                "POST", "/feedback", #"{"type":"t","value":"\#(id)","data_id":"\#(id)"}"#)
        }
        let (lines, summary) = try Self.export(archive)
        #expect(lines[0]["log"]?["reference_id"] == .string("export-" + old))
        #expect(lines[1]["feedback"]?["reference_id"] == .string("export-" + old))
        #expect(lines[1]["feedback"]?["value"] == .string(old))
        #expect(lines[2]["log"]?["reference_id"] == .string("export-" + child))
        #expect(lines[2]["log"]?["parent_reference_id"] == .string("export-" + old))
        #expect(lines[3]["log"]?["reference_id"] == .string("same"))
        #expect(lines[4]["feedback"]?["reference_id"] == .string("same"))
        #expect(summary.renamed == 1)
        await archive.remove()
    }

    @Test func `what cannot move is left out and counted`() async throws {
        let archive = try ArchiveFixture()
        let parent = try await archive.log(#"{"project":"p","reference_id":"parent"}"#)
        _ = try await archive.log(#"{"project":"p","parent_reference_id":"parent"}"#)
        let unsaved = try await archive.log(
            #"{"project":"p","save":false,"output":"o","parent_id":"\#(parent)","#
                + #""metadata":{"a":1}}"#
        )
        try await archive.ask("PATCH", "/logs/\(unsaved)", #"{"output":"x","error":"e"}"#)
        #expect(await archive.send("DELETE", "/logs?id=\(parent)", "").status == 204)
        let (lines, summary) = try Self.export(archive)
        #expect(lines[0]["log"]?["parent_reference_id"] == nil)
        #expect(lines[1]["log"]?["save"] == .bool(false))
        #expect(lines[1]["log"]?["output"] == nil)
        #expect(lines[1]["log"]?["metadata"]?["a"] == .number("1"))
        #expect(lines[2]["update"]?["output"] == nil)
        #expect(lines[2]["update"]?["error"] == .string("e"))
        #expect(summary.unsaved == 1)
        #expect(summary.orphans == 2)
        await archive.remove()
    }

    @Test func `a reference that cannot be sent is replaced, a name given twice is given once`()
        async throws
    {
        let archive = try ArchiveFixture()
        let long = String(repeating: "x", count: Limits.referenceBytesMax + 1)
        for reference in ["", long] {
            _ = try await archive.log(
                #"{"project":"p","reference_id":"\#(reference)","#
                    + #""session_reference_id":"\#(reference)"}"#
            )
        }
        _ = try await archive.log(
            #"{"project":"a","outp\u0075t":"a","project":"b","output":"b","reference_id":"1","#
                + #""reference_id":"2","created_at":null}"#)
        let (lines, _) = try Self.export(archive)
        for line in lines.prefix(2) {
            #expect(line["log"]?["reference_id"]?.stringValue?.hasPrefix("export-data_") == true)
            #expect(
                line["log"]?["session_reference_id"]?.stringValue?.hasPrefix("export-sesh_") == true
            )
        }
        let names = lines[2]["log"]?.members?.map(\.0)
        #expect(names == ["project", "reference_id", "output", "created_at"])
        #expect(lines[2]["log"]?["project"] == .string("b"))
        #expect(lines[2]["log"]?["reference_id"] == .string("2"))
        #expect(lines[2]["log"]?["output"] == .string("b"))
        await archive.remove()
    }

    @Test func `a damaged log is named, and the others come along`() async throws {
        let archive = try ArchiveFixture()
        var ids: [String] = []
        for index in 0..<3 { ids.append(try await archive.log(#"{"project":"p\#(index)"}"#)) }
        try await archive.ask(
            "POST", "/feedback", #"{"type":"t","value":1,"data_id":"\#(ids[2])"}"#)
        await archive.close()
        try Connection(path: archive.directory + "/archive.db").execute(
            "UPDATE log SET body = CAST('{' AS BLOB) WHERE number = 2; "
                + "UPDATE feedback SET body = CAST('[1]' AS BLOB)")
        let (lines, summary) = try Self.export(archive)
        #expect(lines.compactMap { $0["log"]?["project"]?.stringValue } == ["p0", "p2"])
        #expect(summary.damaged == [ids[1], ids[2]])
        #expect(summary.logs == 2)
        await archive.remove()
    }

    // MARK: Beside a daemon

    @Test func `between lines no read transaction is open, and new logs wait for the next export`()
        async throws
    {
        let archive = try ArchiveFixture()
        let answer = try await archive.ask(
            "POST", "/logs",
            "["
                + (0..<1100).map { #"{"project":"p","reference_id":"r\#($0)"}"# }.joined(
                    separator: ",")
                + "]")
        let id = try #require(answer[0]?["id"]?.stringValue)
        let feedback = Array(repeating: #"{"type":"t","value":1,"data_id":"\#(id)"}"#, count: 1200)
        try await archive.ask("POST", "/feedback", "[\(feedback.joined(separator: ","))]")
        await archive.close()
        let writer = try Connection(path: archive.directory + "/archive.db")
        var lines = 0
        var last: [UInt8] = []
        let summary = try ArchiveExport.run(directory: archive.directory) { line in
            lines += 1
            last = line
            guard lines % 100 == 1 else { return }
            // A log arrives, and the log of the writer starts anew: no reader is in its way.
            try writer.execute(
                "INSERT INTO log (id, project, reference, is_saved, has_datapoint, received_at, "
                    + "updated_at, bytes, body) "
                    + "VALUES ('data_\(lines)', 1, 'r1099', 1, 0, 0, 0, 1, CAST('{}' AS BLOB))")
            #expect(try writer.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
        }
        #expect(summary.logs == 1100)
        #expect(summary.feedback == 1200)
        #expect(lines == 2300)
        // A reference means the newest log that is exported, not one that came meanwhile.
        #expect(String(decoding: last, as: UTF8.self).contains(#""reference_id":"r1099""#))
        await archive.remove()
    }

    @Test func `an archive is exported while it is open, and twice alike`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p","output":"o"}"#)
        let before = try archive.fileBytes()
        let first = try Self.export(archive)
        let second = try Self.export(archive)
        #expect(first.lines == second.lines)
        #expect(first.lines.count == 1)
        #expect(try archive.fileBytes() == before, "nothing is written")
        try await archive.ask("PATCH", "/logs/\(id)", #"{"output":"n"}"#)
        #expect(try Self.export(archive).lines.count == 2)
        await archive.remove()
    }

    @Test func `what is no archive of this version is refused with what to do`() async throws {
        let archive = try ArchiveFixture()
        await archive.close()
        let path = archive.directory + "/archive.db"
        func refusal() -> (any Error)? {
            do {
                _ = try ArchiveExport.run(directory: archive.directory) { _ in }
                return nil
            } catch { return error }
        }
        #expect(refusal() == nil)
        try Connection(path: path).execute("PRAGMA user_version = 99")
        #expect("\(try #require(refusal()))".contains("version 99"))
        try Connection(path: path).execute("PRAGMA user_version = 1")
        let outdated = "\(try #require(refusal()))"
        #expect(outdated.contains("version 1") && outdated.contains("archive serve"))
        try Connection(path: path).execute("PRAGMA application_id = 7")
        #expect(refusal() is DurableFileError)
        try FileManager.default.removeItem(atPath: path)
        let absent = "\(try #require(refusal()))"
        #expect(absent.contains(path) && absent.contains("--state-dir"))
        #expect(!FileManager.default.fileExists(atPath: path), "nothing is made")
        await archive.remove()
    }
}

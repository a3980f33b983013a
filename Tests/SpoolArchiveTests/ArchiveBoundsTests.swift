import SpoolCore
import SpoolSQLite
import SpoolServer
import Testing

@testable import SpoolArchive

/// Disk and memory are bounded, and what happens at a bound is counted and said.
struct ArchiveBoundsTests {
    private static func log(_ index: Int, _ more: String = "") -> String {
        let output = String(repeating: "x", count: 1000)
        let names = #""project":"p\#(index % 2)","reference_id":"r\#(index)""#
        return #"{\#(names)\#(more),"output":"\#(output)"}"#
    }

    @Test func `beyond the bound the oldest logs go and are counted`() async throws {
        let archive = try ArchiveFixture { $0.storedBytesMax = 20_000 }
        var ids: [String] = []
        for index in 0..<50 { ids.append(try await archive.log(Self.log(index))) }
        let status = archive.archive.status
        #expect(status.bytes <= 20_000)
        #expect(status.logs + status.trimmed == 50)
        #expect(status.logs >= 10)
        for (index, id) in ids.enumerated() {
            let isGone = Int64(index) < status.trimmed
            #expect(await archive.send("GET", "/logs/\(id)").status == (isGone ? 404 : 200))
        }
        let log = try await archive.ask("GET", "/logs/\(ids[49])")
        let project = try #require(log["project_id"]?.stringValue)
        let page = try await archive.ask("GET", "/logs?project_id=\(project)")
        #expect(page["total"]?.intValue == page["records"]?.elements?.count)
        await archive.remove()
    }

    @Test func `what belongs to a trimmed log goes with it, and its session with the last`()
        async throws
    {
        let archive = try ArchiveFixture { $0.storedBytesMax = 20_000 }
        let session = #","session_reference_id":"s","source_datapoint_id":"d""#
        let id = try await archive.log(Self.log(0, session))
        try await archive.ask("POST", "/feedback", #"{"type":"t","value":1,"data_id":"\#(id)"}"#)
        try await archive.ask(
            "POST", "/evaluations/e/result", #"{"log_id":"\#(id)","evaluator_id":"f","result":1}"#,
            status: 201)
        try await archive.ask("PATCH", "/logs/\(id)", #"{"output":"longer or shorter"}"#)
        for index in 1..<50 { _ = try await archive.log(Self.log(index)) }
        await archive.close()
        let file = try Connection(path: archive.directory + "/archive.db", access: .query)
        for table in ["feedback", "evaluation_result", "session"] {
            #expect(try file.integer("SELECT count(*) FROM \(table)") == 0)
        }
        let status = archive.archive.status
        #expect(try file.storedBytes == status.bytes)
        #expect(try file.integer("SELECT count(*) FROM log") == status.logs)
        #expect(try file.integer("SELECT sum(logs) FROM project") == status.logs)
        await archive.remove()
    }

    @Test func `a shorter update gives its bytes back`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(Self.log(0))
        var sizes: [Int64] = [archive.archive.status.bytes]
        for length in [500, 20, 20] {
            let output = String(repeating: "y", count: length)
            try await archive.ask("PATCH", "/logs/\(id)", #"{"output":"\#(output)"}"#)
            sizes.append(archive.archive.status.bytes)
        }
        #expect(sizes[1] - sizes[0] == 502, "with its quotes")
        #expect(sizes[1] - sizes[2] == 480)
        #expect(sizes[3] == sizes[2])
        await archive.remove()
    }

    @Test func `the newest log stays however large it is`() async throws {
        let archive = try ArchiveFixture { $0.storedBytesMax = 100 }
        _ = try await archive.log(Self.log(0))
        let id = try await archive.log(Self.log(1))
        try await archive.ask("PATCH", "/logs/\(id)", #"{"error":"e"}"#)
        try await archive.ask("GET", "/logs/\(id)")
        #expect(archive.archive.status.logs == 1)
        await archive.remove()
    }

    @Test func `a smaller bound is reached step by step after opening`() async throws {
        let first = try ArchiveFixture()
        let logs = (0..<1500).map { Self.log($0) }.joined(separator: ",")
        try await first.ask("POST", "/logs", "[\(logs)]")
        await first.close()
        let second = try ArchiveFixture(in: first.directory) { $0.storedBytesMax = 20_000 }
        // Each question goes into a group of its own; trimming goes on in and between the groups.
        for _ in 0..<1500 where second.archive.status.bytes > 20_000 {
            try await second.ask("PATCH", "/logs?reference_id=r1499", "{}")
        }
        #expect(second.archive.status.bytes <= 20_000)
        let status = second.archive.status
        #expect(status.logs + status.trimmed == 1500)
        await second.remove()
    }

    @Test func `names of projects count, and empty projects go with the oldest`() async throws {
        let archive = try ArchiveFixture { $0.storedBytesMax = 20_000 }
        func project(_ index: Int) async throws -> String {
            let name = "\(index)" + String(repeating: "n", count: 1000)
            let answer = try await archive.ask(
                "POST", "/projects", #"{"name":"\#(name)"}"#, status: 201)
            return try #require(answer["id"]?.stringValue)
        }
        let old = try await project(0)
        #expect(archive.archive.status.bytes > 2000)
        let log = try await archive.log(Self.log(0))
        let young = try await project(1)
        for index in 1..<12 { _ = try await archive.log(Self.log(index)) }
        // The old project was older than every log, the young one is younger than the second.
        try await archive.ask("GET", "/projects/\(old)", status: 404)
        try await archive.ask("GET", "/logs/\(log)")
        try await archive.ask("GET", "/projects/\(young)")
        for index in 12..<40 { _ = try await archive.log(Self.log(index)) }
        try await archive.ask("GET", "/projects/\(young)", status: 404)
        // With projects alone the bound holds, too; the newest log stays.
        var newest = young
        for index in 40..<80 { newest = try await project(index) }
        try await archive.ask("GET", "/projects/\(newest)")
        #expect(archive.archive.status.bytes <= 20_000)
        #expect(archive.archive.status.logs == 1)
        let file = try Connection(path: archive.directory + "/archive.db", access: .query)
        #expect(try file.storedBytes == archive.archive.status.bytes)
        #expect(try file.text("PRAGMA foreign_key_check") == nil)
        await archive.remove()
    }

    @Test func `a project whose last log was trimmed goes, too`() async throws {
        let archive = try ArchiveFixture { $0.storedBytesMax = 20_000 }
        let id = try await archive.log(#"{"project":"short"}"#)
        let project = try await archive.project(ofLog: id)
        for index in 0..<40 { _ = try await archive.log(Self.log(index)) }
        try await archive.ask("GET", "/projects/\(project)", status: 404)
        #expect(try await archive.ask("GET", "/projects")["total"]?.intValue == 2)
        await archive.remove()
    }

    @Test(
        "the file shrinks after much has gone, in steps, while it is in use",
        arguments: ["delete", "trim"])
    func shrinking(way: String) async throws {
        let first = try ArchiveFixture()
        let output = String(repeating: "x", count: 20_000)
        let ids = try await Self.ids(
            first.ask(
                "POST", "/logs",
                "["
                    + (0..<1000).map {
                        #"{"project":"p","reference_id":"r\#($0)","output":"\#(output)"}"#
                    }
                    .joined(separator: ",") + "]"))
        await first.close()
        let full = try first.fileSize()
        #expect(full > 20_000_000)
        let second = try ArchiveFixture(in: first.directory) {
            if way == "trim" { $0.storedBytesMax = 100_000 }
        }
        if way == "delete" {
            for part in 0..<10 {
                let query = ids[(part * 99)..<(part * 99 + 99)].map { "id=\($0)" }
                let target = "/logs?" + query.joined(separator: "&")
                #expect(await second.send("DELETE", target, "").status == 204)
            }
        }
        // Each request is a group, after which a step is made.
        for _ in 0..<2000 where try second.fileSize() > full / 2 {
            try await second.ask("PATCH", "/logs?reference_id=r999", "{}")
        }
        #expect(try second.fileSize() <= full / 2)
        await second.close()
        let file = try Connection(path: second.directory + "/archive.db", access: .query)
        #expect(try file.text("PRAGMA integrity_check") == "ok")
        await second.remove()
    }

    private static func ids(_ answer: JSONValue) throws -> [String] {
        try #require(answer.elements).map { try #require($0["id"]?.stringValue) }
    }

    @Test func `on a full disk nothing is stored, and questions are answered`() async throws {
        let first = try ArchiveFixture()
        let id = try await first.log(#"{"project":"p","reference_id":"r"}"#)
        await first.close()
        let full = try ArchiveFixture(in: first.directory) { $0.freeDiskBytesMin = .max - 1 }
        let refused = [
            ("POST", "/logs", #"{"project":"p"}"#), ("POST", "/sessions", ""),
            ("POST", "/feedback", #"{"type":"t","value":1,"data_id":"\#(id)"}"#),
            ("PATCH", "/logs/\(id)", #"{"output":"o"}"#),
        ]
        for (method, target, body) in refused {
            let answer = await full.send(method, target, body)
            #expect(answer.status == 503)
            #expect(answer.headers.contains { $0.0 == "Retry-After" && $0.1 == "10" })
            #expect(answer.text.contains("make room"))
        }
        try await full.ask("PATCH", "/logs?reference_id=r", "{}")
        try await full.ask("GET", "/logs/\(id)")
        #expect(full.archive.status.logs == 1)
        await full.remove()
    }

    @Test func `a body is read up to the door's limit and what the daemon adds`() {
        #expect(ArchiveSettings().bodyBytesMax >= Limits.bodyBytesMax + 1024)
    }
}

import SpoolCore
import SpoolSQLite
import SpoolServer
import Testing

@testable import SpoolArchive

/// `DELETE /logs`
struct ArchiveDeleteTests {
    /// The counters of every table against what the table holds.
    private static func checkBooks(_ archive: ArchiveFixture) throws {
        let file = try Connection(path: archive.directory + "/archive.db", access: .query)
        let status = archive.archive.status
        #expect(try file.integer("SELECT count(*) FROM log") == status.logs)
        #expect(try file.storedBytes == status.bytes)
        #expect(try file.integer("SELECT count(*) FROM listing") == status.logs)
        #expect(try file.integer("SELECT sum(logs) FROM project") == status.logs)
        let sums = [
            "SELECT sum(logs) FROM session", "SELECT sum(logs) FROM project_session",
            "SELECT count(*) FROM log WHERE session IS NOT NULL",
        ]
        #expect(Set(try sums.map { try file.integer($0) ?? 0 }).count == 1)
        #expect(
            try file.integer("SELECT coalesce(sum(sessions), 0) FROM project")
                == file.integer("SELECT count(*) FROM project_session"))
        #expect(try file.text("PRAGMA integrity_check") == "ok")
        #expect(try file.text("PRAGMA foreign_key_check") == nil)
    }

    @Test func `what is deleted is gone with its feedback and results, and nothing else`()
        async throws
    {
        let archive = try ArchiveFixture()
        var ids: [String] = []
        for index in 0..<4 {
            let id = try await archive.log(
                #"{"project":"p","reference_id":"r\#(index)","source_datapoint_id":"d"}"#)
            ids.append(id)
            try await archive.ask(
                "POST", "/feedback", #"{"type":"t","value":1,"data_id":"\#(id)"}"#)
            try await archive.ask(
                "POST", "/evaluations/e/result",
                #"{"log_id":"\#(id)","evaluator_id":"f","result":1}"#, status: 201)
        }
        let project = try await archive.project(ofLog: ids[0])
        let kept = try await archive.ask("GET", "/logs/\(ids[1])")
        let answer = await archive.send("DELETE", "/v4/logs?id=\(ids[0])&id=\(ids[2])", "")
        #expect(answer.status == 204)
        #expect(answer.body.isEmpty)
        #expect(answer.contentType == nil)
        for id in [ids[0], ids[2]] {
            try await archive.ask("GET", "/logs/\(id)", status: 404)
            try await archive.ask("PATCH", "/logs/\(id)", "{}", status: 404)
            #expect(
                try await archive.mistakes(
                    "/feedback", #"{"type":"t","value":1,"data_id":"\#(id)"}"#)
                    == ["body.data_id unknown_reference"])
        }
        try await archive.ask("PATCH", "/logs?reference_id=r0", "{}", status: 404)
        #expect(try await archive.ask("GET", "/logs/\(ids[1])") == kept)
        let list = try await archive.ask("GET", "/logs?project_id=\(project)")
        #expect(list["total"]?.intValue == 2)
        #expect(
            list["records"]?.elements?.compactMap { $0["id"]?.stringValue } == [ids[3], ids[1]])
        let counts = try await archive.ask("GET", "/projects/\(project)")
        #expect(counts["data_count"]?.intValue == 2)
        let file = try Connection(path: archive.directory + "/archive.db", access: .query)
        #expect(try file.integer("SELECT count(*) FROM feedback") == 2)
        #expect(try file.integer("SELECT count(*) FROM evaluation_result") == 2)
        try Self.checkBooks(archive)
        await archive.remove()
    }

    @Test func `without an id nothing is deleted`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p"}"#)
        for target in ["/logs", "/logs?", "/logs?ids=\(id)", "/logs?project_id=p"] {
            #expect(
                try await archive.mistakes(target, "", method: "DELETE") == ["query.id missing"])
        }
        #expect(archive.archive.status.logs == 1)
        await archive.remove()
    }

    @Test func `an id that is not here is named, and nothing is deleted`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p"}"#)
        for target in ["/logs?id=\(id)&id=data_x", "/logs?id=data_x&id=\(id)", "/logs?id=data_x"] {
            let answer = try await archive.ask("DELETE", target, status: 404)
            #expect(answer["detail"]?.stringValue?.contains("data_x") == true)
            #expect(answer["detail"]?.stringValue?.contains(id) == false)
        }
        try await archive.ask("DELETE", "/logs?id=", status: 404)
        try await archive.ask("GET", "/logs/\(id)")
        #expect(await archive.send("DELETE", "/logs?id=\(id)&id=\(id)", "").status == 204)
        try await archive.ask("DELETE", "/logs?id=\(id)", status: 404)
        await archive.remove()
    }

    @Test func `a session goes with its last log, a project stays`() async throws {
        let archive = try ArchiveFixture()
        let one = try await archive.log(#"{"project":"p","session_reference_id":"s"}"#)
        let two = try await archive.log(#"{"project":"q","session_reference_id":"s"}"#)
        let project = try await archive.project(ofLog: one)
        let session = try #require(
            try await archive.ask("GET", "/logs/\(one)")["session_id"]?.stringValue)
        #expect(await archive.send("DELETE", "/logs?id=\(one)", "").status == 204)
        let left = try await archive.ask("GET", "/sessions/\(session)")
        #expect(left["datapoints_count"]?.intValue == 1)
        #expect(left["projects"]?.elements?.map { $0["name"]?.stringValue } == ["q"])
        #expect(
            try await archive.ask("GET", "/sessions?project_id=\(project)")["total"]?.intValue == 0)
        #expect(await archive.send("DELETE", "/logs?id=\(two)", "").status == 204)
        try await archive.ask("GET", "/sessions/\(session)", status: 404)
        try await archive.ask("GET", "/projects/\(project)")
        let again = try await archive.ask(
            "POST", "/logs", #"{"project_id":"\#(project)","session_reference_id":"s"}"#)
        #expect(again["session_id"] != .string(session))
        try Self.checkBooks(archive)
        await archive.remove()
    }

    @Test func `children stay when their parent goes`() async throws {
        let archive = try ArchiveFixture()
        let parent = try await archive.log(#"{"project":"p","reference_id":"r"}"#)
        let child = try await archive.log(#"{"project":"p","parent_id":"\#(parent)"}"#)
        #expect(await archive.send("DELETE", "/logs?id=\(parent)", "").status == 204)
        try await archive.ask("GET", "/logs/\(child)")
        #expect(
            try await archive.mistakes("/logs", #"{"project":"p","parent_reference_id":"r"}"#)
                == ["body.parent_reference_id unknown_reference"])
        await archive.remove()
    }

    @Test func `on a full disk logs can be deleted`() async throws {
        let first = try ArchiveFixture()
        let id = try await first.log(#"{"project":"p"}"#)
        await first.close()
        let full = try ArchiveFixture(in: first.directory) { $0.freeDiskBytesMin = .max - 1 }
        #expect(await full.send("POST", "/projects", #"{"name":"q"}"#).status == 503)
        #expect(await full.send("DELETE", "/logs?id=\(id)", "").status == 204)
        #expect(full.archive.status.logs == 0)
        await full.remove()
    }

    @Test func `beside deleting, the bound on the whole holds and the newest log stays`()
        async throws
    {
        let archive = try ArchiveFixture { $0.storedBytesMax = 10_000 }
        let output = String(repeating: "x", count: 3000)
        var ids: [String] = []
        for index in 0..<6 {
            ids.append(
                try await archive.log(
                    #"{"project":"p","session_reference_id":"s\#(index % 2)","#
                        + #""output":"\#(output)"}"#
                ))
            if index % 2 == 1 {
                #expect(await archive.send("DELETE", "/logs?id=\(ids[index])", "").status == 204)
            }
        }
        #expect(archive.archive.status.bytes <= 10_000)
        try await archive.ask("GET", "/logs/\(ids[4])")
        try Self.checkBooks(archive)
        await archive.remove()
    }
}

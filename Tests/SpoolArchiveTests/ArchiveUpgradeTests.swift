import Foundation
import SpoolCore
import SpoolSQLite
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// A file of version 1 is brought up to date with everything it holds.
struct ArchiveUpgradeTests {
    /// A file as version 1 wrote it: logs of two projects and two sessions, the fourth log damaged,
    /// the second judged.
    private static func versionOne(logs count: Int) throws -> String {
        let directory = try TestFolder.make("archive")
        let file = try DurableFile.open(
            path: directory + "/archive.db", applicationID: ArchiveSchema.applicationID,
            migrations: Array(ArchiveSchema.migrations.prefix(1)))
        try file.execute(
            """
            BEGIN;
            INSERT INTO instance
                VALUES (1, 'arch_000000000000000000000', \(count), \(count * 500), 7);
            INSERT INTO project VALUES (1, 'pr_a', 'a', 1000, 0), (2, 'pr_b', 'b', 1000, 0),
                (3, 'pr_c', 'c', 9000, 0);
            INSERT INTO session VALUES (1, 'sesh_s', 's', 1500), (2, 'sesh_t', NULL, 1500),
                (3, 'sesh_u', NULL, 1700);
            """)
        let insert = try file.prepare(
            """
            INSERT INTO log (id, project, session, reference, is_saved, has_datapoint, received_at,
                updated_at, bytes, body) VALUES (?, ?, ?, ?, 1, ?, ?, ?, 500, ?)
            """)
        for index in 0..<count {
            insert.bind(1, "data_\(index)")
            insert.bind(2, Int64(index % 2 + 1))
            insert.bind(3, index % 3 == 0 ? 1 : index == 2 ? 2 : nil)
            insert.bind(4, "r\(index)")
            insert.bind(5, index == 1 ? 1 : 0)
            insert.bind(6, 2000 + Int64(index))
            insert.bind(7, 3000 + Int64(index))
            let time = index % 5 == 0 ? #","created_at":"1970-01-01T00:00:0\#(index % 10).5Z""# : ""
            let body =
                #"{"project":"\#(index % 2 == 0 ? "a" : "b")","source":"\#(index)","#
                + #""config":{"model":"m\#(index % 4)"}\#(time),"output":"o"}"#
            insert.bind(8, Array(index == 3 ? "{damaged".utf8 : body.utf8))
            try insert.run()
        }
        try file.execute(
            """
            UPDATE project SET logs = (SELECT count(*) FROM log WHERE project = project.number);
            INSERT INTO feedback
                VALUES (1, 'ann_1', 1, 4000, CAST('{"type":"t","value":1}' AS BLOB));
            INSERT INTO evaluation_result VALUES (1, 'evr_1', 2, 'ev', 'evfn', 4000,
                CAST('true' AS BLOB), NULL);
            COMMIT;
            """)
        return directory
    }

    @Test func `logs, feedback, results, sessions and projects are all there and listed`()
        async throws
    {
        let archive = try ArchiveFixture(in: try Self.versionOne(logs: 12))
        #expect(archive.archive.status.logs == 12)
        #expect(archive.archive.status.trimmed == 7)
        let names = 3 * (ArchiveSchema.projectOverheadBytes + 2)
        #expect(archive.archive.status.bytes == 12 * 500 + names, "names of projects count now")
        #expect(archive.archive.status.instanceID == "arch_000000000000000000000")
        let log = try await archive.ask("GET", "/logs/data_0")
        #expect(log["feedback"]?[0]?["value"] == .number("1"))
        let judged = try await archive.ask("GET", "/logs/data_1")
        #expect(judged["evaluation_results"]?[0]?["value"] == .bool(true))

        // By its own time where it has one, by that of its arrival elsewhere.
        let time = try await archive.sources("/logs?project_id=pr_a&sort=timestamp.asc")
        #expect(time.sources == ["0", "10", "2", "4", "6", "8"])
        #expect(time.total == 6)
        let model = try await archive.sources("/logs?project_id=pr_a&sort=model.asc")
        #expect(model.sources == ["8", "4", "0", "6", "2", "10"])
        #expect(try await archive.sources("/logs?project_id=pr_a&model_filter=m2").total == 3)
        let session = try await archive.ask("GET", "/sessions/sesh_s")
        #expect(session["datapoints_count"] == .number("4"))
        #expect(session["projects"]?.elements?.count == 2)
        #expect(session["updated_at"] == .string("1970-01-01T00:00:03.009+00:00"))
        #expect(
            try await archive.ask("GET", "/sessions/sesh_u")["updated_at"]
                == .string("1970-01-01T00:00:01.700+00:00"))
        let sessions = try await archive.ask("GET", "/sessions?project_id=pr_a")
        #expect(
            sessions["records"]?.elements?.map { $0["id"]?.stringValue } == ["sesh_t", "sesh_s"])
        #expect(sessions["total"]?.intValue == 2)
        let projects = try await archive.ask("GET", "/projects?sort_by=name&order=asc")
        #expect(
            projects["records"]?.elements?.map { $0["data_count"]?.intValue } == [6, 6, 0])
        #expect(
            projects["records"]?[1]?["updated_at"] == .string("1970-01-01T00:00:02.011+00:00"))
        #expect(
            projects["records"]?[2]?["updated_at"] == .string("1970-01-01T00:00:09.000+00:00"))
        await archive.remove()
    }

    @Test func `a damaged log keeps its place in the list and is found out when asked for`()
        async throws
    {
        let archive = try ArchiveFixture(in: try Self.versionOne(logs: 6))
        try await archive.ask("GET", "/logs/data_3", status: 500)
        try await archive.ask("GET", "/logs?project_id=pr_b", status: 500)
        let found = try await archive.sources("/logs?project_id=pr_b&search=o")
        #expect(found.sources == ["5", "1"])
        #expect(try await archive.sources("/logs?project_id=pr_b&size=1&page=0").total == 3)
        await archive.remove()
    }

    @Test func `the file goes on working: new logs, deletes and the next opening`() async throws {
        let directory = try Self.versionOne(logs: 12)
        let first = try ArchiveFixture(in: directory)
        _ = try await first.log(#"{"project":"a","session_id":"sesh_s","source":"new"}"#)
        #expect(await first.send("DELETE", "/logs?id=data_0&id=data_2", "").status == 204)
        #expect(try await first.sources("/logs?project_id=pr_a").sources.first == "new")
        await first.close()
        let second = try ArchiveFixture(in: directory)
        #expect(try await second.sources("/logs?project_id=pr_a").total == 5)
        try await second.ask("GET", "/sessions/sesh_t", status: 404)
        let file = try Connection(path: directory + "/archive.db", access: .query)
        #expect(try file.integer("SELECT count(*) FROM listing") == 11)
        #expect(try file.integer("SELECT sum(logs) FROM project_session") == 4)
        #expect(try file.text("PRAGMA foreign_key_check") == nil)
        await second.remove()
    }

    @Test func `an upgrade that a crash cut short is finished by the next start`() async throws {
        let directory = try Self.versionOne(logs: 1200)
        do {
            // The schema is new, and the lists are filled in only so far.
            let file = try DurableFile.open(
                path: directory + "/archive.db", applicationID: ArchiveSchema.applicationID,
                migrations: ArchiveSchema.migrations)
            try file.execute(
                "INSERT INTO listing SELECT number, project, received_at, 'early', NULL FROM log "
                    + "WHERE number <= 500")
        }
        let archive = try ArchiveFixture(in: directory)
        #expect(try await archive.sources("/logs?project_id=pr_a&size=1").total == 600)
        let file = try Connection(path: directory + "/archive.db", access: .query)
        #expect(try file.integer("SELECT count(*) FROM listing") == 1200)
        #expect(try file.integer("SELECT count(*) FROM listing WHERE source = 'early'") == 500)
        #expect(try file.integer("SELECT count(*) FROM listing WHERE source = '1199'") == 1)
        await archive.remove()
    }

    @Test func `version 1 is never edited`() {
        // FNV-1a, 64 bits, of the text: a released step that changes would never reach old files.
        let digest = ArchiveSchema.migrations[0].sql.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        #expect(digest == 17_717_793_055_583_748_948)
    }
}

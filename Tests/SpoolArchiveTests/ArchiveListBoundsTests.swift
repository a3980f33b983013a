import Foundation
import SpoolCore
import SpoolSQLite
import SpoolServer
import Synchronization
import Testing

@testable import SpoolArchive

/// What a list may take: memory, time, and turns of others.
struct ArchiveListBoundsTests {
    private static func fill(
        _ archive: ArchiveFixture, _ count: Int, _ member: String = #""output":"o""#
    ) async throws -> String {
        let logs = (0..<count).map { #"{"project":"p","source":"\#($0)",\#(member)}"# }
        let answer = try await archive.ask("POST", "/logs", "[\(logs.joined(separator: ","))]")
        return "/logs?project_id=" + (answer[0]?["project_id"]?.stringValue ?? "")
    }

    @Test func `a search of too many bytes is refused and asks for a shorter time`() async throws {
        let archive = try ArchiveFixture { $0.searchedBytesMax = 50_000 }
        let target = try await Self.fill(archive, 100)
        for query in ["search=zzz", "metadata_search=z", "sort=feedback.asc"] {
            let answer = await archive.send("GET", "\(target)&\(query)", "")
            #expect(answer.status == 422)
            #expect(answer.text.contains("start_date"))
            #expect(answer.text.contains(#""loc":["query"]"#))
        }
        #expect(try await archive.sources("\(target)&search=o&start_date=2100-01-01").total == 0)
        #expect(try await archive.sources(target).total == 100)
        await archive.remove()
    }

    @Test func `a sorted page too far behind is refused, and by time it never is`() async throws {
        let archive = try ArchiveFixture { $0.sortedBytesMax = 5000 }
        let target = try await Self.fill(archive, 100)
        let sorted = (0..<100).map(String.init).sorted()
        for page in 0..<2 {
            let first = try await archive.sources("\(target)&sort=source.asc&size=10&page=\(page)")
            #expect(first.sources == Array(sorted[(page * 10)...].prefix(10)))
            #expect(first.total == 100)
        }
        for query in ["size=50", "size=10&page=5"] {
            #expect(
                try await archive.mistakes("\(target)&sort=source.asc&\(query)", "", method: "GET")
                    == ["query value_error"])
        }
        #expect(try await archive.sources("\(target)&sort=timestamp.asc&page=1").total == 100)
        let one = try await archive.sources("\(target)&sort=source.asc&source_filter=7")
        #expect(one.sources == ["7"])
        await archive.remove()
    }

    @Test func `a sorted list of many logs keeps only what its page needs`() async throws {
        // A quarter of what all of them would take.
        let archive = try ArchiveFixture { $0.sortedBytesMax = 300_000 }
        let target = try await Self.fill(archive, 12_000, #""metadata":{}"#)
        let sorted = (0..<12_000).map(String.init).sorted()
        for (page, size) in [(0, 5), (0, 1000), (37, 7)] {
            let found = try await archive.sources(
                "\(target)&sort=source.desc&size=\(size)&page=\(page)")
            #expect(found.sources == Array(sorted.reversed()[(page * size)...].prefix(size)))
            #expect(found.total == 12_000)
        }
        await archive.remove()
    }

    @Test func `a list of more logs than one step walks is whole`() async throws {
        let archive = try ArchiveFixture()
        let target = try await Self.fill(archive, 12_000, #""metadata":{}"#)
        let last = try await archive.sources("\(target)&size=1000&page=11")
        #expect(last.sources.first == "999")
        #expect(last.sources.last == "0")
        #expect(last.total == 12_000)
        #expect(try await archive.sources("\(target)&start_date=2000-01-01&size=1").total == 12_000)
        await archive.remove()
    }

    @Test func `a log that goes while its list is walked is left out`() async throws {
        let archive = try ArchiveFixture()
        let target = try await Self.fill(archive, 10)
        let project = String(target.dropFirst("/logs?project_id=".count))
        await archive.close()
        let path = archive.directory + "/archive.db"
        let reader = try ArchiveReader(path: path)
        var mistakes = Mistakes()
        let query = LogQuery(ArchiveQuery("project_id=\(project)&sort=source.asc"), &mistakes)
        let walk = LogWalk(query, settings: ArchiveSettings())
        #expect(try walk.step(reader) == nil, "found and sorted")
        let writer = try Connection(path: path)
        try writer.execute("PRAGMA foreign_keys = ON; DELETE FROM log WHERE number IN (3, 10)")
        let answer = try #require(try walk.step(reader))
        let records = try JSONValue(parsing: answer.body)["records"]?.elements ?? []
        #expect(
            records.map { $0["source"]?.stringValue } == ["0", "1", "3", "4", "5", "6", "7", "8"])
        await archive.remove()
    }

    @Test func `while a long list walks, questions come in between and logs are stored`()
        async throws
    {
        let fixture = try ArchiveFixture()
        let target = try await Self.fill(fixture, 300)
        await fixture.close()
        let path = fixture.directory + "/archive.db"
        let committer = try GroupCommitter<ArchiveStore>(name: "writer-test", report: { _ in }) {
            try ArchiveStore(
                path: path, storedBytesMax: .max, random: SystemRandomNumberGenerator(),
                publish: { _ in })
        }
        let reader = try GroupCommitter<ArchiveReader>(name: "reader-test", report: { _ in }) {
            try ArchiveReader(path: path)
        }
        var settings = ArchiveSettings()
        // Every log is a step of its own.
        settings.stepBytesMax = 1
        let api = ArchiveAPI(
            committer: committer, reader: reader, teamID: "tm_1", settings: settings,
            turns: WalkTurns(walkingMax: 1), freeDiskBytes: { .max }, now: TestClock().now,
            record: nil, report: { _ in })
        let order = AsyncStream<String>.makeStream()
        let ask = { (name: String, method: String, target: String) in
            let parts = target.split(separator: "?").map(String.init)
            let request = HTTPRequest(
                method: method, path: parts[0], query: parts.count > 1 ? parts[1] : nil, peer: .tcp)
            api.answer(request) { answer in
                #expect(answer.status < 300, "\(answer.text)")
                order.continuation.yield(name)
            }
        }
        let isHeld = Gate()
        let hold = Gate()
        reader.submit { _ in
            isHeld.open()
            hold.wait()
            return {}
        } orElse: { _ in
        }
        isHeld.wait()
        ask("list", "GET", target + "&search=zzz")
        ask("question", "GET", "/projects")
        ask("session", "POST", "/sessions")
        var names: [String] = []
        for await name in order.stream {
            names.append(name)
            // The reader's thread stands still until the writer has answered.
            if name == "session" { hold.open() }
            if names.count == 3 { break }
        }
        #expect(names == ["session", "question", "list"])
        await withCheckedContinuation { done in reader.stop { done.resume() } }
        await withCheckedContinuation { done in committer.stop { done.resume() } }
        try FileManager.default.removeItem(atPath: fixture.directory)
    }

    @Test func `a question's connection cannot write, nor checkpoint when it closes`() async throws
    {
        let archive = try ArchiveFixture()
        _ = try await archive.log(#"{"project":"p"}"#)
        await archive.close()
        let path = archive.directory + "/archive.db"
        let writer = try Connection(path: path)
        try writer.execute("PRAGMA wal_autocheckpoint = 0; UPDATE project SET updated_at = 7")
        let log = try archive.fileBytes()
        do {
            let reader = try ArchiveReader(path: path)
            #expect(try reader.storedLog(1) != nil)
            #expect(throws: SQLiteError.self) { try reader.connection.execute("DELETE FROM log") }
            #expect(throws: SQLiteError.self) {
                try reader.connection.execute("PRAGMA wal_checkpoint(TRUNCATE); VACUUM")
            }
        }
        #expect(try archive.fileBytes() == log)
        await archive.remove()
    }

    @Test(arguments: [("search=zzz", 300), ("sort=source.asc", 6), ("search=o&size=1000", 600)])
    func `no step of a list reads or writes much`(query: String, stepsMin: Int) async throws {
        let archive = try ArchiveFixture()
        let target = try await Self.fill(archive, 300)
        let reader = try ArchiveReader(path: archive.directory + "/archive.db")
        var settings = ArchiveSettings()
        // A look at a log, a few of the rows, or one record.
        settings.stepBytesMax = query.hasPrefix("sort") ? 100 : 1
        var mistakes = Mistakes()
        let parts = target.split(separator: "?")
        let query = LogQuery(ArchiveQuery("\(parts[1])&\(query)"), &mistakes)
        let walk = LogWalk(query, settings: settings)
        var steps = 1
        while try walk.step(reader) == nil { steps += 1 }
        #expect(steps >= stepsMin)
        await archive.remove()
    }

    @Test func `lists beyond the turns wait and are all answered`() async throws {
        let archive = try ArchiveFixture {
            $0.walkingMax = 2
            $0.stepBytesMax = 1
        }
        let target = try await Self.fill(archive, 40)
        try await withThrowingTaskGroup(of: Int?.self) { group in
            for index in 0..<30 {
                group.addTask {
                    try await archive.sources("\(target)&search=o&source_filter=\(index)").total
                }
            }
            for try await total in group { #expect(total == 1) }
        }
        await archive.remove()
    }

    @Test func `turns go to those who wait, in order, and never to too many`() {
        let turns = WalkTurns(walkingMax: 2)
        let started = Mutex<[Int]>([])
        for index in 0..<5 { turns.take { started.withLock { $0.append(index) } } }
        #expect(started.withLock { $0 } == [0, 1])
        turns.give()
        #expect(started.withLock { $0 } == [0, 1, 2])
        turns.give()
        turns.give()
        turns.give()
        turns.give()
        #expect(started.withLock { $0 } == [0, 1, 2, 3, 4])
        turns.take { started.withLock { $0.append(5) } }
        turns.take { started.withLock { $0.append(6) } }
        #expect(started.withLock { $0 }.suffix(2) == [5, 6])
    }

    @Test func `lists and questions after closing are answered 503, also those that wait`()
        async throws
    {
        let archive = try ArchiveFixture { $0.walkingMax = 1 }
        let target = try await Self.fill(archive, 5)
        await archive.close()
        for path in [target, target, "/projects", "/sessions/sesh_x", "/logs/data_x"] {
            let answer = await archive.send("GET", path, "")
            #expect(answer.status == 503)
            #expect(answer.headers.contains { $0.0 == "Retry-After" })
        }
        await archive.remove()
    }

    // MARK: Ways through the file

    @Test func `no list, count or removal looks through all logs`() async throws {
        let archive = try ArchiveFixture()
        await archive.close()
        let file = try Connection(path: archive.directory + "/archive.db", access: .query)
        func plan(_ sql: String) throws -> String {
            let query = try file.prepare("EXPLAIN QUERY PLAN " + sql)
            var lines: [String] = []
            while try query.step() { lines.append(query.text(3)) }
            return lines.joined(separator: "; ")
        }
        for isOldestFirst in [false, true] {
            for wantsTexts in [false, true] {
                let stretch = ListingStretch(
                    project: 1, session: nil, from: nil, through: nil,
                    isOldestFirst: isOldestFirst, wantsTexts: wantsTexts)
                let plan = try plan(stretch.sql)
                let index = wantsTexts ? "INDEX" : "COVERING INDEX"
                #expect(
                    plan.hasPrefix("SEARCH listing USING \(index) listing_by_time (project=?"),
                    "\(plan)")
                #expect(plan.contains("created_at"), "\(plan)")
                #expect(!plan.contains("TEMP B-TREE"), "\(plan)")
            }
        }
        let stretch = ListingStretch(
            project: 1, session: 1, from: nil, through: nil, isOldestFirst: false, wantsTexts: true)
        let session = try plan(stretch.sqlOfSession)
        #expect(session.contains("SEARCH log USING COVERING INDEX log_by_session"), "\(session)")
        #expect(session.contains("SEARCH listing USING INTEGER PRIMARY KEY"), "\(session)")
        #expect(!session.contains("TEMP B-TREE"), "\(session)")
        for sql in [
            "DELETE FROM log WHERE number = 1", "DELETE FROM session WHERE number = 1 AND logs = 0",
            "SELECT number FROM session WHERE logs = 0 AND number < 5 LIMIT 2",
            "SELECT body FROM feedback WHERE log = 1 ORDER BY number DESC LIMIT 1000",
            "SELECT session FROM project_session WHERE project = 1 AND session < 2 "
                + "ORDER BY session DESC LIMIT 1 OFFSET 3",
            "SELECT output, body FROM log WHERE session = 1 ORDER BY number DESC LIMIT 1",
        ] {
            let plan = try plan(sql)
            #expect(!plan.contains("SCAN"), "\(sql): \(plan)")
            #expect(!plan.contains("TEMP B-TREE"), "\(sql): \(plan)")
        }
        let export = try plan(ArchiveDatabase.exportSQL)
        #expect(!export.contains("SCAN"), "\(export)")
        #expect(export.contains("INDEX log_by_reference (reference=? AND number>? AND number<?)"))
        await archive.remove()
    }
}

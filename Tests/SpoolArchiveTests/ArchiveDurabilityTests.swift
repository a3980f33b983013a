import Foundation
import SpoolCore
import SpoolSQLite
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@testable import SpoolArchive

/// What was answered stays, whoever opens the file next.
struct ArchiveDurabilityTests {
    @Test func `everything is there after closing and opening again`() async throws {
        let first = try ArchiveFixture()
        let id = try await first.log(
            #"{"project":"p","reference_id":"r","session_reference_id":"s","output":"o"}"#)
        try await first.ask("POST", "/feedback", #"{"type":"t","value":"v","data_id":"\#(id)"}"#)
        try await first.ask("PATCH", "/logs/\(id)", #"{"output":"n"}"#)
        let log = try await first.ask("GET", "/logs/\(id)")
        let status = first.archive.status
        await first.close()

        let second = try ArchiveFixture(in: first.directory)
        #expect(second.archive.status == status)
        #expect(status.instanceID.wholeMatch(of: /arch_[0-9A-Za-z]{21}/) != nil)
        #expect(try await second.ask("GET", "/logs/\(id)") == log)
        let later = try await second.ask(
            "POST", "/logs", #"{"project":"p","session_reference_id":"s"}"#)
        #expect(later["project_id"] == log["project_id"])
        #expect(later["session_id"] == log["session_id"])
        await second.remove()
    }

    @Test func `what was answered is in the file before it is closed`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p"}"#)
        let reader = try Connection(path: archive.directory + "/archive.db", access: .query)
        #expect(try reader.text("SELECT id FROM log") == id)
        #expect(try reader.integer("SELECT logs FROM instance") == 1)
        await archive.remove()
    }

    @Test func `two archives never have the same name`() async throws {
        let one = try ArchiveFixture()
        let other = try ArchiveFixture()
        #expect(one.archive.status.instanceID != other.archive.status.instanceID)
        await one.remove()
        await other.remove()
    }

    @Test func `a file of a newer program is refused and left alone`() async throws {
        let archive = try ArchiveFixture()
        await archive.close()
        let path = archive.directory + "/archive.db"
        let raise = { (version: Int) in
            try Connection(path: path).execute("PRAGMA user_version = \(version)")
        }
        let version = ArchiveSchema.migrations.count
        try raise(99)
        do {
            _ = try ArchiveFixture(in: archive.directory)
            Issue.record("a newer file was opened")
        } catch let error as DurableFileError {
            #expect("\(error)".contains(path))
            #expect("\(error)".contains("version 99"))
        }
        try raise(version)
        await (try ArchiveFixture(in: archive.directory)).remove()
    }

    @Test func `a file of another program is refused`() async throws {
        let directory = try TestFolder.make("archive")
        try Connection(path: directory + "/archive.db").execute(
            "CREATE TABLE t (a); PRAGMA application_id = 7; PRAGMA user_version = 1")
        #expect(throws: DurableFileError.self) { try ArchiveFixture(in: directory) }
        try FileManager.default.removeItem(atPath: directory)
    }

    @Test func `an archive that is open is refused with its holder's pid`() async throws {
        let archive = try ArchiveFixture()
        do {
            _ = try ArchiveFixture(in: archive.directory)
            Issue.record("the archive was opened twice")
        } catch let error as ArchiveError {
            #expect("\(error)".contains("pid"))
            #expect("\(error)".contains(archive.directory))
        }
        try await archive.ask("POST", "/sessions", status: 201)
        await archive.remove()
    }

    @Test func `a directory that cannot be made is refused with its path`() throws {
        #expect {
            _ = try ArchiveFixture(in: "/proc/no/such")
        } throws: {
            "\($0)".contains("/proc/no/such")
        }
    }

    @Test func `after closing requests are answered 503 with Retry-After`() async throws {
        let archive = try ArchiveFixture()
        await archive.close()
        let answer = await archive.send("POST", "/logs", #"{"project":"p"}"#)
        #expect(answer.status == 503)
        #expect(answer.headers.contains { $0.0 == "Retry-After" })
        await archive.remove()
    }

    @Test func `requests that come while a commit runs share the next one`() async throws {
        let directory = try TestFolder.make("archive")
        let commits = Mutex(0)
        let committer = try GroupCommitter<ArchiveStore>(name: "archive-test", report: { _ in }) {
            try ArchiveStore(
                path: directory + "/archive.db", storedBytesMax: .max,
                random: SystemRandomNumberGenerator(),
                publish: { _ in commits.withLock { $0 += 1 } })
        }
        let reader = try GroupCommitter<ArchiveReader>(name: "reader-test", report: { _ in }) {
            try ArchiveReader(path: directory + "/archive.db")
        }
        let api = ArchiveAPI(
            committer: committer, reader: reader, teamID: "tm_1", settings: ArchiveSettings(),
            turns: WalkTurns(walkingMax: 1), freeDiskBytes: { .max }, now: TestClock().now,
            record: nil, report: { _ in })
        let answers = AsyncStream<HTTPAnswer>.makeStream()
        let isHeld = Gate()
        let hold = Gate()
        committer.submit { _ in
            isHeld.open()
            hold.wait()
            return {}
        } orElse: { _ in
        }
        isHeld.wait()
        for index in 0..<100 {
            api.answer(.log(#"{"project":"p","source":"\#(index)"}"#)) {
                answers.continuation.yield($0)
            }
        }
        hold.open()
        var ids: Set<String> = []
        for await answer in answers.stream.prefix(100) {
            ids.insert(try #require(JSONValue(parsing: answer.body)["id"]?.stringValue))
        }
        #expect(ids.count == 100)
        #expect(commits.withLock { $0 } == 2, "one when opened, one for all requests")
        await withCheckedContinuation { done in reader.stop { done.resume() } }
        await withCheckedContinuation { done in committer.stop { done.resume() } }
        try FileManager.default.removeItem(atPath: directory)
    }
}

import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// Files as crashes, copies and mistakes leave them.
@Suite("The files of a spool")
struct DiskFileTests {
    /// The files of a spool that died: database and log, no `-shm`.
    private func deadSpool() async throws -> (directory: String, acked: Int) {
        let (directory, ends) = try await spoolByCommit()
        return (directory, ends.count * 2)
    }

    /// The same, and where in the log each commit ends: each took two events, the first 1 and 2.
    private func spoolByCommit() async throws -> (directory: String, ends: [UInt64]) {
        let spool = try DiskSpool()
        var ends: [UInt64] = []
        for _ in 0..<6 {
            await spool.append(2)
            let log = try #require(FileHandle(forReadingAtPath: spool.directory + "/spool.db-wal"))
            ends.append(try log.seekToEnd())
        }
        let image = try TestFolder.make("disk")
        spool.disk.crash(into: image, leaving: .nothing, seed: 1)
        await spool.stop()
        return (image, ends)
    }

    private func open(_ directory: String) throws -> SpoolStore {
        try SpoolStore(
            path: directory + "/spool.db", destination: "http://upstream",
            settings: QueueSettings(freeDiskBytesMin: 0),
            clock: { Timestamp(milliseconds: 1_800_000_000_000) })
    }

    @Test("without -shm everything is there: it is only an index of the log")
    func missingIndex() async throws {
        let (directory, acked) = try await deadSpool()
        #expect(!FileManager.default.fileExists(atPath: directory + "/spool.db-shm"))
        let store = try open(directory)
        #expect(store.ledger.held == Int64(acked))
    }

    @Test("a log that was cut off opens with the whole commits before the cut, and no more")
    func truncatedLog() async throws {
        let (directory, ends) = try await spoolByCommit()
        let files = try ["", "-wal"].map {
            try Data(contentsOf: URL(filePath: directory + "/spool.db" + $0))
        }
        for length in [ends[0] / 5, ends[0] / 2] + ends.flatMap({ [$0 - 1, $0] }) {
            let copy = try TestFolder.make("disk")
            try files[0].write(to: URL(filePath: copy + "/spool.db"))
            try files[1].prefix(Int(length)).write(to: URL(filePath: copy + "/spool.db-wal"))
            try expect(ends.count { $0 <= length }, in: copy, "cut at \(length) of \(ends)")
        }
    }

    /// The spool holds the events of the first commits, and no others.
    private func expect(_ commits: Int, in directory: String, _ place: String) throws {
        let store = try open(directory)
        #expect(try store.connection.text("PRAGMA integrity_check") == "ok", "\(place)")
        let held = Int64(commits * 2)
        #expect(store.ledger.held == held && store.ledger.accepted == held, "\(place)")
        let found = try SalvageSpool.sequences("event", store.connection)
        #expect(found == Set(1..<(held + 1)), "\(place)")
    }

    @Test("a log of another time, whose salt does not match, is not read")
    func foreignLog() async throws {
        let (directory, ends) = try await spoolByCommit()
        let log = directory + "/spool.db-wal"
        var bytes = try Data(contentsOf: URL(filePath: log))
        // The salt in the second half of the frames' headers (sqlite.org/fileformat2.html, section 4.1).
        let frame = 24 + 8192
        let count = (bytes.count - 32) / frame
        // From the last frame of the fourth commit on.
        let first = (Int(ends[3]) - 32) / frame - 1
        for number in first..<count { bytes[32 + number * frame + 8] ^= 0xff }
        try bytes.write(to: URL(filePath: log))
        try expect(3, in: directory, "of another time from frame \(first) of \(count)")
    }

    @Test(
        "a newer spool is refused with both versions and what to do, and is left alone",
        arguments: ["", "CREATE INDEX later ON event (attempts)", "CREATE TABLE later (a)"])
    func newer(change: String) async throws {
        let (directory, _) = try await deadSpool()
        try Connection(path: directory + "/spool.db").execute(
            "\(change); PRAGMA user_version = 4")
        let before = try Data(contentsOf: URL(filePath: directory + "/spool.db"))
        let opening = SalvageOpening(directory)
        let error = try #require(throws: DurableFileError.self) { try opening.opening.open() }
        #expect("\(error)".contains("version 4"))
        #expect("\(error)".contains("Install the newer loopspool"))
        let asked = try #require(throws: DurableFileError.self) {
            try SpoolDoctor.examine(directory: directory)
        }
        #expect("\(asked)" == "\(error)")
        #expect(opening.reports.isEmpty)
        #expect(try Data(contentsOf: URL(filePath: directory + "/spool.db")) == before)
        #expect(try names(directory).allSatisfy { !$0.contains("corrupt") })
    }

    private func names(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    @Test(
        "a log without its database is never erased: it is kept, and gives back what it has",
        arguments: [false, true])
    func orphanedLog(isEmpty: Bool) async throws {
        let (directory, acked) = try await deadSpool()
        let path = directory + "/spool.db"
        let log = try Data(contentsOf: URL(filePath: path + "-wal"))
        try FileManager.default.removeItem(atPath: path)
        if isEmpty { try Data().write(to: URL(filePath: path)) }
        let report = try SpoolDoctor.examine(directory: directory)
        #expect(report.isDamaged && report.findings.map(\.check) == ["log"])
        #expect(try Data(contentsOf: URL(filePath: path + "-wal")) == log)

        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        #expect(opening.reports.count == 1)
        #expect(opening.reports.first?.contains("missing or empty") == true)
        let kept = try #require(try names(directory).first { $0.hasSuffix("Z-wal") })
        #expect(try Data(contentsOf: URL(filePath: directory + "/" + kept)) == log)
        #expect(store.ledger.held == Int64(acked), "\(opening.reports)")
    }

    @Test("another spool's log is set aside alone, and the database serves with what it holds")
    func strangersLog() async throws {
        let sample = try SalvageSpool.sample.get()
        let directory = try sample.copy { _ in }
        let (other, _) = try await deadSpool()
        let log = try Data(contentsOf: URL(filePath: other + "/spool.db-wal"))
        try log.write(to: URL(filePath: directory + "/spool.db-wal"))
        let report = try SpoolDoctor.examine(directory: directory)
        #expect(report.findings.map(\.words).first?.contains("of another spool") == true)

        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        #expect(try SalvageSpool.sequences("event", store.connection) == sample.events)
        #expect(store.ledger.accepted == sample.accepted && store.ledger.discarded == 0)
        let kept = "spool.db-wal.foreign-20270115T080000Z"
        #expect(opening.reports.count == 1 && opening.reports[0].contains(kept))
        #expect(try Data(contentsOf: URL(filePath: directory + "/" + kept)) == log)
        #expect(try names(directory).allSatisfy { !$0.hasPrefix("spool.db.corrupt") })
    }

    @Test("its own log is believed, whatever the path is called")
    func ownLog() async throws {
        let (directory, acked) = try await deadSpool()
        let odd = directory + "/100%25?immutable=0#a b"
        try FileManager.default.createDirectory(atPath: odd, withIntermediateDirectories: false)
        for ending in ["", "-wal"] {
            try FileManager.default.copyItem(
                atPath: directory + "/spool.db" + ending, toPath: odd + "/spool.db" + ending)
        }
        let alone = try Connection(path: odd + "/spool.db", access: .alone)
        #expect((try? alone.integer("SELECT count(*) FROM event")) != Int64(acked))
        let opening = SalvageOpening(odd)
        #expect(try opening.opening.open().ledger.held == Int64(acked))
        #expect(opening.reports.isEmpty)
    }

    @Test("files that others may read are made private at the opening")
    func privacy() async throws {
        let (directory, _) = try await deadSpool()
        for ending in ["", "-wal"] { chmod(directory + "/spool.db" + ending, 0o644) }
        try EventQueue.createPrivately(directory + "/spool.db")
        for ending in ["", "-wal"] {
            var facts = stat()
            #expect(stat(directory + "/spool.db" + ending, &facts) == 0)
            #expect(facts.st_mode & 0o777 == 0o600)
        }
    }

    @Test("a database of another program is refused and left alone")
    func foreign() throws {
        let directory = try TestFolder.make("disk")
        try Connection(path: directory + "/spool.db").execute(
            "PRAGMA application_id = 7; CREATE TABLE a (x)")
        let error = try #require(throws: DurableFileError.self) { try open(directory) }
        #expect("\(error)".contains("another program"))
    }
}

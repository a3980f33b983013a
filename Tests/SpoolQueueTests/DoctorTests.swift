import Foundation
import SpoolCore
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// What an examination sees, beside an open spool and in a file that nobody has open.
@Suite("The doctor")
struct DoctorTests {
    private func spool() throws -> TestSpool {
        let spool = try TestSpool()
        try spool.append(.log("a"), .log("b", parent: "a"), .update("a"), .log())
        let lease = try #require(try spool.lease(LeaseWish(eventsMax: 1, linger: .zero)))
        try spool.deliver(lease)
        _ = try spool.lease(LeaseWish(eventsMax: 2, linger: .zero))
        return spool
    }

    @Test("finds nothing in a spool at work, beside its writer")
    func sound() throws {
        let spool = try spool()
        let report = try SpoolDoctor.examine(directory: spool.directory)
        #expect(report.findings.isEmpty, "\(report.findings)")
        #expect(report.events == 3 && report.leases == 1)
        #expect(report.databaseBytes > 0)
        try spool.append(.log("after"))
    }

    @Test(
        "names each kind of contradiction",
        arguments: [
            ("ledger", "UPDATE ledger SET held = held + 1, accepted = accepted + 1"),
            ("ledger", "UPDATE ledger SET payload_bytes = payload_bytes + 1"),
            ("ledger", "INSERT INTO counter VALUES ('discarded.deleted', 7)"),
            ("schema", "DROP INDEX event_wait"),
            (
                "schema",
                "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END"
            ),
            ("leases", "UPDATE lease SET operation = 32"),
            ("lanes", "UPDATE lane SET payload_bytes = payload_bytes + 1 WHERE id = 1"),
            (
                "lanes",
                "UPDATE event SET lane = (SELECT lane FROM event WHERE kind = 2) WHERE kind = 1"
            ),
            ("sequences", "UPDATE spool SET next_sequence = 2"),
            ("leases", "UPDATE lease SET events = x'FF00000000000000'"),
            (
                "leases",
                "INSERT INTO lease SELECT id + 1, destination, operation, state, events FROM lease"
            ),
            ("causes", "UPDATE event SET causes = x'0900000000000000FF' WHERE causes IS NOT NULL"),
            ("bodies", "UPDATE event SET body = zeroblob(length(body)) WHERE kind = 2"),
            ("ids", "UPDATE identity SET count = count + 1"),
            ("references", "PRAGMA foreign_keys = OFF; UPDATE lane SET project = 77 WHERE id = 1"),
        ])
    func contradictions(check: String, change: String) throws {
        let spool = try spool()
        try spool.store.connection.execute(change)
        let report = try SpoolDoctor.examine(directory: spool.directory)
        let found = report.findings.filter { $0.severity == .damage }
        #expect(found.contains { $0.check == check }, "\(report.findings)")
        #expect(found.allSatisfy { !$0.advice.isEmpty && !$0.words.isEmpty })

        // What it promises: the next opening mends it, and nothing is found any more.
        try spool.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let copy = try TestFolder.make("disk")
        try FileManager.default.copyItem(
            atPath: spool.directory + "/spool.db", toPath: copy + "/spool.db")
        let opening = SalvageOpening(copy)
        let store = try opening.opening.open()
        #expect(opening.reports.count == 1, "\(opening.reports)")
        let after = try SpoolDoctor.examine(path: store.connection.path)
        #expect(!after.isDamaged, "\(after.findings)")
    }

    @Test("tells of a file that is empty, and leaves no mark: the next start begins anew in it")
    func empty() throws {
        let directory = try TestFolder.make("disk")
        #expect(FileManager.default.createFile(atPath: directory + "/spool.db", contents: nil))
        let report = try SpoolDoctor.examine(directory: directory)
        #expect(report.findings.map(\.check) == ["file"])
        #expect(!report.isDamaged && !report.isMeasured)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["spool.db"])
        let opening = SalvageOpening(directory)
        _ = try opening.opening.open()
        #expect(opening.reports.isEmpty, "\(opening.reports)")
    }

    @Test("a lane that says less than its events weigh is damage when they leave, not the end")
    func lightLane() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"))
        try spool.store.connection.execute("UPDATE lane SET payload_bytes = 1")
        try spool.crash()
        let lease = try #require(try spool.lease())
        #expect {
            try spool.deliver(lease)
        } throws: { error in
            if case QueueError.damaged = error { true } else { false }
        }
    }

    @Test("an event that waits for nothing is told from those that wait for a project")
    func waits() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"), .log("b"), .log("c"))
        try spool.store.connection.execute(
            """
            UPDATE event SET hold = 1, waits_on = 77 WHERE sequence = 2;
            UPDATE event SET flags = flags | 2 WHERE sequence = 3
            """)
        let found = try SpoolDoctor.examine(directory: spool.directory).findings
        #expect(found.map(\.check) == ["waits"] && found[0].words.hasPrefix("1 events"))
    }

    @Test("leaves a mark by which the next opening reads a large spool through, and mends it")
    func mark() throws {
        let directory = try largeSpool()
        let path = directory + "/spool.db"
        func isMarked() -> Bool { FileManager.default.fileExists(atPath: path + "-suspect") }
        let first = SalvageOpening(directory)
        #expect(try first.opening.open().ledger.held == 3)
        #expect(first.reports.isEmpty, "a large file is read through at every opening")

        #expect(try SpoolDoctor.examine(directory: directory).isDamaged)
        #expect(isMarked())
        let facts = try FileManager.default.attributesOfItem(atPath: path + "-suspect")
        #expect(facts[.posixPermissions] as? Int == 0o600)
        let second = SalvageOpening(directory)
        #expect(try second.opening.open().ledger.held == 2)
        #expect(second.reports.count == 1)
        #expect(!isMarked())
        #expect(try !SpoolDoctor.examine(directory: directory).isDamaged)
        #expect(!isMarked())
    }

    /// Beyond the size that is read through at every opening; its ledger counts one event too many.
    private func largeSpool() throws -> String {
        let spool = try TestSpool()
        try spool.append(.log("a"), .log("b"))
        try spool.store.connection.execute(
            """
            UPDATE ledger SET held = held + 1, accepted = accepted + 1;
            INSERT INTO malformed (kept_at, source, reason, size, input)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
            SELECT 0, '', '', 8000000, zeroblob(8000000) FROM n
            """)
        _ = try spool.store.connection.text("PRAGMA wal_checkpoint(TRUNCATE)")
        let directory = try TestFolder.make("disk")
        try FileManager.default.copyItem(
            atPath: spool.directory + "/spool.db", toPath: directory + "/spool.db")
        return directory
    }

    @Test("does not warn of events that a daemon is waking while it looks, but of those that stay")
    func waking() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        let lease = try #require(try spool.lease())
        try spool.append((0..<1_200).map { _ in .log(parent: "p") })
        while spool.store.waitingCount < 1_200 { _ = try spool.lease() }
        try spool.deliver(parent, of: lease)
        let connection = spool.store.connection
        let rows = "SELECT count(*) FROM event WHERE waits_on IS NOT NULL"
        #expect(try connection.integer(rows) == 700, "woken in steps")
        func findings(_ pause: @escaping () -> Void) throws -> [String] {
            var examination = Examination(connection, DoctorReport(path: ""), pause: pause)
            try examination.examineWaits()
            return examination.report.findings.map(\.check)
        }
        #expect(try findings {} == ["waits"])
        #expect(try findings { try? spool.commit { _ in } } == [])
        #expect(try connection.integer(rows) == 200)
    }

    @Test("says which pages are broken")
    func pages() throws {
        let sample = try SalvageSpool.sample.get()
        let directory = try sample.copy {
            $0.replaceSubrange((40 * 8192)..<(41 * 8192), with: Data(repeating: 0xa5, count: 8192))
        }
        let report = try SpoolDoctor.examine(directory: directory)
        #expect(report.isDamaged, "\(report.findings)")
        #expect(report.isMeasured && report.version == 3 && report.events > 0)
    }

    @Test("gives no numbers of a file that it cannot read")
    func unreadable() throws {
        let directory = try SalvageSpool.sample.get().copy {
            $0.replaceSubrange(16..<8192, with: Data(repeating: 0xa5, count: 8192 - 16))
        }
        try? FileManager.default.removeItem(atPath: directory + "/spool.db-wal")
        let report = try SpoolDoctor.examine(directory: directory)
        #expect(report.findings.map(\.check) == ["file"])
        #expect(!report.isMeasured)
    }

    @Test("cannot examine what is not there, is newer, or is another program's")
    func unusable() throws {
        let directory = try TestFolder.make("disk")
        #expect(throws: DoctorError.self) { try SpoolDoctor.examine(directory: directory) }
        try Connection(path: directory + "/spool.db").execute(
            "PRAGMA application_id = 7; CREATE TABLE a (x)")
        #expect(throws: DurableFileError.self) { try SpoolDoctor.examine(directory: directory) }
    }
}

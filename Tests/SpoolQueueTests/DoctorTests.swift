import Foundation
import SpoolCore
import SpoolSQLite
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
    }

    @Test("says which pages are broken")
    func pages() throws {
        let sample = try SalvageSpool.sample.get()
        let directory = try sample.copy {
            $0.replaceSubrange((40 * 8192)..<(41 * 8192), with: Data(repeating: 0xa5, count: 8192))
        }
        let report = try SpoolDoctor.examine(directory: directory)
        #expect(report.isDamaged, "\(report.findings)")
    }

    @Test("cannot examine what is not there, is newer, or is another program's")
    func unusable() throws {
        let directory = try DiskSpool.makeDirectory()
        #expect(throws: QueueError.self) { try SpoolDoctor.examine(directory: directory) }
        try Connection(path: directory + "/spool.db").execute(
            "PRAGMA application_id = 7; CREATE TABLE a (x)")
        #expect(throws: DurableFileError.self) { try SpoolDoctor.examine(directory: directory) }
    }
}

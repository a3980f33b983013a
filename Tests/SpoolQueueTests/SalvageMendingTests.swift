import Foundation
import SpoolCore
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// Damage that leaves every row readable, and one of them wrong, or a table without its names.
@Suite("A salvage makes whole")
struct SalvageMendingTests {
    /// Opens a copy of a spool's file that `damage` was done to.
    private func salvage(
        _ spool: TestSpool, for destination: String = "http://upstream",
        _ damage: (inout Data) -> Void = { _ in }
    ) throws -> SpoolStore {
        let connection = spool.store.connection
        #expect(try connection.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
        let path = try TestFolder.make("disk") + "/spool.db"
        var bytes = try Data(contentsOf: URL(filePath: connection.path))
        damage(&bytes)
        try bytes.write(to: URL(filePath: path))
        let time = spool.time
        return try SpoolOpening(
            path: path, destination: destination, settings: spool.settings,
            clock: { time.now }, report: { _ in }, ring: {}, vfs: nil
        ).open()
    }

    @Test("rows whose digests cannot be: they keep all else, and only repeats are not recognised")
    func badDigests() throws {
        let spool = try TestSpool()
        let delivered = try spool.append(.log("a"), .log("b"))
        try spool.deliver(try #require(try spool.lease()))
        let held = try spool.append([.log("c"), .log("d")])
        try spool.kill(held[0])
        try spool.store.connection.execute(
            """
            PRAGMA ignore_check_constraints = ON;
            UPDATE identity SET digests = x'0011'; UPDATE event SET digest = x'0011';
            UPDATE dead SET digest = x'0011';
            """)
        let store = try salvage(spool)
        #expect(try store.upstreamID(of: .log, delivered[1]) == "data_up2")
        #expect(store.ledger.held == 1 && store.ledger.dead == 1 && store.ledger.discarded == 0)
        for (table, column) in [("identity", "digests"), ("event", "digest"), ("dead", "digest")] {
            let left = "SELECT count(*) FROM \(table) WHERE \(column) IS NOT NULL"
            #expect(try store.connection.integer(left) == 0, "\(table)")
        }
    }

    @Test("a lost table of upstreams: leases go on, and no id of an earlier one is believed")
    func lostDestinations() throws {
        let spool = try TestSpool()
        let known = try spool.append(.log("a"))[0]
        try spool.deliver(try #require(try spool.lease()))
        try spool.reopen(destination: "http://other")
        let open = try spool.append([.log("b"), .log("c")])
        #expect(try spool.lease()?.events.count == 2)
        let page = try spool.store.connection.integer(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'destination'")
        let start = Int(try #require(page) - 1) * 8192
        let store = try salvage(spool, for: "http://other") {
            $0.replaceSubrange(start..<(start + 8192), with: Data(count: 8192))
        }
        #expect(try store.recall().leases.flatMap(\.events).map(\.sequence) == open)
        #expect(store.ledger.held == 2 && store.ledger.discarded == 0)
        #expect(try store.upstreamID(of: .log, known) == nil)
        let report = try SpoolDoctor.examine(path: store.connection.path)
        #expect(report.findings.isEmpty, "\(report.findings)")
    }
}

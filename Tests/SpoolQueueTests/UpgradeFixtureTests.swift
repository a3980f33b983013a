import Foundation
import SpoolCore
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// Spools as earlier versions of the program left them when they were killed, database and log: written
/// by those versions, never touched since. Sixteen events each, in every state there is.
@Suite("A spool of an earlier version")
struct UpgradeFixtureTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Fixtures")

    private func copy(of version: Int) throws -> String {
        let directory = try TestFolder.make("disk")
        for ending in ["", "-wal"] {
            try FileManager.default.copyItem(
                atPath: Self.fixtures.appending(path: "spool-v\(version).db\(ending)").path,
                toPath: directory + "/spool.db" + ending)
        }
        return directory
    }

    @Test("opens with all it held, and knows what it knew", arguments: [1, 2])
    func opens(version: Int) throws {
        let directory = try copy(of: version)
        let before = try Connection(path: directory + "/spool.db", access: .query)
        #expect(try before.integer("PRAGMA user_version") == Int64(version))
        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        #expect(opening.reports.isEmpty, "it was taken for a damaged one: \(opening.reports)")
        #expect(
            try store.connection.integer("PRAGMA user_version")
                == Int64(QueueSchema.migrations.count))
        #expect(store.ledger.accepted == 16 && store.ledger.held == 13)
        #expect(store.ledger.delivered == 2 && store.ledger.dead == 1)
        // What was in flight is in doubt; what a delivery gave is remembered.
        let doubtful = try store.recall().leases.flatMap(\.events).count
        #expect(doubtful > 0)
        let id = try store.upstreamID(of: .log, EventSequence(rawValue: 1))
        #expect(id == "data_up1")
        let report = try SpoolDoctor.examine(path: directory + "/spool.db")
        #expect(!report.isDamaged, "\(report.findings)")
    }

    @Test("drains, causes first, and balances", arguments: [1, 2])
    func drains(version: Int) throws {
        let opening = SalvageOpening(try copy(of: version))
        let store = try opening.opening.open()
        try opening.drain(store)
        #expect(try store.connection.integer("SELECT count(*) FROM event") == 0)
        #expect(store.ledger.held == 0)
        #expect(store.ledger.delivered + store.ledger.dead == 16)
        #expect(store.ledger.payloadBytes == 0)
        let report = try SpoolDoctor.examine(path: store.connection.path)
        #expect(report.findings.isEmpty, "\(report.findings)")
    }
}

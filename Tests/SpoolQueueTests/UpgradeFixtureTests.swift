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

    /// Every version before this one's: the step to a new schema comes with a spool of the old.
    private static let versions = Array(1..<QueueSchema.migrations.count)

    private func copy(of version: Int) throws -> String {
        let directory = try TestFolder.make("disk")
        for ending in ["", "-wal"] {
            try FileManager.default.copyItem(
                atPath: Self.fixtures.appending(path: "spool-v\(version).db\(ending)").path,
                toPath: directory + "/spool.db" + ending)
        }
        return directory
    }

    @Test("opens with all it held, and knows what it knew", arguments: versions)
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

    @Test("drains, causes first, byte for byte, and balances", arguments: versions)
    func drains(version: Int) throws {
        let directory = try copy(of: version)
        let held = try bodies(directory)
        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        let leases = try opening.drain(store)
        let provisional = store.identity.id(.log, EventSequence(rawValue: 9))
        #expect(held[10]?.contains(provisional) == true, "its ids are not this spool's any more")
        // All but the one that had died.
        #expect(store.ledger.delivered == 15 && store.ledger.dead == 1)
        var batches: [Int64: Int] = [:]
        for (number, lease) in leases.enumerated() {
            for (place, event) in lease.events.enumerated() {
                let sequence = event.sequence.rawValue
                #expect(batches.updateValue(number, forKey: sequence) == nil, "\(sequence) twice")
                // Log 9 is named by its provisional id, and on its way by upstream's.
                let body = held[sequence]?.replacingOccurrences(of: provisional, with: "data_1")
                #expect(lease.text(place) == body, "\(sequence)")
            }
        }
        #expect(Set(batches.keys) == Set(held.keys) && held.count == 13)
        // A child and its own child; an update of log 9, and feedback on it.
        for (cause, effect) in [(9, 10), (10, 11), (9, 12), (9, 13)] as [(Int64, Int64)] {
            let (first, second) = (try #require(batches[cause]), try #require(batches[effect]))
            #expect(first < second, "\(effect) before \(cause)")
        }
        #expect(try store.connection.integer("SELECT count(*) FROM event") == 0)
        #expect(store.ledger.held == 0)
        #expect(store.ledger.payloadBytes == 0)
        let report = try SpoolDoctor.examine(path: store.connection.path)
        #expect(report.findings.isEmpty, "\(report.findings)")
    }

    /// What a spool holds, as the version that wrote it left it.
    private func bodies(_ directory: String) throws -> [Int64: String] {
        let connection = try Connection(path: directory + "/spool.db", access: .query)
        let rows = try connection.prepare("SELECT sequence, CAST(body AS TEXT) FROM event")
        var bodies: [Int64: String] = [:]
        while try rows.step() { bodies[rows.integer(0)] = rows.text(1) }
        return bodies
    }
}

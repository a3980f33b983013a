import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit
import Synchronization

@testable import SpoolQueue

/// A real spool of some 2,000 events in every state, and copies of it to be damaged.
struct SalvageSpool {
    /// The files as a dead process left them: database, and log where there is one.
    let database: Data
    let log: Data?
    let events: Set<Int64>
    let dead: Set<Int64>
    let accepted: Int64
    let identity: [Int64]

    /// Made once; copies are damaged.
    static let sample = Result { try SalvageSpool(isClosed: true) }
    static let sampleWithLog = Result { try SalvageSpool(isClosed: false) }

    private init(isClosed: Bool) throws {
        let spool = try TestSpool()
        var random = SeededRandom(seed: 11)
        for round in 0..<420 {
            let name = "r\(round)"
            var events: [TestEvent] = [.log(name, project: "p\(round % 5)"), .log()]
            if round % 3 == 0 { events.append(.log(parent: name)) }
            if round % 4 == 0 { events.append(.update(name)) }
            if round % 6 == 0 { events.append(.newSession) }
            if round % 5 == 0 { events.append(.feedback(onReference: name)) }
            if round % 7 == 0 { events.append(.log(text: String(repeating: "x", count: 30_000))) }
            events.append(
                .log(text: String(repeating: "y", count: Int.random(in: 0..<900, using: &random))))
            events.append(.log())
            try spool.append(events)
            if round % 3 == 0, let lease = try spool.lease(LeaseWish(eventsMax: 6, linger: .zero)) {
                try Self.settle(lease, spool, &random)
            }
        }
        _ = try spool.lease(LeaseWish(eventsMax: 5, linger: .zero))
        let path = spool.directory + "/spool.db"
        let store = spool.store!
        events = try Self.sequences("event", store.connection)
        dead = try Self.sequences("dead", store.connection)
        accepted = store.ledger.accepted
        let row = try SpoolRow(store.connection)!
        identity = [row.epoch, row.key0, row.key1]
        if isClosed {
            _ = try store.connection.text("PRAGMA wal_checkpoint(TRUNCATE)")
        } else {
            _ = try store.connection.text("PRAGMA wal_checkpoint(PASSIVE)")
            try spool.append((0..<40).map { _ in .log() })
        }
        database = try Data(contentsOf: URL(filePath: path))
        log = isClosed ? nil : try Data(contentsOf: URL(filePath: path + "-wal"))
    }

    private static func settle(
        _ lease: Lease, _ spool: TestSpool, _ random: inout SeededRandom
    ) throws {
        var settlement = Settlement(lease: lease.id)
        var group: [EventSequence] = []
        for event in lease.events {
            switch Int.random(in: 0..<6, using: &random) {
            case ..<3:
                settlement.delivered.append(
                    .init(
                        sequence: event.sequence, id: "data_\(event.sequence.rawValue)",
                        projectID: "pr_1"))
            case 3:
                settlement.dead.append(
                    .init(sequence: event.sequence, reason: .refused, status: 400, words: "no"))
            case 4: settlement.returned.append(.init(sequence: event.sequence))
            default: group.append(event.sequence)
            }
        }
        if !group.isEmpty { settlement.regrouped = [group] }
        _ = try spool.commit { try $0.settle(settlement) }
    }

    static func sequences(_ table: String, _ connection: Connection) throws -> Set<Int64> {
        let rows = try connection.prepare("SELECT sequence FROM \(table)")
        var found: Set<Int64> = []
        while try rows.step() { found.insert(rows.integer(0)) }
        return found
    }

    var pageCount: Int { database.count / 8192 }

    /// A directory with a copy that `damage` was done to.
    func copy(_ damage: (inout Data) -> Void) throws -> String {
        let directory = try TestFolder.make("disk")
        var bytes = database
        damage(&bytes)
        try bytes.write(to: URL(filePath: directory + "/spool.db"))
        try log?.write(to: URL(filePath: directory + "/spool.db-wal"))
        return directory
    }
}

/// Opens a spool as the queue does, and notes what the operator is told.
final class SalvageOpening {
    let opening: SpoolOpening
    private let words: Words
    private let time = TestTime()
    /// A disk without real syncs: only for speed.
    let disk = FaultDisk("salvage-\(UUID().uuidString)")

    private final class Words: Sendable {
        let all = Mutex<[String]>([])
    }

    init(_ directory: String) {
        let words = Words()
        self.words = words
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.instant = { [time] in time.instant }
        opening = SpoolOpening(
            path: directory + "/spool.db", destination: "http://upstream",
            settings: settings, clock: { [time] in time.now },
            report: { error in words.all.withLock { $0.append("\(error)") } }, ring: {},
            vfs: disk.name)
    }

    var reports: [String] { words.all.withLock { $0 } }

    /// Delivers all that can be, as a sender that finds everything well; returns the batches.
    @discardableResult
    func drain(_ store: SpoolStore) throws -> [Lease] {
        var delivered: [Lease] = []
        func deliver(_ lease: Lease) throws {
            delivered.append(lease)
            var settlement = Settlement(lease: lease.id)
            settlement.delivered = lease.events.map {
                .init(sequence: $0.sequence, id: "data_1", projectID: nil)
            }
            try store.begin()
            _ = try store.settle(settlement)
            try store.commit()
        }
        try store.begin()
        let recalled = try store.recall()
        try store.commit()
        for lease in recalled.leases { try deliver(lease) }
        for _ in 0..<20_000 {
            try store.begin()
            let answer = try store.lease(LeaseWish(linger: .zero))
            try store.commit()
            guard case .batch(let lease) = answer else {
                if store.hasNews() { continue }
                guard case .nothing(let due?) = answer, due > time.now else { break }
                // What names a lost log waits for it a while.
                time.advance(due - time.now)
                continue
            }
            try deliver(lease)
        }
        return delivered
    }
}

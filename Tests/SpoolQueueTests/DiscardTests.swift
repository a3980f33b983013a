import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("Discarding a log that many wait for")
struct DiscardTests {
    /// A spool with a log for which so many children wait, every one looked at, and some effects.
    private func spool(
        _ settings: QueueSettings = QueueSettings(freeDiskBytesMin: 0), children: Int = 1_800,
        besides: [TestEvent] = []
    ) throws -> (spool: TestSpool, root: EventSequence) {
        let spool = try TestSpool(settings: settings)
        let root = try spool.append(.log("root"))[0]
        let lease = try #require(try spool.lease())
        try spool.append(besides)
        for start in stride(from: 0, to: children, by: 300) {
            try spool.append((start..<start + 300).map { .log("c\($0)", parent: "root") })
        }
        try spool.append(.update("root"), .feedback(on: root), .log("grandchild", parent: "c0"))
        while spool.store.waitingCount < children + 3 {
            guard let other = try spool.lease() else { continue }
            var settlement = Settlement(lease: other.id)
            settlement.returned = other.events.map {
                .init(sequence: $0.sequence, notBefore: spool.time.now + .seconds(3600))
            }
            try spool.settle(settlement)
        }
        var settlement = Settlement(lease: lease.id)
        settlement.returned = [.init(sequence: root)]
        try spool.settle(settlement)
        return (spool, root)
    }

    /// How many events each step of upkeep discards, until there is nothing left to do.
    private func steps(_ spool: TestSpool) throws -> [Int] {
        var steps: [Int] = []
        while true {
            let before = spool.store.ledger.discarded
            let hasMore = try spool.store.upkeep()
            steps.append(Int(spool.store.ledger.discarded - before))
            if !hasMore { return steps }
        }
    }

    @Test("by command takes them along in steps of five hundred, also while nothing is sent")
    func deleted() throws {
        let (spool, root) = try spool()
        #expect(try spool.commit { try $0.discard([root]) } == .discarded)
        #expect(spool.store.ledger.discarded <= 501)
        let steps = try steps(spool)
        #expect(steps.allSatisfy { $0 <= 500 }, "\(steps)")
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.deleted"] == 1_804)
        #expect(report.queued == 0)
        #expect(report.waiting == 0)
    }

    @Test("takes them along after a crash in the middle, and none of them is sent")
    func crash() throws {
        let (spool, root) = try spool()
        try spool.commit { _ = try $0.discard([root]) }
        try spool.crash()
        #expect(spool.store.ledger.held > 1_000)
        #expect(try spool.drain() == [])
        #expect(try spool.commit { try $0.report() }.counters["discarded.deleted"] == 1_804)
    }

    @Test("spares who means another log of its name that came meanwhile")
    func namesake() throws {
        let (spool, root) = try spool()
        try spool.commit { _ = try $0.discard([root]) }
        let other = try spool.append(.log("root"), .log("late", parent: "root"))
        var sent = try spool.drain()
        _ = try steps(spool)
        sent += try spool.drain()
        #expect(sent.flatMap { $0 } == other)
        #expect(spool.store.ledger.discarded == 1_804)
    }

    @Test("does nothing while an effect on it is in flight, however many wait")
    func effectInFlight() throws {
        let spool = try TestSpool()
        try spool.append(.update("root"))
        #expect(try spool.lease() == nil)
        spool.time.advance(.seconds(6))
        let lease = try #require(try spool.lease())
        #expect(lease.route == .patchLogByReference)
        let root = try spool.append(.log("root"))[0]
        try spool.append((0..<900).map { .log("c\($0)", parent: "root") })
        let batch = try #require(try spool.lease())
        while spool.store.waitingCount < 900 { #expect(try spool.lease() == nil) }
        var settlement = Settlement(lease: batch.id)
        settlement.returned = [.init(sequence: root)]
        try spool.settle(settlement)
        let outcome = try spool.commit { try $0.discard([root]) }
        #expect(outcome == .inFlight)
        #expect(spool.store.ledger.discarded == 0)
        try spool.deliver(lease)
        #expect(try spool.commit { try $0.discard([root]) } == .discarded)
    }

    @Test("with drop_oldest makes room step by step, and others keep their place meanwhile")
    func dropOldest() throws {
        var settings = QueueSettings(bytesMax: 600_000, freeDiskBytesMin: 0)
        settings.onFull = .dropOldest
        let (spool, _) = try spool(
            settings, besides: (0..<50).map { .log("b\($0)", project: "others") })
        let held = spool.store.ledger.held
        let size = (settings.bytesMax - spool.store.usedBytes) / 2 + 2_000
        let large = String(repeating: "x", count: Int(size))
        for _ in 0..<2 { try spool.append(.log(project: "new", text: large)) }
        _ = try steps(spool)
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.drop_oldest"] == 1_804)
        #expect(spool.store.ledger.held == held - 1_804 + 2, "the others are there")
    }

    @Test("with max_age takes them along in steps, and nothing that is younger")
    func maxAge() throws {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.ageMax = .seconds(3600)
        let (spool, _) = try spool(settings)
        _ = try steps(spool)
        for _ in 0..<7 {
            spool.time.advance(.seconds(599))
            let found = try steps(spool)
            #expect(found.allSatisfy { $0 <= 1_000 }, "\(found)")
        }
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.max_age"] == 1_804)
        #expect(report.queued == 0)
    }

    @Test("keeps no more than 100,000 discarded logs in mind once there is time")
    func remembered() throws {
        let spool = try TestSpool()
        try spool.store.connection.execute(
            """
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 101200)
            INSERT INTO deleted SELECT i, i, 'deleted', i FROM n
            """)
        try spool.crash()
        #expect(try steps(spool).count >= 3)
        #expect(try spool.store.connection.integer("SELECT count(*) FROM deleted") ?? 0 <= 100_000)
    }
}

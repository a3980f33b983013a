import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("The ledger")
struct LedgerTests {
    @Test("counts an event once, wherever it goes")
    func countsOnce() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"), .log("b"), .log("c"))
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.delivered = [
            .init(sequence: lease.events[0].sequence, id: "data_1", projectID: nil)
        ]
        settlement.returned = [.init(sequence: lease.events[1].sequence)]
        settlement.dead = [
            .init(sequence: lease.events[2].sequence, reason: .refused, status: 400, words: "no")
        ]
        try spool.settle(settlement)
        let report = try spool.commit { try $0.report() }
        #expect(report.accepted == 3)
        #expect(report.queued == 1)
        #expect(report.inFlight == 0)
        #expect(report.delivered == 1)
        #expect(report.dead == 1)
        #expect(report.payloadBytes > 0)
        #expect(report.lastDead.first?.words == "no")
    }

    @Test("refuses a transaction that would unbalance it")
    func refusesImbalance() throws {
        let spool = try TestSpool()
        #expect(throws: (any Error).self) {
            try spool.store.connection.execute("UPDATE ledger SET accepted = 5")
        }
    }

    @Test("survives a crash in the middle of accepting, with nothing accepted")
    func crashDuringAppend() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"))
        let submission = TestEvent.submission([.log("b")], identity: spool.store.identity)
        try spool.crash(during: { _ = try $0.append(submission).get() })
        #expect(spool.store.ledger.accepted == 1)
        #expect(spool.store.references.nameCount == 1)
    }

    @Test("says full instead of accepting beyond its bytes, and recovers by itself")
    func full() throws {
        let spool = try TestSpool(settings: QueueSettings(bytesMax: 4000, freeDiskBytesMin: 0))
        let large = TestEvent.log(text: String(repeating: "x", count: 1200))
        for _ in 0..<2 { try spool.append(large) }
        let submission = TestEvent.submission([large], identity: spool.store.identity)
        let refusal = try spool.commit { try $0.append(submission) }
        #expect(throws: AppendRefusal.full) { try refusal.get() }
        _ = try spool.drain()
        try spool.append(large)
        #expect(spool.store.ledger.accepted == 3)
    }

    @Test("says full while the disk is below its reserve, and goes on delivering")
    func fullDisk() throws {
        let spool = try TestSpool(
            settings: QueueSettings(freeDiskBytesMin: 100, freeDiskBytes: { 100 }))
        let accepted = try spool.append(.log("kept"))
        spool.settings.freeDiskBytes = { 99 }
        try spool.crash()
        let submission = TestEvent.submission([.log("a")], identity: spool.store.identity)
        let refusal = try spool.commit { try $0.append(submission) }
        #expect(throws: AppendRefusal.full) { try refusal.get() }
        #expect(try spool.drain() == [accepted])
        #expect(spool.store.ledger.delivered == 1)
    }
}

@Suite("A restart")
struct RestartTests {
    @Test("finds leased events in doubt, and only those")
    func findsDoubt() throws {
        let spool = try TestSpool()
        try spool.append((0..<5).map { .log("r\($0)") })
        let lease = try #require(try spool.lease(LeaseWish(eventsMax: 2, linger: .zero)))
        try spool.crash()
        let recollection = try spool.commit { try $0.recall() }
        #expect(recollection.leases.map(\.id) == [lease.id])
        #expect(recollection.leases[0].events.map(\.sequence) == lease.events.map(\.sequence))
        #expect(recollection.leases[0].bytes == lease.bytes)
        #expect(try spool.drain().flatMap { $0 }.count == 3)
    }

    @Test("forgets a lease whose commit never came")
    func forgetsUncommittedLease() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"))
        try spool.crash(during: { _ = try $0.lease(LeaseWish(linger: .zero)) })
        #expect(try spool.commit { try $0.recall() }.leases.isEmpty)
        #expect(try spool.drain().flatMap { $0 }.count == 1)
    }

    @Test("keeps groups that travel by themselves")
    func keepsGroups() throws {
        let spool = try TestSpool()
        let sequences = try spool.append(.log("a"), .log("b"), .log("c"))
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.regrouped = [[sequences[0]], [sequences[1], sequences[2]]]
        try spool.settle(settlement)
        #expect(try spool.commit { try $0.report() }.queued == 3)
        try spool.crash()
        try spool.append(.log("d"))
        let next = try #require(try spool.lease())
        #expect(next.isRegrouped)
        #expect(next.events.map(\.sequence) == [sequences[0]])
        try spool.crash()
        let recalled = try spool.commit { try $0.recall() }.leases
        #expect(recalled.map(\.isRegrouped) == [true])
        try spool.deliver(next)
        #expect(try spool.lease()?.events.map(\.sequence) == [sequences[1], sequences[2]])
    }

    @Test("remembers ids, routes, references and calibration of the destination")
    func remembersDestination() throws {
        let spool = try TestSpool()
        let sequences = try spool.append(.log("a"), .log("b"))
        let lease = try #require(try spool.lease())
        try spool.deliver(lease)
        try spool.append(.log("c"))
        let second = try #require(try spool.lease())
        var settlement = Settlement(lease: second.id)
        settlement.calibration = .ask
        try spool.settle(settlement)
        try spool.crash()
        let recollection = try spool.commit { try $0.recall() }
        #expect(recollection.answeredRoutes == [.postLogs])
        #expect(recollection.deliveredReferences == ["b"])
        #expect(recollection.calibration == .ask)
        let entry = try spool.store.identityEntry(of: sequences[1])
        #expect(entry?.id == "data_up2")
        #expect(spool.store.recent.contains(spool.store.identity.key(of: "a", named: .reference)))
    }

    @Test("never gives a sequence twice")
    func sequencesAreUnique() throws {
        let spool = try TestSpool()
        let first = try spool.append(.log("a"))[0]
        _ = try spool.drain()
        try spool.crash()
        #expect(try spool.append(.log("b"))[0] > first)
    }
}

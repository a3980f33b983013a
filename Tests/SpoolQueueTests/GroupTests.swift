import SpoolCore
import Testing

@testable import SpoolQueue

@Suite("A group that travels by itself")
struct GroupTests {
    /// Logs of these projects, one each, that were refused together.
    private func group(
        _ projects: String..., in spool: TestSpool
    ) throws -> (events: [EventSequence], lanes: [Int64]) {
        try spool.append(projects.map { TestEvent.log(project: $0) })
        return try regroup(in: spool)
    }

    private func regroup(
        in spool: TestSpool
    ) throws -> (events: [EventSequence], lanes: [Int64]) {
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.regrouped = [lease.events.map(\.sequence)]
        try spool.settle(settlement)
        return (lease.events.map(\.sequence), lease.events.map(\.lane))
    }

    private func wish(parked: Set<Int64>, probe: ProbeScope? = nil) -> LeaseWish {
        LeaseWish(linger: .zero, parkedLanes: parked, probe: probe)
    }

    // MARK: Splitting

    @Test("is split where a lane of it is parked: the others' events go, its own wait as a group")
    func splitsForOpenLanes() throws {
        let spool = try TestSpool()
        let (events, lanes) = try group("good", "bad", "good too", in: spool)
        let parked = wish(parked: [lanes[1]])
        let part = try #require(try spool.lease(parked))
        #expect(part.isRegrouped)
        #expect(part.events.map(\.sequence) == [events[0], events[2]])
        try spool.deliver(part)
        #expect(try spool.lease(parked) == nil)
        #expect(!spool.store.hasNews())
        let rest = try #require(try spool.lease())
        #expect(rest.isRegrouped)
        #expect(rest.events.map(\.sequence) == [events[1]])
    }

    @Test("is news as soon as a part of it may go")
    func partIsNews() throws {
        let spool = try TestSpool()
        try spool.append(.log(project: "good"), .log(project: "bad"))
        let lease = try #require(try spool.lease())
        #expect(try spool.lease(wish(parked: [lease.events[1].lane])) == nil)
        #expect(!spool.store.hasNews())
        var settlement = Settlement(lease: lease.id)
        settlement.regrouped = [lease.events.map(\.sequence)]
        try spool.settle(settlement)
        #expect(spool.store.hasNews())
    }

    @Test("gives a probe of a parked lane that lane's events alone")
    func splitsForProbes() throws {
        let spool = try TestSpool()
        let (events, lanes) = try group("good", "bad", in: spool)
        let probe = try #require(
            try spool.lease(wish(parked: [lanes[1]], probe: .lanes([lanes[1]]))))
        #expect(probe.events.map(\.sequence) == [events[1]])
        #expect(try spool.lease(wish(parked: [lanes[1]]))?.events.map(\.sequence) == [events[0]])
    }

    @Test("gives a probe one event, and the rest stays a group")
    func givesProbesOne() throws {
        let spool = try TestSpool()
        let (events, lanes) = try group("bad", "bad", in: spool)
        for scope in [ProbeScope.lanes([lanes[0]]), .route(.postLogs)] {
            let parked: Set<Int64> = scope == .route(.postLogs) ? [] : [lanes[0]]
            let probe = try #require(try spool.lease(wish(parked: parked, probe: scope)))
            #expect(probe.events.count == 1)
            #expect(probe.isRegrouped)
            var back = Settlement(lease: probe.id)
            back.regrouped = [probe.events.map(\.sequence)]
            try spool.settle(back)
        }
        #expect(try spool.lease()?.events.count == 1)
        #expect(try spool.lease()?.events.count == 1)
        #expect(Set(events).count == 2)
    }

    @Test("goes whole where one can, before another is split")
    func wholeGoesFirst() throws {
        let spool = try TestSpool()
        let mixed = try group("good", "bad", in: spool)
        spool.store.groupHadTurn = true
        let whole = try group("good", "good", in: spool)
        let parked = wish(parked: [mixed.lanes[1]])
        spool.store.groupHadTurn = false
        #expect(try spool.lease(parked)?.events.map(\.sequence) == whole.events)
        #expect(try spool.lease(parked)?.events.map(\.sequence) == [mixed.events[0]])
    }

    @Test("that is split lets no effect overtake an earlier one on the same log")
    func splitKeepsOrder() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("x"), .log("y"))
        _ = try spool.drain()
        // Effects on what an earlier run has delivered go in their callers' lanes.
        try spool.crash()
        for (caller, log) in [("uid:1", logs[0]), ("uid:2", logs[0]), ("uid:2", logs[1])] {
            try spool.append([.feedback(on: log)], by: caller)
        }
        let (events, lanes) = try regroup(in: spool)
        #expect(events.count == 3 && lanes[1] == lanes[2] && lanes[0] != lanes[1])
        let part = try #require(try spool.lease(wish(parked: [lanes[0]])))
        #expect(part.events.map(\.sequence) == [events[2]])
        #expect(try spool.lease(wish(parked: [lanes[0]])) == nil)
        #expect(try spool.lease()?.events.map(\.sequence) == [events[0], events[1]])
    }

    @Test("holds up none of its events for an effect that goes before another of them elsewhere")
    func splitsForEffectsElsewhere() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("x"), .log("y"))
        _ = try spool.drain()
        let feedback = try spool.append(
            .feedback(on: logs[0]), .feedback(on: logs[0]), .feedback(on: logs[1]))
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.returned = [
            .init(sequence: feedback[0], notBefore: spool.time.now + .seconds(60))
        ]
        settlement.regrouped = [[feedback[1], feedback[2]]]
        try spool.settle(settlement)
        #expect(try spool.drain() == [[feedback[2]]])
        spool.time.advance(.seconds(60))
        #expect(try spool.drain() == [[feedback[0]], [feedback[1]]])
    }

    // MARK: Crashes

    @Test("is whole again where the process dies before its splitting is committed")
    func crashBeforeCommit() throws {
        let spool = try TestSpool()
        let (events, lanes) = try group("good", "bad", in: spool)
        try spool.crash(during: { _ = try $0.lease(wish(parked: [lanes[1]])) })
        #expect(try spool.commit { try $0.recall() }.leases.isEmpty)
        #expect(try spool.lease()?.events.map(\.sequence) == events)
    }

    @Test("stays split over a restart: the part that was sent is in doubt, the rest is not")
    func crashAfterCommit() throws {
        let spool = try TestSpool()
        let (events, lanes) = try group("good", "bad", in: spool)
        let part = try #require(try spool.lease(wish(parked: [lanes[1]])))
        try spool.crash()
        let recalled = try spool.commit { try $0.recall() }.leases
        #expect(recalled.map(\.id) == [part.id])
        #expect(recalled[0].isRegrouped)
        #expect(recalled[0].events.map(\.sequence) == [events[0]])
        #expect(try spool.lease()?.events.map(\.sequence) == [events[1]])
    }

    @Test("waits again in two where its splitting was committed and nobody was told")
    func takesBack() throws {
        let spool = try TestSpool()
        let (events, lanes) = try group("good", "bad", in: spool)
        _ = try spool.lease(wish(parked: [lanes[1]]))
        let told = ToldLeases()
        told.recalled([Int64]())
        try spool.commit { try $0.takeBack(leasesNotIn: told) }
        try spool.crash()
        #expect(try spool.commit { try $0.recall() }.leases.isEmpty)
        let leased = [try spool.lease(), try spool.lease()].map { $0?.events.map(\.sequence) }
        #expect(leased == [[events[1]], [events[0]]])
    }

    // MARK: Turns

    @Test("takes turns with what was never leased")
    func takesTurns() throws {
        let spool = try TestSpool()
        let logs = try spool.append((0..<6).map { _ in .log() })
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.regrouped = logs.map { [$0] }
        try spool.settle(settlement)
        let fresh = try spool.append(.log(project: "good"), .log(project: "good"))
        let wish = LeaseWish(eventsMax: 1, linger: .zero)
        let order = try (0..<8).map { _ in try spool.lease(wish)?.events[0].sequence }
        #expect(Set(order.prefix(4)) == Set([logs[0], logs[1]] + fresh))
        #expect(order.suffix(4) == logs.suffix(4))
    }

    // MARK: Giving up

    @Test("loses what grew too old, and travels on without it")
    func expires() throws {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.ageMax = .seconds(3600)
        let spool = try TestSpool(settings: settings)
        try spool.append(.log("old"))
        try spool.append(.update("old"))
        for _ in 0..<6 {
            spool.time.advance(.seconds(500))
            while try spool.store.upkeep() {}
        }
        let young = try spool.append(.log("young"))[0]
        let group = try regroup(in: spool)
        #expect(group.events.count == 2 && group.events[1] == young)
        spool.time.advance(.seconds(700))
        while try spool.store.upkeep() {}
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.max_age"] == 2, "the update waits for the log")
        #expect(report.queued == 1 && report.inFlight == 0)
        try spool.crash()
        let lease = try #require(try spool.lease())
        #expect(lease.isRegrouped)
        #expect(lease.events.map(\.sequence) == [young])
    }

    @Test("makes way with drop_oldest while its request has not begun, and not afterwards")
    func dropsOldest() throws {
        var settings = QueueSettings(bytesMax: 3_000, freeDiskBytesMin: 0)
        settings.onFull = .dropOldest
        let spool = try TestSpool(settings: settings)
        let text = String(repeating: "x", count: 600)
        let flying = try spool.append(.log("flying", text: text))[0]
        _ = try #require(try spool.lease())
        try spool.append(.log("waiting", text: text))
        let group = try regroup(in: spool)
        for _ in 0..<4 { try spool.append(.log(text: text)) }
        #expect(!spool.store.leased.contains(group.events[0].rawValue))
        #expect(spool.store.leased.contains(flying.rawValue))
        #expect(try spool.commit { try $0.report() }.inFlight == 1)
    }
}

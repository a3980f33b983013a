import SpoolCore
import Testing

@testable import SpoolQueue

@Suite("A parked lane")
struct ParkedLaneTests {
    private func lanes(_ spool: TestSpool) -> Set<Int64> { Set(spool.store.lanes.all.keys) }

    @Test("gives nothing to a batch, and one event to a probe of it, another one each time")
    func probes() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("a"), .log("b"), .log("c", project: "other"))
        let parked = Set(spool.store.lanes.all.values.map(\.id).prefix(2))
        let wish = LeaseWish(linger: .zero, parkedLanes: parked)
        #expect(try spool.lease(wish) == nil)
        let probe = LeaseWish(linger: .zero, parkedLanes: parked, probe: .lanes(parked))
        let first = try #require(try spool.lease(probe))
        let second = try #require(try spool.lease(probe))
        #expect(first.events.count == 1 && second.events.count == 1)
        #expect(first.events[0].lane != second.events[0].lane, "lanes take turns")
        #expect(Set(logs).isSuperset(of: [first.events[0].sequence, second.events[0].sequence]))
    }

    @Test("is told of with all that is queued in it, also what waits, and after a start")
    func told() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("a"), .log("b"), .log("c"), .log("d", parent: "a"))
        try spool.append(.log("e", project: "other"), .newSession)
        let lane = try #require(spool.store.lanes.all.keys.min())
        func told() throws -> (lane: Int?, route: Int?) {
            let report = try spool.commit { try $0.report(about: [lane]) }
            return (report.lanes[lane]?.queuedCount, report.routes[.postLogs])
        }
        #expect(try told() == (4, 5))
        let probe = LeaseWish(linger: .zero, parkedLanes: [lane], probe: .lanes([lane]))
        let lease = try #require(try spool.lease(probe))
        #expect(try told() == (3, 4), "what is under way is not queued")
        var settlement = Settlement(lease: lease.id)
        settlement.returned = [.init(sequence: logs[0], notBefore: spool.time.now + .seconds(60))]
        try spool.settle(settlement)
        #expect(try told() == (4, 5))
        try spool.crash()
        #expect(try told() == (4, 5))
        try spool.kill(logs[1])
        #expect(try told() == (3, 4))
        _ = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
        #expect(try told() == (4, 5))
        spool.time.advance(.seconds(60))
        _ = try spool.drain()
        #expect(try told() == (0, 0))
    }

    @Test("says so once when something comes into it while it is empty")
    func news() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"))
        let parked = lanes(spool)
        _ = try spool.drain()
        #expect(try spool.lease(LeaseWish(linger: .zero, parkedLanes: parked)) == nil)
        #expect(!spool.store.hasNews())
        try spool.append(.log("b"))
        #expect(spool.store.hasNews())
        #expect(!spool.store.hasNews())
        try spool.append(.log("c"))
        #expect(!spool.store.hasNews(), "there was something to try with already")
    }

    @Test("that is parked no more gives at once what had given way to other probes")
    func freed() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("a"), .log("b", project: "other"))
        for _ in 0..<2 {
            let lease = try #require(try spool.lease(LeaseWish(linger: .zero, probe: .everywhere)))
            var settlement = Settlement(lease: lease.id)
            settlement.returned = [
                .init(
                    sequence: lease.events[0].sequence, notBefore: spool.time.now + .seconds(900))
            ]
            try spool.settle(settlement)
        }
        #expect(try spool.lease() == nil)
        let lane = try #require(spool.store.lanes.all.keys.min())
        var wish = LeaseWish(linger: .zero)
        wish.freed = [.lanes([lane])]
        #expect(try spool.lease(wish)?.events.map(\.sequence) == [logs[0]])
        #expect(try spool.lease() == nil, "the other lane is still parked")
        wish.freed = [.route(.postLogs)]
        #expect(try spool.lease(wish)?.events.map(\.sequence) == [logs[1]])
    }

    @Test("that is parked no more lets what it was parked for wait on, a minute at most")
    func suspect() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        var wish = LeaseWish(linger: .zero)
        for refusals in 1...3 {
            let lease = try #require(try spool.lease(wish))
            var settlement = Settlement(lease: lease.id)
            settlement.returned = [
                .init(
                    sequence: log, notBefore: spool.time.now + .seconds(900), countsAttempt: true)
            ]
            try spool.settle(settlement)
            wish.freed = [.lanes([try #require(spool.store.lanes.all.keys.first)])]
            guard refusals > 1 else { continue }
            #expect(try spool.lease(wish) == nil)
            spool.time.advance(.seconds(59))
            #expect(try spool.lease() == nil)
            spool.time.advance(.seconds(1))
        }
        wish.freed = [.everywhere]
        #expect(try spool.lease(wish)?.events.count == 1)
    }

    @Test("that is parked no more does not wake who waits for a cause")
    func freedKeepsWaiting() throws {
        let spool = try TestSpool()
        try spool.append(.log("child", parent: "nobody"))
        #expect(try spool.lease() == nil)
        var wish = LeaseWish(linger: .zero)
        wish.freed = [.everywhere]
        #expect(try spool.lease(wish) == nil)
        #expect(try spool.store.nextTimed() != nil)
    }

    @Test("of an operation gives nothing, whatever the lane")
    func parkedRoute() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"), .log("b", project: "other"))
        let wish = LeaseWish(linger: .zero, parkedRoutes: [.postLogs])
        #expect(try spool.lease(wish) == nil)
        #expect(!spool.store.hasNews())
        let probe = LeaseWish(linger: .zero, parkedRoutes: [.postLogs], probe: .route(.postLogs))
        #expect(try spool.lease(probe)?.events.count == 1)
    }

    @Test("that is lonely shares no request with another")
    func lonely() throws {
        let spool = try TestSpool()
        let lonely = try spool.append(.log("a"), .log("b"))
        let lane = try #require(lanes(spool).first)
        let others = try spool.append(.log("c", project: "p2"), .log("d", project: "p3"))
        let wish = LeaseWish(linger: .zero, lonelyLanes: [lane])
        let batches = try spool.drain(wish)
        #expect(Set(batches.map(Set.init)) == [Set(lonely), Set(others)])
    }
}

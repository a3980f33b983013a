import SpoolCore
import SpoolSender
import Testing

@Suite struct `Parks` {
    @Test(arguments: [401, 407])
    func `a refused key parks the destination; one event probes at a time`(status: Int) throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 3))
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.answer(id, status)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [1000, 1001, 1002])
        #expect(settlement.returned.allSatisfy { !$0.countsAttempt })
        bench.commit(1)
        for probe in 2...6 {
            let wishes = bench.pass(.seconds(60)).wishes
            #expect(wishes.map(\.isProbe) == [true])
            #expect(wishes.first?.eventsMax == 1)
            let id = Int64(probe)
            bench.answer(bench.lease(.of(id: id)), status)
            let back = try #require(bench.last.settlements.first?.returned.first)
            // The next probe takes another event.
            let untilNext: Duration
            guard case .parked(.unauthorized, let rest) = bench.snapshot.health else {
                Issue.record("\(bench.snapshot.health)")
                return
            }
            untilNext = rest
            #expect(try #require(back.notBefore) > bench.wall + untilNext)
            bench.commit(id)
        }
        bench.pass(.seconds(60))
        bench.accept(bench.lease(.of(id: 20)), count: 1)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.last.wishes.first?.isProbe == false)
    }

    @Test func `a lane that may not is left out, tried singly, and released by a 2xx`() throws {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2, lane: 2)), 403)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parkedLanes == [2])
        bench.commit(2)
        #expect(bench.nextWish()?.parkedLanes == [2])
        // A wish from before the park may still bring that lane: it goes back unsent.
        bench.lease(.of(id: 3, lane: 2))
        #expect(bench.last.exchanges.isEmpty)
        #expect(bench.last.settlements.first?.returnedNumbers == [3000])
        bench.commit(3)
        #expect(bench.pass(.seconds(1)).probes == [.lanes([2])])
        bench.accept(bench.lease(.of(id: 4, lane: 2), .probe(.lanes([2]))), count: 1)
        #expect(bench.snapshot.parkedLanes.isEmpty)
    }

    /// What the queue is told to free by the last actions' wishes and the next one.
    private func freed(_ bench: inout SenderBench) -> [ProbeScope] {
        let wishes = bench.last.wishes
        return (wishes + [bench.nextWish()].compactMap { $0 }).flatMap(\.freed)
    }

    @Test func `the queue hears once what is parked no more, and of all at a resume`() throws {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(id: 1, lane: 2)), 403)
        #expect(freed(&bench) == [])
        bench.commit(1)
        bench.pass(.seconds(1))
        bench.accept(bench.lease(.of(id: 2, lane: 2), .probe(.lanes([2]))), count: 1)
        #expect(freed(&bench) == [.lanes([2])])
        bench.commit(2)
        #expect(freed(&bench) == [])
        bench.on(.resume)
        #expect(freed(&bench) == [.everywhere])
        bench.pass(.seconds(1))
        #expect(freed(&bench) == [])
    }

    @Test func `the queue hears of everything when a refused key is taken again`() throws {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(id: 1)), 401)
        bench.commit(1)
        bench.pass(.seconds(60))
        bench.accept(bench.lease(.of(id: 2)), count: 1)
        #expect(freed(&bench) == [.everywhere])
    }

    @Test func `what the queue was to free is said again when the disk refused the wish`() throws {
        var bench = SenderBench.running()
        bench.on(.resume)
        #expect(freed(&bench) == [.everywhere])
        bench.on(.leased(.failing, .batch))
        bench.pass(.seconds(1))
        #expect(freed(&bench).contains(.everywhere))
    }

    @Test func `one probe is under way at a time, and each parked lane gets its own`() throws {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        for lane in 2...4 as ClosedRange<Int64> {
            bench.answer(bench.lease(.of(id: lane, lane: lane)), 403)
            bench.commit(lane)
        }
        bench.on(.resume)
        #expect(bench.last.probes == [.lanes([2, 3, 4])])
        let first = bench.lease(.of(id: 12, lane: 3), .probe(.lanes([2, 3, 4])))
        #expect(bench.last.probes.isEmpty)
        bench.answer(first, 403)
        bench.commit(12)
        #expect(bench.last.probes.isEmpty || bench.last.probes == [.lanes([2, 4])])
        #expect(bench.snapshot.parkedLanes == [2, 3, 4])
    }

    /// Lane 2 is parked, and the first probe finds nothing in it.
    private func emptyPark(due: Duration? = nil) -> SenderBench {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2, lane: 2)), 402)
        bench.commit(2)
        #expect(bench.pass(.seconds(1)).probes == [.lanes([2])])
        let due = due.map { bench.wall + $0 }
        bench.on(.leased(.nothing(due: due), .probe(.lanes([2]))))
        return bench
    }

    @Test func `an empty parked lane is looked into once a minute, and no oftener`() {
        var bench = emptyPark()
        for _ in 0..<10 {
            #expect(bench.pass(.milliseconds(59_999)).probes.isEmpty)
            #expect(bench.pass(.milliseconds(1)).probes == [.lanes([2])])
            bench.on(.leased(.nothing(due: nil), .probe(.lanes([2]))))
        }
    }

    @Test func `an empty parked operation is looked into once a minute, and no oftener`() {
        var bench = SenderBench.running(answered: [.postLogs])
        bench.answer(bench.lease(.of(.feedback, id: 1, lane: 5)), 405)
        bench.commit(1)
        let scope = ProbeScope.route(.postFeedback)
        #expect(bench.pass(.seconds(1)).probes == [scope])
        bench.on(.leased(.nothing(due: nil), .probe(scope)))
        for _ in 0..<10 {
            #expect(bench.pass(.milliseconds(59_999)).probes.isEmpty)
            #expect(bench.pass(.milliseconds(1)).probes == [scope])
            bench.on(.leased(.nothing(due: nil), .probe(scope)))
        }
    }

    @Test func `an empty parked lane is tried as soon as work arrives, or a settlement frees some`()
    {
        var bench = emptyPark()
        bench.pass(.seconds(2))
        bench.on(.workArrived)
        #expect(bench.last.probes == [.lanes([2])])
        bench = emptyPark()
        bench.pass(.seconds(2))
        bench.lease(.of(id: 9, lane: 1))
        bench.on(.leased(.nothing(due: nil), .probe(.lanes([2]))))
        bench.accept(bench.last.exchanges.last?.id ?? 3, count: 1)
        #expect(bench.last.probes.isEmpty)
        bench.pass(.seconds(2))
        bench.commit(9)
        #expect(bench.last.probes == [.lanes([2])])
    }

    @Test func `a probe that finds nothing tells of other work, for which the queue rings no more`()
    {
        var bench = emptyPark()
        bench.on(.leased(.nothing(due: nil), .batch))
        #expect(bench.pass(.seconds(60)).wishes.map(\.probe) == [.lanes([2])])
        bench.on(.leased(.nothing(due: bench.wall), .probe(.lanes([2]))))
        #expect(bench.pass(.milliseconds(1)).wishes.map(\.probe) == [nil])
    }

    @Test func `a probe that is given an event leaves other work to be asked for`() {
        var bench = emptyPark()
        bench.on(.leased(.nothing(due: nil), .batch))
        #expect(bench.pass(.seconds(60)).wishes.map(\.probe) == [.lanes([2])])
        bench.lease(.of(id: 3, lane: 2), .probe(.lanes([2])))
        #expect(bench.last.wishes.map(\.probe) == [nil])
    }

    @Test func `work that keeps arriving elsewhere does not cut a park's backoff short`() {
        var bench = emptyPark()
        for _ in 0..<20 {
            bench.on(.workArrived)
            #expect(bench.last.probes.isEmpty)
        }
    }

    @Test func `a parked lane whose event gives way is tried when that is over`() {
        var bench = emptyPark(due: .seconds(7))
        #expect(bench.pass(.milliseconds(6_999)).probes.isEmpty)
        #expect(bench.pass(.milliseconds(1)).probes == [.lanes([2])])
    }

    @Test func `resume tries an empty parked lane at once`() {
        var bench = emptyPark()
        bench.on(.resume)
        #expect(bench.last.probes == [.lanes([2])])
    }

    @Test func `of one lane that may not, nothing is concluded for others`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(id: 1, lane: 1)), 403)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parkedLanes == [1])
    }

    @Test func `when every lane tried in the last minute may not, the destination is parked`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(id: 1, lane: 1)), 403)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2, lane: 2)), 403)
        guard case .parked(.notAllowed, _) = bench.snapshot.health else {
            Issue.record("\(bench.snapshot.health)")
            return
        }
        bench.commit(2)
        // The probe goes through the parked lanes too.
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.on(.workArrived)
        let probe = bench.pass(.seconds(60)).wishes.first
        #expect(probe?.probe == .everywhere)
        #expect(probe?.parkedLanes == [])
        bench.accept(bench.lease(.of(id: 3, lane: 2)), count: 1)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parkedLanes == [1])
    }

    @Test func `lanes that may not together part, so that the innocent are not parked`() throws {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        bench.answer(bench.lease(.mixing([1, 2, 1, 2], id: 2)), 403)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.regroupedNumbers == [[2000, 2002], [2001, 2003]])
        #expect(bench.snapshot.parkedLanes.isEmpty)
        #expect(bench.snapshot.health == .steady)
    }

    @Test func `a misconfigured route is parked while others go on`() throws {
        var bench = SenderBench.running(answered: [.postLogs])
        bench.answer(bench.lease(.of(.feedback, id: 1, lane: 5)), 405)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parkedRoutes == [.postFeedback])
        bench.commit(1)
        #expect(bench.nextWish()?.parkedRoutes == [.postFeedback])
        // A wish from before the park may still bring another lane of that route: it goes back.
        bench.lease(.of(.feedback, id: 2, lane: 6))
        #expect(bench.last.exchanges.isEmpty)
        bench.commit(2)
        bench.accept(bench.lease(.of(.log, id: 3, lane: 7)), count: 1)
        #expect(bench.snapshot.parkedRoutes == [.postFeedback])
        bench.commit(3)
        #expect(bench.pass(.seconds(1)).probes == [.route(.postFeedback)])
        bench.accept(
            bench.lease(.of(.feedback, id: 4, lane: 6), .probe(.route(.postFeedback))), count: 1)
        #expect(bench.snapshot.parked.isEmpty)
    }

    @Test(arguments: [301, 302, 304, 307, 405, 501])
    func `a wrong base URL parks everything while no route has answered`(status: Int) {
        var bench = SenderBench.running(answered: [])
        bench.answer(bench.lease(.of(.log, 2)), status)
        guard case .parked(.misconfigured, _) = bench.snapshot.health else {
            Issue.record("\(bench.snapshot.health)")
            return
        }
        #expect(bench.last.settlements.first?.returnedNumbers == [1000, 1001])
    }
}

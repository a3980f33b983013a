import SpoolCore
import SpoolSender
import Testing

/// Lanes whose events upstream refuses.
@Suite struct `A lane that is refused` {
    /// Lets `count` events of lane 2 die, each alone; lane 1 is fine.
    private func dying(_ count: Int, notes: String = "") -> SenderBench {
        var bench = SenderBench.running(notes: notes)
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        for number in 0..<Int64(count) {
            bench.answer(bench.lease(.of(id: 100 + number, lane: 2)), 400)
            bench.commit(100 + number)
        }
        return bench
    }

    @Test func `is parked after twenty deaths in a row, and the twentieth still dies`() {
        var bench = dying(19)
        #expect(bench.snapshot.parked.isEmpty)
        #expect(bench.snapshot.deathsInARow == [2: 19])
        bench.answer(bench.lease(.of(id: 200, lane: 2)), 400)
        #expect(bench.last.settlements.first?.deadNumbers == [200_000])
        #expect(bench.snapshot.parkedLanes == [2])
        #expect(bench.snapshot.parks == [.refusing])
        #expect(bench.snapshot.health == .steady)
        bench.commit(200)
        #expect(bench.nextWish()?.parkedLanes == [2])
    }

    @Test func `starts counting anew after a 2xx`() {
        var bench = dying(19)
        bench.accept(bench.lease(.of(id: 200, lane: 2)), count: 1)
        bench.commit(200)
        #expect(bench.snapshot.deathsInARow.isEmpty)
        for number in 300..<319 as Range<Int64> {
            bench.answer(bench.lease(.of(id: number, lane: 2)), 400)
            bench.commit(number)
        }
        #expect(bench.snapshot.parked.isEmpty)
    }

    @Test func `loses no more events while it is parked, each probe tries another`() throws {
        var bench = dying(20)
        var waits: [Duration] = []
        for number in 0..<12 as Range<Int64> {
            bench.on(.resume)
            #expect(bench.last.probes == [.lanes([2])])
            let probe = bench.lease(.of(id: 500 + number, lane: 2), .probe(.lanes([2])))
            bench.answer(probe, 400)
            let settlement = try #require(bench.last.settlements.first)
            #expect(settlement.dead.isEmpty)
            let back = try #require(settlement.returned.first)
            #expect(!back.countsAttempt)
            waits.append(try #require(back.notBefore) - bench.wall)
            bench.commit(500 + number)
        }
        // It gives way for longer and longer, so that those behind it are reached, yet not for ever.
        #expect(try #require(waits.last) > .seconds(300))
        #expect(waits.allSatisfy { $0 <= .seconds(900 + 60) })
    }

    @Test func `goes on after one event was accepted`() {
        var bench = dying(20)
        bench.on(.resume)
        bench.accept(bench.lease(.of(id: 500, lane: 2), .probe(.lanes([2]))), count: 1)
        #expect(bench.snapshot.parked.isEmpty)
        #expect(bench.snapshot.deathsInARow.isEmpty)
    }

    @Test func `that was under way when it was parked keeps its events`() {
        var bench = dying(19)
        let first = bench.lease(.of(id: 200, lane: 2))
        let second = bench.lease(.of(id: 201, lane: 2))
        bench.answer(first, 400)
        bench.answer(second, 400)
        #expect(bench.last.settlements.first?.dead.isEmpty == true)
        #expect(bench.last.settlements.first?.returnedNumbers == [201_000])
    }

    @Test func `travels alone for ten minutes`() {
        var bench = dying(1)
        #expect(bench.snapshot.lonelyLanes == [2])
        #expect(bench.nextWish()?.lonelyLanes == [2])
        bench.pass(.seconds(599))
        #expect(bench.nextWish()?.lonelyLanes == [2])
        bench.pass(.seconds(1))
        #expect(bench.nextWish()?.lonelyLanes == [])
    }

    @Test func `is the one that a complaint names, not those that travelled along`() {
        var bench = SenderBench.running()
        let item = #"{"loc":["body",1,"project"],"msg":"m","type":"t"}"#
        bench.answer(bench.lease(.mixing([1, 2, 3])), 422, "{\"detail\":[\(item)]}")
        #expect(bench.snapshot.lonelyLanes == [2])
        bench.commit(1)
        // Nobody named: the innocent are not slowed down; halving finds the guilty.
        bench.answer(bench.lease(.mixing([4, 5], id: 2)), 400)
        #expect(bench.snapshot.lonelyLanes == [2])
    }

    @Test func `is parked when there is no room for its dead, and freed when there is`() throws {
        var bench = dying(0)
        bench.answer(bench.lease(.of(id: 10, lane: 2)), 400)
        #expect(bench.last.settlements.first?.deadNumbers == [10_000])
        bench.on(.settled(lease: 10, .withoutRoomForDead([EventSequence(rawValue: 10_000)])))
        #expect(bench.snapshot.parkedLanes == [2])
        #expect(bench.snapshot.parks == [.deadLettersFull])
        #expect(bench.snapshot.tally.dead == 0)
        #expect(bench.snapshot.deathsInARow.isEmpty)
        // The next probe lets another event try, the one after finds out about the room.
        bench.on(.resume)
        bench.answer(bench.lease(.of(id: 11, lane: 2), .probe(.lanes([2]))), 400)
        #expect(bench.last.settlements.first?.dead.isEmpty == true)
        bench.commit(11)
        bench.on(.resume)
        bench.answer(bench.lease(.of(id: 12, lane: 2), .probe(.lanes([2]))), 400)
        #expect(bench.last.settlements.first?.deadNumbers == [12_000])
        bench.commit(12)
        #expect(bench.snapshot.parked.isEmpty)
        #expect(bench.snapshot.tally.dead == 1)
    }

    @Test func `holds up no other lane`() {
        var bench = dying(20)
        for number in 300..<400 as Range<Int64> {
            bench.accept(bench.lease(.of(id: number, lane: 1)), count: 1)
            bench.commit(number)
        }
        #expect(bench.snapshot.tally.delivered == 101)
        #expect(bench.snapshot.health == .steady)
    }
}

/// Lanes on whose requests upstream fails.
@Suite struct `A lane that fails while others succeed` {
    /// Lane 2 has failed once, which cost the destination a backoff; lane 1 has succeeded since.
    private func failedOnce() -> SenderBench {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(id: 1, lane: 2)), 500)
        #expect(bench.snapshot.health != .steady)
        bench.pass(.seconds(1))
        bench.on(.workArrived)
        bench.accept(bench.lease(.of(id: 2, lane: 1)), count: 1)
        bench.commit(2)
        #expect(bench.snapshot.health == .steady)
        return bench
    }

    @Test func `backs off alone, and costs the destination nothing more`() {
        var bench = failedOnce()
        bench.answer(bench.lease(.of(id: 3, lane: 2)), 500)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parks == [.failing])
        #expect(bench.nextWish()?.parkedLanes == [2])
        bench.accept(bench.lease(.of(id: 4, lane: 1)), count: 1)
        for number in 10..<20 as Range<Int64> {
            bench.on(.resume)
            bench.answer(bench.lease(.of(id: number, lane: 2), .probe(.lanes([2]))), 500)
            #expect(bench.snapshot.health == .steady)
        }
        #expect(bench.snapshot.parked.map(\.failures) == [11])
    }

    @Test func `counts what was under way together once`() {
        var bench = failedOnce()
        let requests = (3...4).map { bench.lease(.of(id: $0, lane: 2)) }
        for request in requests { bench.answer(request, 500) }
        #expect(bench.snapshot.parked.map(\.failures) == [1])
        #expect(bench.snapshot.health == .steady)
    }

    @Test(arguments: [200, 400]) func `goes on as soon as upstream answers for it`(status: Int) {
        var bench = failedOnce()
        bench.answer(bench.lease(.of(id: 3, lane: 2)), 500)
        bench.on(.resume)
        let probe = bench.lease(.of(id: 4, lane: 2), .probe(.lanes([2])))
        bench.answer(probe, status, #"[{"id":"data_1"}]"#)
        #expect(bench.snapshot.parked.isEmpty)
    }

    @Test func `that fails alone is one of many in an outage, and then all rest`() {
        var bench = SenderBench.running()
        // Events that have failed before, each alone; none succeeds.
        for id in 1...8 as ClosedRange<Int64> {
            bench.answer(bench.lease(.of(id: id, lane: id, attempts: 1)), 503)
            #expect(bench.snapshot.health == .steady)
            bench.commit(id)
        }
        bench.answer(bench.lease(.of(id: 9, lane: 9, attempts: 1)), 503)
        guard case .backingOff = bench.snapshot.health else {
            Issue.record("\(bench.snapshot.health)")
            return
        }
    }

    @Test func `of one event that fails for ever costs the others nothing`() {
        var bench = SenderBench.running()
        for id in 1...40 as ClosedRange<Int64> {
            bench.answer(bench.lease(.of(id: id, from: 1, attempts: 1)), 503)
            bench.commit(id)
            #expect(bench.snapshot.health == .steady)
        }
    }

    @Test func `is not blamed for what it does once, nor for an outage`() {
        var bench = failedOnce()
        bench.accept(bench.lease(.of(id: 3, lane: 2)), count: 1)
        bench.commit(3)
        for number in 4...6 as ClosedRange<Int64> {
            bench.answer(bench.lease(.of(id: number, lane: 2)), 500)
            #expect(bench.snapshot.parked.isEmpty)
            #expect(bench.snapshot.health != .steady)
            bench.pass(.seconds(9))
            bench.on(.workArrived)
        }
    }

    @Test func `stays parked for the reason it was parked for before`() {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2, lane: 2)), 403)
        bench.commit(2)
        bench.on(.resume)
        bench.answer(bench.lease(.of(id: 3, lane: 2), .probe(.lanes([2]))), 500)
        #expect(bench.snapshot.parks == [.notAllowed])
        #expect(bench.snapshot.health == .steady)
    }
}

@Suite struct `A batch that is too large` {
    @Test func `makes the next ones smaller, for an hour`() {
        var bench = SenderBench.running()
        bench.on(.leased(.nothing(due: nil), .batch))
        let bytes = Lease.of(.log, 100).bytes.count
        bench.answer(bench.lease(.of(.log, 100)), 413)
        bench.commit(1)
        #expect(bench.snapshot.batchBytes == bytes / 2)
        #expect(bench.nextWish()?.bytesMax == bytes / 2)
        bench.pass(.seconds(3600))
        #expect(bench.nextWish()?.bytesMax == bytes / 2 * 2)
    }

    @Test func `teaches nothing when it was a single event`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of()), 413)
        #expect(bench.snapshot.batchBytes == Limits.batchBytesMax)
    }
}

@Suite struct `A 2xx without ids` {
    @Test func `counts as delivered where the operator said so`() throws {
        var settings = SenderSettings()
        settings.acceptsBare2xx = true
        var bench = SenderBench.running(settings, answered: [])
        bench.answer(bench.lease(.of(.feedback, 2)), 204)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.deliveredNumbers == [1000, 1001])
        #expect(settlement.delivered.allSatisfy { $0.id.isEmpty && $0.projectID == nil })
        #expect(settlement.routeAnswered)
        #expect(bench.snapshot.health == .steady)
    }
}

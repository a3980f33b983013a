import SpoolCore
import SpoolSender
import Testing

@Suite struct `Refusals` {
    @Test func `the named culprits of a 422 travel alone`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 4))
        let item = { (place: Int) in
            #"{"loc":["body",\#(place),"project"],"msg":"m","type":"t"}"#
        }
        bench.answer(id, 422, "{\"detail\":[\(item(2)),\(item(0))]}")
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.regroupedNumbers == [[1000], [1002], [1001, 1003]])
        #expect(settlement.possibleDuplicates == 0)
        #expect(bench.snapshot.health == .steady)
    }

    @Test func `what is too large is halved, then dies`() throws {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(.feedback, 3)), 413)
        #expect(bench.last.settlements.first?.regroupedNumbers == [[1000], [1001, 1002]])
        bench.commit(1)
        bench.answer(bench.lease(.of(.feedback, id: 2)), 413, "too big")
        let dead = try #require(bench.last.settlements.first?.dead.first)
        #expect(dead.reason == .tooLarge)
        #expect(dead.status == 413)
        #expect(dead.words == "too big")
    }

    @Test func `a refusal of one event is believed on a route that has answered`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of()), 400, "bad")
        #expect(bench.last.settlements.first?.deadNumbers == [1000])
        #expect(bench.snapshot.health == .steady)
    }

    @Test func `a refusal by a stranger parks the destination and kills nothing`() throws {
        var bench = SenderBench.running(answered: [])
        bench.answer(bench.lease(.of()), 404, "not here")
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [1000])
        #expect(settlement.returned.allSatisfy { !$0.countsAttempt })
        guard case .parked(.misconfigured, _) = bench.snapshot.health else {
            Issue.record("\(bench.snapshot.health)")
            return
        }
        #expect(bench.snapshot.trouble?.words == "not here")
    }

    @Test func `the embedded archive is always believed`() {
        var settings = SenderSettings()
        settings.isArchive = true
        var bench = SenderBench.running(settings, answered: [])
        bench.answer(bench.lease(.of()), 409)
        #expect(bench.last.settlements.first?.deadNumbers == [1000])
    }

    @Test func `a result whose log is unknown waits by itself, and parks nothing`() throws {
        var bench = SenderBench.running(answered: [.postLogs])
        bench.answer(bench.lease(.of(.evaluationResult)), 404)
        let back = try #require(bench.last.settlements.first?.returned.first)
        #expect(back.countsAttempt)
        #expect(bench.snapshot.parks.isEmpty)
        bench.commit(1)
        // An evaluation log names nothing that may come: its route has yet to show that it is served.
        bench.answer(bench.lease(.of(.evaluationLog, id: 2, lane: 4)), 404)
        #expect(bench.last.settlements.first?.returnedNumbers == [2000])
        #expect(bench.snapshot.parkedLanes == [4])
        #expect(bench.snapshot.health == .steady)
    }

    @Test func `an effect whose log is unknown waits by itself, and dies after ten minutes`() throws
    {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(.update, attempts: 3)), 404)
        let back = try #require(bench.last.settlements.first?.returned.first)
        #expect(back.countsAttempt)
        #expect(try #require(back.notBefore) <= bench.wall + .seconds(8))
        #expect(bench.snapshot.health == .steady)
        bench.commit(1)
        bench.pass(.seconds(600))
        bench.on(.workArrived)
        bench.answer(
            bench.lease(.of(.update, id: 2, attempts: 4)), 404, "who?")
        let dead = try #require(bench.last.settlements.first?.dead.first)
        #expect(dead.reason == .causeUnknown)
    }
}

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
        // A wish from before the park may still bring that lane: it goes back unsent.
        bench.lease(.of(id: 3, lane: 2))
        #expect(bench.last.exchanges.isEmpty)
        #expect(bench.last.settlements.first?.returnedNumbers == [3000])
        bench.commit(3)
        let probe = try #require(bench.pass(.seconds(1)).wishes.first { $0.isProbe })
        #expect(probe.parkedLanes.isEmpty)
        bench.accept(bench.lease(.of(id: 4, lane: 2), .parkedLanes), count: 1)
        #expect(bench.snapshot.parkedLanes.isEmpty)
    }

    @Test func `probes of an empty parked lane do not go on without end`() {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2, lane: 2)), 402)
        bench.commit(2)
        var probes = 0
        for _ in 0..<600 {
            let wishes = bench.pass(.seconds(1)).wishes.filter(\.isProbe)
            probes += wishes.count
            if !wishes.isEmpty { bench.on(.leased(.nothing(due: nil), .parkedLanes)) }
        }
        #expect((1...600).contains(probes))
    }

    @Test func `when every lane tried in the last minute may not, the destination is parked`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(id: 1, lane: 1)), 403)
        guard case .parked(.notAllowed, _) = bench.snapshot.health else {
            Issue.record("\(bench.snapshot.health)")
            return
        }
        bench.commit(1)
        // The probe goes through the parked lanes too.
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.on(.workArrived)
        let probe = bench.pass(.seconds(60)).wishes.first
        #expect(probe?.isProbe == true)
        #expect(probe?.parkedLanes == [])
        bench.accept(bench.lease(.of(id: 2, lane: 2)), count: 1)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parkedLanes == [1])
    }

    @Test func `a misconfigured route is parked lane by lane while others go on`() throws {
        var bench = SenderBench.running(answered: [.postLogs])
        bench.answer(bench.lease(.of(.feedback, id: 1, lane: 5)), 405)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parkedLanes == [5])
        bench.commit(1)
        // Another lane of that route shows up: its batch goes back, and the lane is left out.
        bench.lease(.of(.feedback, id: 2, lane: 6))
        #expect(bench.last.exchanges.isEmpty)
        bench.commit(2)
        #expect(bench.snapshot.parkedLanes == [5, 6])
        bench.accept(bench.lease(.of(.log, id: 3, lane: 7)), count: 1)
        #expect(bench.snapshot.parkedLanes == [5, 6])
        bench.commit(3)
        bench.pass(.seconds(1))
        bench.accept(bench.lease(.of(.feedback, id: 4, lane: 6), .parkedLanes), count: 1)
        #expect(bench.snapshot.parkedLanes.isEmpty)
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

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
        #expect(bench.snapshot.parkedRoutes == [.postEvaluationLog])
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
            bench.lease(.of(.update, id: 2, from: 1, attempts: 4)), 404, "who?")
        let dead = try #require(bench.last.settlements.first?.dead.first)
        #expect(dead.reason == .causeUnknown)
    }
}

import SpoolCore
import SpoolSender
import Testing

@Suite struct `In doubt` {
    @Test func `logs are asked about one by one, found ones recorded, others halved`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 5))
        bench.answer(id, 500)
        #expect(bench.last.settlements.isEmpty)
        #expect(bench.pass(.milliseconds(1999)).exchanges.isEmpty)
        bench.pass(.milliseconds(1))
        for place in 0..<5 {
            let question = try #require(bench.last.exchanges.first)
            #expect(question.request.method == "PATCH")
            #expect(question.request.target == "/logs?reference_id=r100\(place)")
            #expect(question.request.body == Array("{}".utf8))
            if place == 1 {
                bench.answer(question.id, 200, #"{"id":"data_9","project_id":"pr_1"}"#)
            } else {
                bench.answer(question.id, 404)
            }
        }
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.delivered.map(\.id) == ["data_9"])
        #expect(settlement.deliveredNumbers == [1001])
        #expect(settlement.regroupedNumbers == [[1000, 1002], [1003, 1004]])
        #expect(settlement.possibleDuplicates == 0)
        #expect(!settlement.routeAnswered)
        bench.commit(1)
        #expect(bench.snapshot.inDoubt == 0)
    }

    @Test func `after a timeout the question waits for one timeout more`() {
        var bench = SenderBench.running()
        let id = bench.lease(.of())
        bench.on(.exchanged(id, .noAnswer(reason: "late", timedOut: true)))
        #expect(bench.pass(.milliseconds(29_999)).exchanges.isEmpty)
        #expect(bench.pass(.milliseconds(1)).exchanges.count == 1)
    }

    @Test func `an update is sent again, not counted`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.update))
        #expect(bench.last.exchanges.first?.request.target == "/logs?reference_id=r%201000")
        bench.on(.exchanged(id, .noAnswer(reason: "reset", timedOut: false)))
        let settlement = try #require(bench.pass(.seconds(2)).settlements.first)
        #expect(settlement.returnedNumbers == [1000])
        #expect(settlement.possibleDuplicates == 0)
    }

    @Test func `an update by id is sent again, not counted`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.update, route: .patchLog))
        #expect(bench.last.exchanges.first?.request.target == "/logs/r%201000")
        bench.on(.exchanged(id, .noAnswer(reason: "reset", timedOut: false)))
        let settlement = try #require(bench.pass(.seconds(2)).settlements.first)
        #expect(settlement.returnedNumbers == [1000])
        #expect(settlement.possibleDuplicates == 0)
    }

    @Test(arguments: [EventKind.session, .evaluationResult])
    func `a session and a result are sent again and counted`(kind: EventKind) throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(kind))
        bench.on(.exchanged(id, .noAnswer(reason: "reset", timedOut: false)))
        let settlement = try #require(bench.pass(.seconds(2)).settlements.first)
        #expect(bench.last.exchanges.isEmpty)
        #expect(settlement.returnedNumbers == [1000])
        #expect(settlement.possibleDuplicates == 1)
        bench.commit(1)
        #expect(bench.snapshot.tally.possibleDuplicates == [kind: 1])
    }

    @Test func `an evaluation log is asked about by the reference of the log inside`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.evaluationLog))
        #expect(
            bench.last.exchanges.first?.request.target
                == "/evaluations/ev_1/log?evaluatee_id=e")
        bench.answer(id, 500)
        let question = try #require(bench.pass(.seconds(2)).exchanges.first)
        #expect(question.request.target == "/logs?reference_id=r1000")
        bench.answer(question.id, 200, #"{"id":"data_9","session_id":"sesh_1"}"#)
        let delivered = try #require(bench.last.settlements.first?.delivered.first)
        #expect(delivered.id == "data_9")
        #expect(delivered.sessionID == "sesh_1")
        #expect(bench.last.settlements.first?.possibleDuplicates == 0)
    }

    @Test func `feedback is sent again singly and counted`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.feedback, 3))
        bench.answer(id, 502)
        let settlement = try #require(bench.pass(.seconds(2)).settlements.first)
        #expect(settlement.regroupedNumbers == [[1000], [1001], [1002]])
        #expect(settlement.possibleDuplicates == 3)
        bench.commit(1)
        #expect(bench.snapshot.tally.possibleDuplicates == [.feedback: 3])
    }

    @Test func `logs are sent again and counted where asking is switched off or does not work`() {
        var off = SenderSettings()
        off.inDoubt = .resend
        for bench in [
            SenderBench.running(off), SenderBench.running(calibration: .resend),
        ] {
            var bench = bench
            let id = bench.lease(.of(.log, 2))
            bench.answer(id, 500)
            let settlement = bench.pass(.seconds(2)).settlements.first
            #expect(settlement?.regroupedNumbers == [[1000], [1001]])
            #expect(settlement?.possibleDuplicates == 2)
        }
    }

    @Test func `what cannot be asked about is sent again and counted`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 2, isAskable: false))
        bench.answer(id, 500)
        let settlement = try #require(bench.pass(.seconds(2)).settlements.first)
        #expect(settlement.regroupedNumbers == [[1000], [1001]])
        #expect(settlement.possibleDuplicates == 2)
    }

    @Test func `a failed question ends the round, and what it found out is recorded`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 3))
        bench.answer(id, 500)
        bench.pass(.seconds(2))
        bench.answer(try #require(bench.last.exchanges.first).id, 200, #"{"id":"data_9"}"#)
        bench.answer(try #require(bench.last.exchanges.first).id, 503)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.deliveredNumbers == [1000])
        #expect(settlement.returned.isEmpty && settlement.regrouped.isEmpty)
        bench.commit(1)
        let again = try #require(bench.pass(.seconds(120)).exchanges.first)
        #expect(again.request.target == "/logs?reference_id=r1001")
    }

    @Test func `an answered question ends a rest, but deliveries that fail on rest longer`() throws
    {
        var bench = SenderBench.running()
        var rests: [Duration] = []
        for number in 1...10 as ClosedRange<Int64> {
            bench.answer(bench.lease(.of(.log, 2, id: number)), 200, "<html>")
            guard case .backingOff(let rest) = bench.snapshot.health else {
                Issue.record("\(bench.snapshot.health)")
                return
            }
            rests.append(rest)
            bench.pass(.seconds(60))
            for _ in 0..<2 { bench.answer(try #require(bench.last.exchanges.first).id, 404) }
            bench.commit(number)
            #expect(bench.snapshot.health == .steady)
        }
        #expect(try #require(rests.max()) > .seconds(8))
    }

    @Test func `only one lease asks at a time while the destination is unwell`() throws {
        var bench = SenderBench.running()
        let first = bench.lease(.of(.log, 2, id: 1))
        let second = bench.lease(.of(.log, 2, id: 2))
        bench.answer(first, 500)
        bench.answer(second, 500)
        #expect(bench.pass(.seconds(2)).exchanges.count == 1)
        // The answer shows that it is well again: the other lease asks too.
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        #expect(bench.last.exchanges.count == 2)
    }

    @Test func `the last run's leases are asked about two seconds after the start`() throws {
        var bench = SenderBench.running(leases: [.of(.log, 2, id: 7), .of(.feedback, 2, id: 8)])
        #expect(bench.last.exchanges.isEmpty)
        bench.pass(.seconds(2))
        let feedback = try #require(bench.last.settlements.first)
        #expect(feedback.returnedNumbers == [8000, 8001])
        #expect(feedback.possibleDuplicates == 2)
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        let logs = try #require(bench.last.settlements.first)
        #expect(logs.returnedNumbers == [7000, 7001])
        #expect(logs.possibleDuplicates == 0)
    }

    @Test func `a 2xx that answers nothing is asked about, or parks what cannot be asked`() throws {
        var bench = SenderBench.running()
        let log = bench.lease(.of(.log, 2, id: 1))
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.answer(log, 200, "<html>")
        #expect(bench.pass(.seconds(2)).exchanges.count == 1)
        bench = SenderBench.running()
        let feedback = bench.lease(.of(.feedback, id: 2, lane: 5))
        bench.answer(feedback, 204)
        #expect(bench.snapshot.parks == [.misconfigured])
        #expect(bench.snapshot.parkedRoutes == [.postFeedback])
        let settlement = try #require(bench.pass(.seconds(2)).settlements.first)
        #expect(settlement.returnedNumbers == [2000])
        #expect(settlement.possibleDuplicates == 1)
        bench = SenderBench.running()
        let evaluated = bench.lease(.of(.evaluationLog, id: 3))
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.answer(evaluated, 200, "<html>")
        #expect(bench.snapshot.parks.isEmpty)
        #expect(bench.pass(.seconds(2)).exchanges.count == 1)
    }
}

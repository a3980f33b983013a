import SpoolCore
import SpoolSender
import Testing

@Suite struct `Leasing` {
    @Test func `begins after the last run's leases are known`() {
        var bench = SenderBench()
        #expect(bench.on(.start).recalls)
        #expect(bench.on(.workArrived).wishes.isEmpty)
        let nothing = Recollection(
            leases: [], answeredRoutes: [], deliveredReferences: [], calibration: .undecided)
        #expect(bench.on(.recalled(nothing)).wishes.count == 1)
    }

    @Test func `a batch is sent, recorded, and the next one asked for`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 2, id: 4))
        let request = try #require(bench.last.exchanges.first?.request)
        #expect(request.method == "POST")
        #expect(request.target == "/logs")
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == #"[{"reference_id":"r4000","output":"x"},{"reference_id":"r4001","output":"x"}]"#
        )
        #expect(bench.last.wishes.count == 1)
        bench.accept(id, count: 2)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.lease == 4)
        #expect(settlement.deliveredNumbers == [4000, 4001])
        #expect(settlement.delivered.map(\.id) == ["data_1_0", "data_1_1"])
        #expect(settlement.delivered[0].projectID == "pr_1")
        #expect(settlement.routeAnswered)
        bench.commit(4)
        #expect(bench.snapshot.tally.delivered == 2)
        #expect(bench.snapshot.inFlight == 0)
    }

    @Test func `what travels alone is recorded with upstream's ids`() throws {
        var bench = SenderBench.running()
        let session = bench.lease(.of(.session, id: 1))
        let request = try #require(bench.last.exchanges.first?.request)
        #expect(request.target == "/sessions")
        #expect(request.body.isEmpty)
        bench.answer(session, 201, #"{"id":"sesh_1"}"#)
        #expect(bench.last.settlements.first?.delivered.first?.id == "sesh_1")
        bench.commit(1)
        let log = bench.lease(.of(.evaluationLog, id: 2))
        bench.answer(log, 201, #"{"id":"data_1","project_id":"pr_1","session_id":"sesh_1"}"#)
        let delivered = try #require(bench.last.settlements.first?.delivered.first)
        #expect(delivered.id == "data_1")
        #expect(delivered.projectID == "pr_1")
        #expect(delivered.sessionID == "sesh_1")
        bench.commit(2)
        bench.answer(bench.lease(.of(.evaluationResult, id: 3)), 201, #"{"id":"evr_1"}"#)
        #expect(bench.last.settlements.first?.delivered.first?.id == "evr_1")
        #expect(bench.last.settlements.first?.routeAnswered == true)
    }

    @Test func `an empty queue is asked again when work arrives, or a settlement frees some`() {
        var bench = SenderBench.running()
        let id = bench.lease(.of())
        #expect(bench.on(.leased(.nothing(due: nil), .batch)).wishes.isEmpty)
        #expect(bench.pass(.seconds(600)).wishes.isEmpty)
        #expect(bench.on(.workArrived).wishes.count == 1)
        #expect(bench.on(.leased(.nothing(due: nil), .batch)).wishes.isEmpty)
        bench.accept(id, count: 1)
        #expect(bench.last.wishes.isEmpty)
        bench.commit(1)
        #expect(bench.last.wishes.count == 1)
    }

    @Test func `an event that waits for time alone is asked for then`() {
        var bench = SenderBench.running()
        bench.on(.leased(.nothing(due: bench.wall + .seconds(5)), .batch))
        #expect(bench.pass(.milliseconds(4999)).wishes.isEmpty)
        #expect(bench.pass(.milliseconds(1)).wishes.count == 1)
        // The wall clock may be set, so a far instant is looked at every minute.
        bench.on(.leased(.nothing(due: bench.wall + .seconds(86_400)), .batch))
        #expect(bench.pass(.seconds(60)).wishes.count == 1)
    }

    @Test func `a failing disk is asked again in a second`() {
        var bench = SenderBench.running()
        #expect(bench.on(.leased(.failing, .batch)).wishes.isEmpty)
        #expect(bench.pass(.seconds(1)).wishes.count == 1)
    }

    @Test func `requests under way grow from two to eight as they succeed`() {
        var bench = SenderBench.running()
        var wishes = bench.last.wishes.count
        var open: [(exchange: Int, lease: Int64)] = []
        var underWay: [Int] = []
        var lease: Int64 = 0
        for _ in 0..<200 {
            while wishes > 0 {
                lease += 1
                open.append((bench.lease(.of(id: lease)), lease))
                wishes += bench.last.wishes.count - 1
            }
            underWay.append(open.count)
            let oldest = open.removeFirst()
            bench.accept(oldest.exchange, count: 1)
            wishes += bench.last.wishes.count
            bench.commit(oldest.lease)
            wishes += bench.last.wishes.count
        }
        #expect(underWay.first == 2)
        #expect(underWay.max() == Limits.inFlightMax)
    }
}

@Suite struct `Backing off` {
    @Test func `what was surely not applied goes back and the destination rests as asked`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 3))
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.answer(id, 503, "busy", retryAfter: "20")
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [1000, 1001, 1002])
        #expect(settlement.returned.allSatisfy { $0.notBefore == nil && !$0.countsAttempt })
        bench.commit(1)
        #expect(bench.snapshot.health == .backingOff(.seconds(20)))
        #expect(bench.snapshot.trouble?.status == 503)
        #expect(bench.snapshot.trouble?.words == "busy")
        #expect(bench.pass(.milliseconds(19_999)).wishes.isEmpty)
        let wishes = bench.pass(.milliseconds(1)).wishes
        #expect(wishes.count == 1)
        #expect(wishes.first?.isProbe == false)
        // One request at a time until the first success.
        let again = bench.lease(.of(id: 2))
        #expect(bench.last.wishes.isEmpty)
        bench.accept(again, count: 1)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.last.wishes.count == 2)
    }

    @Test func `events that were parted from others stay parted`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(.log, 2, isRegrouped: true)), 429)
        #expect(bench.last.settlements.first?.regroupedNumbers == [[1000, 1001]])
        bench.lease(.of(.log, 2, id: 2, isRegrouped: true))
        #expect(bench.last.exchanges.isEmpty)
        #expect(bench.last.settlements.first?.regroupedNumbers == [[2000, 2001]])
    }

    @Test(arguments: [408, 415, 425, 503])
    func
        `a status that speaks of no rate parts what it meets, the first time of a fresh batch apart`(
            status: Int
        )
    {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(.log, 2, id: 1)), status)
        #expect(bench.last.settlements.first?.returnedNumbers == [1000, 1001])
        bench.commit(1)
        for id in 2...9 as ClosedRange<Int64> {
            bench.pass(.seconds(60))
            bench.answer(bench.lease(.of(.log, 2, id: id)), status)
            let moved = bench.last.settlements.first
            // A long outage is no event's fault.
            let parts: [[Int64]] = id <= 6 ? [[id * 1000], [id * 1000 + 1]] : []
            #expect(moved?.regroupedNumbers == parts)
            bench.commit(id)
        }
        bench.pass(.seconds(60))
        bench.answer(bench.lease(.of(.log, 2, id: 10, isRegrouped: true)), status)
        #expect(bench.last.settlements.first?.regroupedNumbers == [[10000], [10001]])
    }

    @Test func `one outage counts once, however many requests it fails`() {
        var bench = SenderBench.running()
        let first = bench.lease(.of(id: 1))
        let second = bench.lease(.of(id: 2))
        bench.on(.exchanged(first, .notSent(reason: "refused")))
        let until = bench.snapshot.health
        bench.on(.exchanged(second, .notSent(reason: "refused")))
        #expect(bench.snapshot.health == until)
        #expect(bench.last.settlements.first?.returnedNumbers == [2000])
    }

    @Test func `a success from before the failure does not cut the rest short`() {
        var bench = SenderBench.running()
        let first = bench.lease(.of(id: 1))
        let second = bench.lease(.of(id: 2))
        bench.answer(first, 429, retryAfter: "9")
        bench.accept(second, count: 1)
        #expect(bench.snapshot.health == .backingOff(.seconds(9)))
        #expect(bench.last.settlements.first?.deliveredNumbers == [2000])
    }

    @Test func `after a failure that left doubt a single event tries`() {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 2))
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.answer(id, 500)
        let wishes = bench.on(.workArrived).wishes + bench.pass(.seconds(1)).wishes
        #expect(wishes.map(\.isProbe) == [true])
    }

    @Test func `a lease that comes after the failure goes back unsent, no attempt spent`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(id: 1))
        bench.answer(id, 503, retryAfter: "5")
        bench.lease(.of(.log, 2, id: 2))
        #expect(bench.last.exchanges.isEmpty)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [2000, 2001])
        #expect(settlement.returned.allSatisfy { !$0.countsAttempt && $0.notBefore == nil })
    }

    @Test func `a settlement that the disk refused is tried again as it was`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 2))
        bench.accept(id, count: 2)
        bench.on(.settled(lease: 1, .failing))
        #expect(bench.last.settlements.isEmpty)
        let again = try #require(bench.pass(.seconds(1)).settlements.first)
        #expect(again.deliveredNumbers == [1000, 1001])
        #expect(again.routeAnswered)
        bench.commit(1)
        #expect(bench.snapshot.tally.delivered == 2)
    }

    @Test func `a single event that keeps failing while others succeed waits alone`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(attempts: 1))
        bench.answer(id, 500)
        #expect(bench.snapshot.health == .steady)
        let question = try #require(bench.pass(.seconds(2)).exchanges.first)
        bench.answer(question.id, 404)
        let back = try #require(bench.last.settlements.first?.returned.first)
        #expect(back.countsAttempt)
        #expect(try #require(back.notBefore) >= bench.wall)
        #expect(try #require(back.notBefore) <= bench.wall + .seconds(2))
    }
}

@Suite struct `Stopping` {
    @Test func `an idle sender stops at once, before its start too`() {
        var bench = SenderBench()
        #expect(bench.on(.stop).stopped)
        bench = SenderBench.running()
        bench.on(.leased(.nothing(due: nil), .batch))
        #expect(bench.on(.stop).stopped)
        #expect(bench.on(.workArrived).isEmpty)
    }

    @Test func `outstanding answers are waited for and recorded`() {
        var bench = SenderBench.running()
        let id = bench.lease(.of())
        bench.on(.leased(.nothing(due: nil), .batch))
        #expect(!bench.on(.stop).stopped)
        bench.accept(id, count: 1)
        #expect(bench.last.settlements.first?.deliveredNumbers == [1000])
        #expect(!bench.last.stopped)
        bench.commit(1)
        #expect(bench.last.stopped)
    }

    @Test func `a lease whose request has not begun goes back`() {
        var bench = SenderBench.running()
        bench.on(.stop)
        #expect(!bench.last.stopped)
        bench.lease(.of(.log, 2))
        #expect(bench.last.exchanges.isEmpty)
        #expect(bench.last.settlements.first?.returnedNumbers == [1000, 1001])
        bench.commit(1)
        #expect(bench.last.stopped)
    }

    @Test func `what has no answer in time stays in flight`() {
        var bench = SenderBench.running()
        bench.lease(.of())
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.on(.stop)
        #expect(!bench.pass(.milliseconds(9999)).stopped)
        let actions = bench.pass(.milliseconds(1))
        #expect(actions.stopped)
        #expect(actions.settlements.isEmpty)
    }

    @Test func `what is in doubt stays so, and no question is asked`() {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 2))
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.on(.stop)
        bench.answer(id, 500)
        #expect(bench.last.stopped)
        #expect(bench.last.settlements.isEmpty)
        #expect(bench.last.exchanges.isEmpty)
    }

    @Test func `a question under way is waited for, and its finding recorded`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 2))
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.answer(id, 500)
        bench.pass(.seconds(2))
        let question = try #require(bench.last.exchanges.first)
        bench.on(.stop)
        bench.answer(question.id, 200, #"{"id":"data_1"}"#)
        #expect(bench.last.settlements.first?.deliveredNumbers == [1000])
        #expect(bench.last.exchanges.isEmpty)
        bench.commit(1)
        #expect(bench.last.stopped)
    }

    @Test func `a settlement that the disk refuses does not hold up the stop for ever`() {
        var bench = SenderBench.running()
        let id = bench.lease(.of())
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.accept(id, count: 1)
        bench.on(.stop)
        var stopped = false
        for _ in 0..<11 where !stopped {
            bench.on(.settled(lease: 1, .failing))
            stopped = bench.pass(.seconds(1)).stopped
        }
        #expect(stopped)
    }
}

import SpoolCore
import SpoolSender
import Testing

/// What a sender knows again after a restart, seen from outside: one bench writes, another reads.
@Suite struct `Notes over a restart` {
    @Test func `a backoff goes on where it was`() throws {
        var bench = SenderBench.running()
        for number in 1...4 as ClosedRange<Int64> {
            bench.on(.exchanged(bench.lease(.of(id: number)), .notSent(reason: "refused")))
            bench.commit(number)
            bench.pass(.seconds(9))
        }
        bench.answer(bench.lease(.of(id: 9)), 503, retryAfter: "40")
        guard case .backingOff(let before) = bench.snapshot.health else {
            Issue.record("\(bench.snapshot.health)")
            return
        }
        let again = SenderBench.running(notes: bench.notes)
        guard case .backingOff(let after) = again.snapshot.health else {
            Issue.record("\(again.snapshot.health)")
            return
        }
        #expect(after <= before && before - after < .milliseconds(2))
        // The failures before are not forgotten either.
        #expect(bench.notes.contains("[null,"))
    }

    @Test(arguments: [Duration.seconds(-86_400), .seconds(86_400)])
    func `a clock that was set in between prolongs nothing`(jump: Duration) {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of()), 503, retryAfter: "20")
        var again = SenderBench()
        again.jump(jump)
        again.begin(notes: bench.notes)
        switch again.snapshot.health {
        case .steady: Issue.record("the backoff was forgotten")
        case .backingOff(let rest): #expect(rest <= .seconds(20))
        case .parked: Issue.record("parked")
        }
    }

    @Test func `parks keep their reason and scope, and are tried at once`() {
        var bench = SenderBench.running(answered: [.postLogs])
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2, lane: 2)), 403)
        bench.commit(2)
        bench.answer(bench.lease(.of(.feedback, id: 3, lane: 3)), 405)
        bench.commit(3)
        let before = bench.snapshot.parked
        #expect(before.map(\.scope) == [.route(.postFeedback), .lane(2)])
        let again = SenderBench.running(answered: [.postLogs], notes: bench.notes)
        #expect(again.snapshot.parked.map(\.scope) == before.map(\.scope))
        #expect(again.snapshot.parked.map(\.park) == [.misconfigured, .notAllowed])
        #expect(again.last.probes == [.route(.postFeedback)])
    }

    @Test func `a refused key is tried at once, with one event`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of()), 401)
        bench.commit(1)
        let again = SenderBench.running(notes: bench.notes)
        guard case .parked(.unauthorized, _) = again.snapshot.health else {
            Issue.record("\(again.snapshot.health)")
            return
        }
        #expect(again.last.probes == [.everywhere])
    }

    @Test func `deaths in a row, lonely lanes and the smaller size are known`() {
        var bench = SenderBench.running()
        for number in 1...19 as ClosedRange<Int64> {
            bench.answer(bench.lease(.of(id: number, lane: 2)), 400)
            bench.commit(number)
        }
        bench.answer(bench.lease(.of(.log, 10, id: 50)), 413)
        bench.commit(50)
        var again = SenderBench.running(notes: bench.notes)
        #expect(again.snapshot.deathsInARow == [2: 19])
        #expect(again.snapshot.lonelyLanes == [2])
        #expect(again.snapshot.batchBytes == bench.snapshot.batchBytes)
        #expect(again.snapshot.batchBytes < Limits.batchBytesMax)
        again.answer(again.lease(.of(id: 60, lane: 2)), 400)
        #expect(again.snapshot.parks == [.refusing])
    }

    @Test func `what timed out waits for the rest of its time, and still parts`() throws {
        var bench = SenderBench.running()
        let id = bench.lease(.of(.log, 2))
        bench.on(.exchanged(id, .noAnswer(reason: "late", timedOut: true)))
        bench.pass(.seconds(10))
        var again = SenderBench.running(leases: [.of(.log, 2)], notes: bench.notes)
        #expect(again.pass(.milliseconds(29_999)).exchanges.isEmpty)
        let question = try #require(again.pass(.milliseconds(1)).exchanges.first)
        again.answer(question.id, 404)
        again.answer(try #require(again.last.exchanges.first).id, 404)
        #expect(again.last.settlements.first?.regroupedNumbers == [[1000], [1001]])
    }

    @Test func `what needs no remembering leaves no trace`() {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1)), count: 1)
        #expect(bench.notes.isEmpty)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2)), 503)
        #expect(bench.notes.contains("health"))
        bench.commit(2)
        bench.pass(.seconds(1))
        bench.accept(bench.lease(.of(id: 3)), count: 1)
        #expect(!bench.notes.contains("health"))
    }

    @Test func `they travel with the settlement that causes them`() throws {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of()), 401)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.notes?.contains("unauthorized") == true)
        #expect(bench.last.notes.count == 1)
    }

    @Test func `without a settlement they are kept at most once a second`() {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(.log, 2, id: 1)), 500)
        #expect(bench.last.notes.count == 1)
        bench.on(.resume)
        #expect(bench.last.notes.isEmpty)
        #expect(bench.pass(.milliseconds(999)).notes.isEmpty)
        #expect(bench.pass(.milliseconds(1)).notes.count == 1)
    }

    @Test func `a doubt that begins is noted at once, so that a crash shortens no wait`() throws {
        var bench = SenderBench.running()
        let first = bench.lease(.of(.log, 2, id: 1))
        let second = bench.lease(.of(.log, 2, id: 2))
        bench.on(.exchanged(first, .noAnswer(reason: "late", timedOut: true)))
        #expect(bench.last.notes.count == 1)
        bench.on(.exchanged(second, .noAnswer(reason: "late", timedOut: true)))
        #expect(bench.last.notes.count == 1)
        // Killed in the same instant.
        var again = SenderBench.running(leases: [.of(.log, 2, id: 2)], notes: bench.notes)
        #expect(again.pass(.milliseconds(29_999)).exchanges.isEmpty)
        #expect(again.pass(.milliseconds(1)).exchanges.count == 1)
    }

    @Test func `what is in doubt parts after a crash too, while some of it is sent alone`() throws {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        bench.answer(bench.lease(.of(.log, 3)), 500)
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.pass(.seconds(2))
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        #expect(bench.last.exchanges.first?.request.method == "POST")
        var again = SenderBench.running(leases: [.of(.log, 3)], notes: bench.notes)
        again.pass(.seconds(2))
        for _ in 0..<3 { again.answer(try #require(again.last.exchanges.first).id, 404) }
        #expect(again.last.settlements.first?.regroupedNumbers == [[1000], [1001, 1002]])
    }

    @Test(arguments: [
        "x", "{}", "[]", "null", #"{"version":2,"parks":[],"deaths":[],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"parks":[[1]],"deaths":[],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"parks":[[2,36,"nonsense",1]],"deaths":[],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"parks":[[2,36,"refusing",0]],"deaths":[],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"parks":[[2,99,"refusing",1]],"deaths":[],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"parks":[],"deaths":[[1,-1]],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"health":[5],"parks":[],"deaths":[],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"unproven":[[9,1]],"parks":[],"deaths":[],"lonely":[],"doubts":[]}"#,
        #"{"version":1,"batch":[0],"parks":[],"deaths":[],"lonely":[],"doubts":[]}"#,
    ])
    func `damaged ones are ignored`(notes: String) {
        var bench = SenderBench.running(notes: notes)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.snapshot.parked.isEmpty)
        bench.accept(bench.lease(.of()), count: 1)
        #expect(bench.last.settlements.first?.deliveredNumbers == [1000])
    }

    @Test func `their numbers are bounded, whatever they say`() {
        let far = "9007199254740992"
        let notes = """
            {"version":1,"health":["refusing",\(far),true,\(far),\(far)],\
            "parks":[[\(far),36,"refusing",\(far)],[null,32,"misconfigured",1]],\
            "deaths":[[\(far),\(far)]],"lonely":[[1,\(far),\(far)]],\
            "batch":[\(far),\(far),\(far)],"doubts":[[1,\(far),\(far),true]]}
            """
        // Beyond reason, so ignored as a whole.
        #expect(SenderBench.running(notes: notes).snapshot.parked.isEmpty)
        let large = "1125899906842624"
        var bench = SenderBench.running(notes: notes.replacing(far, with: large))
        #expect(!bench.snapshot.parked.isEmpty)
        for _ in 0..<50 { bench.pass(.seconds(600)) }
        bench.on(.resume)
        bench.accept(bench.lease(.of()), count: 1)
        #expect(bench.snapshot.health == .steady)
    }

    @Test func `the largest fit into what the queue keeps`() {
        var bench = SenderBench.running()
        let first = Int64.max / 1000 - 2000
        for number in 0..<1100 as Range<Int64> {
            let lease = Lease.of(id: number + 1, lane: first + number)
            bench.answer(bench.lease(lease), number % 2 == 0 ? 400 : 403)
            bench.commit(number + 1)
            bench.accept(bench.lease(.of(id: 5000 + number, lane: 1)), count: 1)
            bench.commit(5000 + number)
        }
        #expect(bench.snapshot.parkedLanes.count == 550)
        #expect(bench.notes.utf8.count > 10_000)
        #expect(bench.notes.utf8.count <= Limits.senderNotesMax)
        let again = SenderBench.running(notes: bench.notes)
        #expect(again.snapshot.parkedLanes.count == 200)
        #expect(again.snapshot.lonelyLanes.count == 300)
    }
}

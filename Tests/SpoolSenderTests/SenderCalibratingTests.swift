import SpoolCore
import SpoolSender
import Testing

@Suite struct `Calibrating` {
    @Test func `the first delivery is looked for, and a fresh reference is not found`() throws {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        bench.accept(bench.lease(.of(.log, 5)), count: 5)
        let delivered = try #require(bench.last.exchanges.first)
        #expect(delivered.request.target == "/logs?reference_id=r1004")
        bench.answer(delivered.id, 200, #"{"id":"data_1","reference_id":"r1004"}"#)
        let unused = try #require(bench.last.exchanges.first)
        #expect(unused.request.target.hasPrefix("/logs?reference_id=unused-"))
        bench.answer(unused.id, 404)
        #expect(bench.snapshot.calibration == .ask)
        bench.commit(1)
        // Recorded with the next settlement, once.
        bench.accept(bench.lease(.of(id: 2)), count: 1)
        #expect(bench.last.settlements.first?.calibration == .ask)
        bench.commit(2)
        bench.accept(bench.lease(.of(id: 3)), count: 1)
        #expect(bench.last.settlements.first?.calibration == nil)
    }

    @Test func `the delivery of an evaluation log is looked for too`() throws {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        let id = bench.lease(.of(.evaluationLog))
        bench.answer(id, 201, #"{"id":"data_1","project_id":"pr_1"}"#)
        #expect(bench.last.exchanges.first?.request.target == "/logs?reference_id=r1000")
    }

    @Test func `a known destination is examined at the start`() throws {
        let bench = SenderBench.running(references: ["a/b", "c"])
        #expect(bench.last.exchanges.first?.request.target == "/logs?reference_id=a%2Fb")
        var off = SenderSettings()
        off.inDoubt = .resend
        #expect(SenderBench.running(off, references: ["a"]).last.exchanges.isEmpty)
    }

    @Test func `three unknown deliveries switch to sending again, looked at hourly`() throws {
        var bench = SenderBench.running(references: ["a", "b", "c"], calibration: .undecided)
        for _ in 0..<3 { bench.answer(try #require(bench.last.exchanges.first).id, 404) }
        #expect(bench.snapshot.calibration == .resend)
        #expect(bench.pass(.seconds(3599)).exchanges.isEmpty)
        let again = try #require(bench.pass(.seconds(1)).exchanges.first)
        bench.answer(again.id, 200, #"{"id":"data_1"}"#)
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        #expect(bench.snapshot.calibration == .ask)
    }

    @Test func `unclear answers are asked again with backoff, and doubts wait`() throws {
        var bench = SenderBench.running(references: ["a"], calibration: .undecided)
        let first = try #require(bench.last.exchanges.first)
        bench.answer(bench.lease(.of(.log, 2)), 500)
        bench.answer(first.id, 403)
        var asked = 0
        for _ in 0..<20 {
            bench.pass(.seconds(60))
            for question in bench.last.exchanges {
                asked += 1
                #expect(question.request.target == "/logs?reference_id=a")
                bench.answer(question.id, 403)
            }
            #expect(bench.last.settlements.isEmpty)
        }
        #expect((10...600).contains(asked))
        #expect(bench.snapshot.inDoubt == 1)
    }

    /// Does what is to be done, until nothing is: questions are answered as `answer` says, settlements
    /// are committed.
    private func serve(
        _ bench: inout SenderBench, _ answer: (UpstreamRequest) -> (Int, String)
    ) throws {
        var actions = bench.last
        while !actions.isEmpty {
            switch actions.removeFirst() {
            case .exchange(let id, let question):
                try #require(question.method == "PATCH")
                let (status, body) = answer(question)
                bench.answer(id, status, body)
            case .settle(let settlement): bench.commit(settlement.lease)
            default: continue
            }
            actions += bench.last
        }
    }

    /// Lets hours pass in which every question is answered by `status`, and a log is delivered now and
    /// then, where there is room for one. Returns how long it took until no doubt was left.
    private func wait(
        _ bench: inout SenderBench, status: Int, deliver: Bool = true, hours: Int = 4
    ) throws -> Duration? {
        for minute in 0..<(hours * 60) {
            bench.pass(.seconds(60))
            try serve(&bench) { _ in (status, "") }
            if bench.snapshot.inDoubt == 0 { return .seconds(minute * 60) }
            guard deliver, bench.nextWish() != nil else { continue }
            bench.accept(bench.lease(.of(.log, id: Int64(1000 + minute))), count: 1)
            try serve(&bench) { _ in (status, "") }
        }
        return nil
    }

    @Test(arguments: [403, 500])
    func `questions that fail for an hour while deliveries succeed are given up`(status: Int)
        throws
    {
        for known in [Calibration.undecided, .ask] {
            var bench = SenderBench.running(references: ["a"], calibration: known)
            let first = try #require(bench.last.exchanges.first)
            bench.answer(bench.lease(.of(.log, 2)), 500)
            bench.answer(first.id, status)
            let took = try #require(try wait(&bench, status: status))
            #expect(took >= .seconds(3540) && took < .seconds(2 * 3600))
            #expect(bench.snapshot.calibration == .resend)
            #expect(bench.snapshot.tally.possibleDuplicates == [.log: 2])
        }
    }

    @Test func `questions that fail while nothing is delivered are asked for ever`() throws {
        var bench = SenderBench.running(references: ["a"], calibration: .undecided)
        let first = try #require(bench.last.exchanges.first)
        bench.answer(bench.lease(.of(.log, 2)), 500)
        bench.answer(first.id, 500)
        #expect(try wait(&bench, status: 500, deliver: false, hours: 24) == nil)
        #expect(bench.snapshot.calibration == .undecided)
    }

    @Test func `where every lease is in doubt and no question is answered, one more is delivered`()
        throws
    {
        let doubts = (1...Int64(SenderSettings.doubtsMax)).map { Lease.of(.log, id: $0) }
        var bench = SenderBench.running(leases: doubts, references: ["a"], calibration: .undecided)
        bench.answer(try #require(bench.last.exchanges.first).id, 403)
        #expect(bench.nextWish() == nil)
        let took = try #require(try wait(&bench, status: 403))
        #expect(took > .seconds(3540))
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: doubts.count])
    }

    @Test(arguments: [SenderSettings.stuckDoubtsMax, SenderSettings.stuckDoubtsMax + 16])
    func `where the last lease that may be is in doubt too, one goes back to make room`(count: Int)
        throws
    {
        let doubts = (1...Int64(count)).map { Lease.of(.log, Int($0 % 2) + 1, id: $0) }
        var bench = SenderBench.running(leases: doubts, references: ["a"], calibration: .ask)
        bench.answer(try #require(bench.last.exchanges.first).id, 500)
        _ = try wait(&bench, status: 500, deliver: false, hours: 3)
        // Nothing is delivered: what room was made for goes nowhere.
        #expect(bench.snapshot.inDoubt == SenderSettings.stuckDoubtsMax - 1)
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: count - 63])
        _ = try #require(try wait(&bench, status: 500))
        #expect(bench.snapshot.calibration == .resend)
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: count * 3 / 2])
    }

    @Test func `an upstream that refuses the unknown is asked about a whole batch at once`() throws
    {
        var bench = SenderBench.refusingTheUnknown(by: 422)
        #expect(bench.snapshot.calibration == .ask)
        bench.answer(bench.lease(.of(.log, 100)), 500)
        bench.pass(.seconds(3))
        try serve(&bench) { question in
            question.target.hasSuffix("=r1007")
                ? (200, #"{"id":"data_9","reference_id":"r1007"}"#) : (422, "")
        }
        #expect(bench.snapshot.inDoubt == 0)
        #expect(bench.snapshot.tally.delivered == 1)
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: 99])
    }

    @Test func `its refusals by another status are not believed at once`() throws {
        var bench = SenderBench.refusingTheUnknown(by: 422)
        bench.answer(bench.lease(.of(.log, 2)), 500)
        bench.pass(.seconds(3))
        try serve(&bench) { _ in (400, "") }
        #expect(bench.snapshot.inDoubt == 1)
        #expect(bench.snapshot.tally.possibleDuplicates.isEmpty)
    }

    @Test func `a fresh upstream that answers no question gets a batch in doubt again`() throws {
        let doubts = (1...Int64(SenderSettings.doubtsMax)).map { Lease.of(.log, 100, id: $0) }
        var bench = SenderBench.running(
            leases: doubts, answered: [], references: [], calibration: .undecided)
        for _ in 0..<(8 * 60) where bench.snapshot.inDoubt == doubts.count {
            bench.pass(.seconds(60))
            try serve(&bench) { _ in (500, "") }
        }
        #expect(bench.nextWish() != nil)
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: 100])
    }

    @Test func `a fresh upstream that refuses to be asked gets the logs in doubt again`() throws {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        bench.answer(bench.lease(.of(.log, 3)), 500)
        _ = try wait(&bench, status: 422, deliver: false, hours: 1)
        #expect(bench.snapshot.inDoubt == 0)
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: 3])
    }

    @Test func `one log that upstream cannot be asked about does not stay in doubt for ever`()
        throws
    {
        var bench = SenderBench.running(references: ["a"], calibration: .ask)
        bench.answer(try #require(bench.last.exchanges.first).id, 200, #"{"id":"data_1"}"#)
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        bench.answer(bench.lease(.of(.log, 2)), 500)
        for _ in 0..<300 where bench.snapshot.inDoubt > 0 {
            bench.pass(.seconds(60))
            try serve(&bench) { question in
                if question.target.contains("unused-") { return (404, "") }
                return (question.target.hasSuffix("=r1000") ? 500 : 200, #"{"id":"data_9"}"#)
            }
        }
        #expect(bench.snapshot.inDoubt == 0)
        #expect(bench.snapshot.calibration == .ask)
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: 1])
        #expect(bench.snapshot.tally.delivered == 1)
    }

    @Test func `with nothing delivered yet one event is sent alone first`() throws {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        bench.answer(bench.lease(.of(.log, 3)), 500)
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.pass(.seconds(2))
        let question = try #require(bench.last.exchanges.first)
        #expect(question.request.target == "/logs?reference_id=r1000")
        bench.answer(question.id, 404)
        let alone = try #require(bench.last.exchanges.first)
        #expect(alone.request.method == "POST")
        #expect(
            String(decoding: alone.request.body, as: UTF8.self)
                == #"[{"reference_id":"r1000","output":"x"}]"#)
        bench.accept(alone.id, count: 1)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.deliveredNumbers == [1000])
        let found = try #require(bench.last.exchanges.first)
        #expect(found.request.target == "/logs?reference_id=r1000")
        bench.answer(found.id, 200, #"{"id":"data_1"}"#)
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        bench.commit(1)
        #expect(bench.snapshot.calibration == .ask)
        // The others are asked about now.
        #expect(bench.last.exchanges.first?.request.target == "/logs?reference_id=r1001")
    }

    /// Four logs in doubt where nothing was delivered yet; upstream takes each and knows none. Returns
    /// the settlements that named events, in order.
    private func lied(_ bench: inout SenderBench, tries: Int) throws -> [Settlement] {
        var settlements: [Settlement] = []
        var posts = 0
        while let next = bench.last.exchanges.first {
            if next.request.method == "POST" {
                posts += 1
                if posts > tries { break }
                bench.accept(next.id, count: 1)
            } else {
                bench.answer(next.id, 404)
            }
            while let settlement = bench.last.settlements.first {
                settlements.append(settlement)
                let exchanges = bench.last.exchanges
                bench.commit(settlement.lease)
                if bench.last.exchanges.isEmpty, let pending = exchanges.first {
                    bench.answer(pending.id, 404)
                }
            }
        }
        return settlements
    }

    private func doubting(_ count: Int) -> SenderBench {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        bench.answer(bench.lease(.of(.log, count)), 500)
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.pass(.seconds(2))
        return bench
    }

    @Test func `what was sent alone on an unproven word is counted once the word proves false`()
        throws
    {
        var bench = doubting(4)
        let settlements = try lied(&bench, tries: 3)
        #expect(bench.snapshot.calibration == .resend)
        #expect(settlements.map(\.deliveredNumbers) == [[1000], [1001], [1002], []])
        // Three were sent alone, the fourth goes back: upstream may have had each of them before.
        #expect(settlements.map(\.possibleDuplicates) == [0, 0, 0, 4])
        #expect(bench.snapshot.tally.possibleDuplicates == [.log: 4])
    }

    @Test func `where none of them is left, the next logs' settlement carries the count, once`()
        throws
    {
        var bench = doubting(3)
        let settlements = try lied(&bench, tries: 3)
        #expect(settlements.map(\.possibleDuplicates) == [0, 0, 0])
        #expect(bench.snapshot.calibration == .resend)
        var counts: [Int] = []
        for (number, kind) in zip(20..., [EventKind.feedback, .log, .log]) {
            bench.on(.workArrived)
            bench.accept(bench.lease(.of(kind, id: Int64(number))), count: 1)
            counts.append(try #require(bench.last.settlements.first).possibleDuplicates)
            bench.commit(Int64(number))
        }
        #expect(counts == [0, 3, 0])
    }

    @Test func `the count outlives a crash, and is dropped where the word proves true`() throws {
        var bench = doubting(1)
        bench.answer(try #require(bench.last.exchanges.first).id, 404)
        // Noted before it is sent.
        let actions = bench.last
        let noted = actions.firstIndex { if case .keep = $0 { true } else { false } }
        let sent = actions.firstIndex { if case .exchange = $0 { true } else { false } }
        #expect(try #require(noted) < #require(sent))
        for (calibration, count) in [(Calibration.resend, 1), (.ask, 0)] {
            var again = SenderBench.running(calibration: calibration, notes: bench.notes)
            again.accept(again.lease(.of(id: 7)), count: 1)
            #expect(again.last.settlements.first?.possibleDuplicates == count)
        }
    }

    @Test func `a wrong base URL is not hammered with events tried alone`() {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        bench.answer(bench.lease(.of(.log, 50)), 404)
        bench.on(.leased(.nothing(due: nil), .batch))
        var requests = 0
        for _ in 0..<300 {
            var actions = bench.pass(.seconds(1))
            while let next = actions.exchanges.first {
                requests += 1
                bench.answer(next.id, 404)
                actions = bench.last
                if let settlement = actions.settlements.first {
                    #expect(settlement.dead.isEmpty && settlement.delivered.isEmpty)
                    bench.commit(1)
                    actions = bench.last
                }
            }
        }
        #expect((2...60).contains(requests))
        #expect(bench.snapshot.health != .steady)
    }

    @Test func `an upstream that knows every reference is never believed`() throws {
        var bench = SenderBench.running(answered: [], calibration: .undecided)
        bench.answer(bench.lease(.of(.log, 2)), 500)
        bench.pass(.seconds(2))
        // The doubtful event is "found", and so are all others.
        for _ in 0..<3 {
            let question = try #require(bench.last.exchanges.first)
            bench.answer(question.id, 200, #"{"id":"data_1"}"#)
        }
        #expect(bench.snapshot.calibration == .resend)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.delivered.isEmpty)
        #expect(settlement.possibleDuplicates == 2)
    }
}

import SpoolCore
import SpoolSender
import Testing

@Suite struct `Effects by reference` {
    private static let log = #"{"id":"data_9","project_id":"pr_1"}"#

    private func question(_ bench: SenderBench) throws -> (id: Int, target: String) {
        let exchange = try #require(bench.last.exchanges.first)
        #expect(exchange.request.method == "PATCH")
        #expect(exchange.request.body == Array("{}".utf8))
        return (exchange.id, exchange.request.target)
    }

    private func delivery(_ bench: SenderBench) throws -> (id: Int, body: String) {
        let exchange = try #require(bench.last.exchanges.first)
        #expect(exchange.request.method == "POST")
        return (exchange.id, String(decoding: exchange.request.body, as: UTF8.self))
    }

    @Test func `are sent with upstream's id, which is asked for first`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a/b"]))
        let question = try question(bench)
        #expect(question.target == "/logs?reference_id=a%2Fb")
        bench.answer(question.id, 200, Self.log)
        let delivery = try delivery(bench)
        #expect(delivery.body == #"[{"data_id":"data_9","n":0}]"#)
        bench.accept(delivery.id, count: 1)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.deliveredNumbers == [1000])
        #expect(settlement.possibleDuplicates == 0)
        #expect(bench.snapshot.tally.questions == 1)
    }

    @Test func `an evaluation result gets the id as its log`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a"], .evaluationResult))
        bench.answer(try question(bench).id, 200, Self.log)
        let delivery = try delivery(bench)
        #expect(delivery.body == #"{"log_id":"data_9","n":0}"#)
        bench.answer(delivery.id, 201, #"{"id":"evr_1"}"#)
        #expect(bench.last.settlements.first?.delivered.first?.id == "evr_1")
    }

    @Test func `references that differ only by normal form are two`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["caf\u{e9}", "cafe\u{301}"]))
        bench.answer(try question(bench).id, 200, #"{"id":"data_1"}"#)
        let second = try question(bench)
        #expect(second.target == "/logs?reference_id=cafe%CC%81")
        bench.answer(second.id, 200, #"{"id":"data_2"}"#)
        #expect(
            try delivery(bench).body
                == #"[{"data_id":"data_1","n":0},{"data_id":"data_2","n":1}]"#)
    }

    @Test func `each reference is asked for once, then all travel together`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", nil, "b", "a"]))
        let first = try question(bench)
        #expect(first.target == "/logs?reference_id=a")
        bench.answer(first.id, 200, #"{"id":"data_1"}"#)
        let second = try question(bench)
        #expect(second.target == "/logs?reference_id=b")
        bench.answer(second.id, 200, #"{"id":"data_2"}"#)
        #expect(
            try delivery(bench).body == """
                [{"data_id":"data_1","n":0},{"n":1,"data_id":"known"},\
                {"data_id":"data_2","n":2},{"data_id":"data_1","n":3}]
                """)
    }

    @Test func `those whose log is unknown wait by themselves, the others go`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", "b", nil, "a"]))
        bench.answer(try question(bench).id, 404)
        bench.answer(try question(bench).id, 200, Self.log)
        let aside = try #require(bench.last.settlements.first)
        // What stays behind is settled before the others are sent, which keep their slot.
        #expect(bench.last.exchanges.isEmpty)
        #expect(bench.on(.leased(.batch(.of(id: 2)), .batch)).wishes.isEmpty)
        #expect(aside.returnedNumbers == [1000, 1003])
        #expect(aside.returned.allSatisfy { $0.countsAttempt })
        #expect(aside.returned.allSatisfy { $0.notBefore.map { $0 >= bench.wall } ?? false })
        #expect(aside.dead.isEmpty && aside.regrouped.isEmpty && aside.possibleDuplicates == 0)
        bench.commit(1)
        let delivery = try delivery(bench)
        #expect(delivery.body == #"[{"data_id":"data_9","n":1},{"n":2,"data_id":"known"}]"#)
        bench.accept(delivery.id, count: 2)
        #expect(bench.last.settlements.first?.deliveredNumbers == [1001, 1002])
        bench.commit(1)
        #expect(bench.snapshot.inDoubt == 0)
        #expect(bench.snapshot.health == .steady)
    }

    @Test func `a settlement of those left behind that the disk refused is tried again first`()
        throws
    {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", nil]))
        bench.answer(try question(bench).id, 404)
        bench.on(.settled(lease: 1, .failing))
        #expect(bench.last.exchanges.isEmpty)
        let again = try #require(bench.pass(.seconds(1)).settlements.first)
        #expect(again.returnedNumbers == [1000])
        bench.commit(1)
        #expect(try delivery(bench).body == #"[{"n":1,"data_id":"known"}]"#)
    }

    /// Asks about the log that an effect names; returns whether the effect died.
    private func dies(
        _ bench: inout SenderBench, lease: Int64, status: Int = 404
    ) throws -> Bool {
        bench.on(.workArrived)
        bench.lease(.naming(["a"], id: lease, from: 1, attempts: 9))
        bench.answer(try question(bench).id, status, "who?")
        return bench.last.settlements.first?.dead.isEmpty == false
    }

    @Test func `they die when upstream has said for ten minutes that it does not know their log`()
        throws
    {
        var bench = SenderBench.running()
        // However long they had waited before, for an upstream that was down.
        bench.pass(.seconds(86_400))
        #expect(try !dies(&bench, lease: 1))
        bench.commit(1)
        bench.pass(.milliseconds(599_999))
        #expect(try !dies(&bench, lease: 2))
        bench.commit(2)
        bench.pass(.milliseconds(1))
        #expect(try dies(&bench, lease: 3))
        let dead = try #require(bench.last.settlements.first?.dead.first)
        #expect(dead.sequence.rawValue == 1000)
        #expect(dead.reason == .causeUnknown)
        #expect(dead.status == 404)
        #expect(dead.words == "who?")
        #expect(bench.snapshot.trouble?.route == .patchLogByReference)
    }

    @Test(arguments: [6, -6])
    func `a clock that is set neither ends nor prolongs their ten minutes`(hours: Int) throws {
        var bench = SenderBench.running()
        #expect(try !dies(&bench, lease: 1))
        bench.commit(1)
        bench.jump(.seconds(hours * 3600))
        #expect(try !dies(&bench, lease: 2))
        bench.commit(2)
        bench.pass(.seconds(600))
        #expect(try dies(&bench, lease: 3))
    }

    @Test func `they die too where an examination has shown that refusals mean unknown`() throws {
        var bench = SenderBench.refusingTheUnknown(by: 422)
        #expect(try !dies(&bench, lease: 1, status: 422))
        bench.commit(1)
        bench.pass(.seconds(600))
        #expect(try dies(&bench, lease: 2, status: 422))
    }

    @Test func `many that such an upstream does not know keep nothing else waiting`() throws {
        var bench = SenderBench.refusingTheUnknown(by: 422)
        bench.lease(.naming(["a", "b", "c"]))
        bench.answer(try question(bench).id, 422)
        bench.answer(try question(bench).id, 422)
        bench.answer(try question(bench).id, 200, Self.log)
        #expect(bench.last.settlements.first?.returnedNumbers == [1000, 1001])
        bench.commit(1)
        #expect(try delivery(bench).body == #"[{"data_id":"data_9","n":2}]"#)
    }

    @Test func `on the word of a stranger they never die`() throws {
        var bench = SenderBench.running(answered: [])
        let old = Timestamp(milliseconds: bench.wall.milliseconds - 86_400_000)
        bench.pass(.seconds(600))
        bench.on(.workArrived)
        bench.lease(.naming(["a"], acceptedAt: old))
        bench.answer(try question(bench).id, 404)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.dead.isEmpty)
        #expect(settlement.returned.first?.countsAttempt == true)
    }

    @Test(arguments: [408, 425, 429, 503])
    func `an upstream that wants to rest gets the lease back unsent`(status: Int) throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", nil, "b"]))
        bench.answer(try question(bench).id, status, retryAfter: "9")
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [1000, 1001, 1002])
        #expect(settlement.returned.allSatisfy { !$0.countsAttempt && $0.notBefore == nil })
        #expect(bench.snapshot.health == .backingOff(.seconds(9)))
    }

    @Test func `nor does a lost question count against the others`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", nil, "b"]))
        bench.on(.exchanged(try question(bench).id, .noAnswer(reason: "late", timedOut: true)))
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returned.filter(\.countsAttempt).map(\.sequence.rawValue) == [1000])
        #expect(Set(settlement.returnedNumbers) == [1000, 1001, 1002])
        #expect(settlement.possibleDuplicates == 0)
        #expect(bench.snapshot.health != .steady)
    }

    @Test func `one whose question keeps failing while others succeed is its own trouble`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a"], attempts: 1))
        bench.answer(try question(bench).id, 500)
        #expect(bench.snapshot.health == .steady)
        #expect(bench.last.settlements.first?.returned.first?.countsAttempt == true)
    }

    @Test(arguments: [403, 405, 415, 200])
    func `an answer that decides nothing leaves the asked one to itself`(status: Int) throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", "b"]))
        bench.answer(try question(bench).id, status, "{}")
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [1000, 1001])
        #expect(settlement.returned.map(\.countsAttempt) == [true, false])
        #expect(bench.snapshot.health == .steady)
    }

    @Test func `what was found out before an unclear answer is not lost`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", "b", nil]))
        bench.answer(try question(bench).id, 404)
        bench.answer(try question(bench).id, 503)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [1000, 1001, 1002])
        #expect(settlement.returned.map(\.countsAttempt) == [true, false, false])
    }

    @Test func `events that were parted from others stay parted`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", nil, nil], isRegrouped: true))
        bench.answer(try question(bench).id, 503)
        #expect(bench.last.settlements.first?.regroupedNumbers == [[1000, 1001, 1002]])
    }

    @Test func `a refused key parks the destination; the next probe takes another`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a"]))
        bench.answer(try question(bench).id, 401)
        guard case .parked(.unauthorized, let rest) = bench.snapshot.health else {
            Issue.record("\(bench.snapshot.health)")
            return
        }
        let back = try #require(bench.last.settlements.first?.returned.first)
        #expect(!back.countsAttempt)
        #expect(try #require(back.notBefore) > bench.wall + rest)
    }

    @Test func `a lease that is being resolved takes a slot, and gives way to an outage`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", "b"], id: 1))
        let question = try question(bench)
        let other = bench.lease(.of(id: 2))
        #expect(bench.last.wishes.isEmpty)
        bench.answer(other, 503, retryAfter: "5")
        bench.answer(question.id, 200, Self.log)
        #expect(bench.last.exchanges.isEmpty)
        let settlement = try #require(bench.last.settlements.first { $0.lease == 1 })
        #expect(settlement.returnedNumbers == [1000, 1001])
        #expect(settlement.returned.allSatisfy { !$0.countsAttempt })
    }

    @Test func `when sent and lost, feedback is sent again and counted, once`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a"]))
        bench.answer(try question(bench).id, 200, Self.log)
        bench.answer(try delivery(bench).id, 500)
        let settlement = try #require(bench.pass(.seconds(2)).settlements.first)
        #expect(bench.last.exchanges.isEmpty)
        #expect(settlement.returnedNumbers == [1000])
        #expect(settlement.possibleDuplicates == 1)
    }

    @Test func `a stop waits for the question and gives the lease back unsent`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", "b"]))
        let question = try question(bench)
        bench.on(.leased(.nothing(due: nil), .batch))
        #expect(!bench.on(.stop).stopped)
        bench.answer(question.id, 404)
        #expect(bench.last.exchanges.isEmpty)
        let settlement = try #require(bench.last.settlements.first)
        #expect(settlement.returnedNumbers == [1000, 1001])
        #expect(settlement.returned.map(\.countsAttempt) == [true, false])
        bench.commit(1)
        #expect(bench.last.stopped)
    }

    @Test func `a stop after some were left behind sends no others`() throws {
        var bench = SenderBench.running()
        bench.lease(.naming(["a", nil]))
        let question = try question(bench)
        bench.on(.leased(.nothing(due: nil), .batch))
        bench.answer(question.id, 404)
        bench.on(.stop)
        bench.commit(1)
        #expect(bench.last.exchanges.isEmpty)
        #expect(bench.last.settlements.first?.returnedNumbers == [1001])
        #expect(!bench.last.stopped)
        bench.commit(1)
        #expect(bench.last.stopped)
    }
}

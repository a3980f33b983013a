import SpoolCore
import SpoolSender
import Testing

/// What the machine tells of upstream's words, for `status`.
@Suite struct `What upstream said` {
    @Test func `stays with each parked lane, whatever is said to others later`() throws {
        var bench = SenderBench.running()
        bench.accept(bench.lease(.of(id: 1, lane: 1)), count: 1)
        bench.commit(1)
        bench.answer(bench.lease(.of(id: 2, lane: 2)), 402, "no credit left for pay")
        bench.commit(2)
        bench.accept(bench.lease(.of(id: 3, lane: 1)), count: 1)
        bench.commit(3)
        bench.answer(bench.lease(.of(id: 4, lane: 3)), 403, "not yours")
        bench.commit(4)
        bench.accept(bench.lease(.of(id: 5, lane: 1)), count: 1)
        bench.commit(5)
        bench.answer(bench.lease(.of(id: 6, lane: 1)), 400, "odd")
        let parked = bench.snapshot.parked
        #expect(parked.map(\.scope) == [.lane(2), .lane(3)])
        #expect(parked.map { $0.said?.status } == [402, 403])
        #expect(parked.map { $0.said?.words } == ["no credit left for pay", "not yours"])
        #expect(bench.snapshot.trouble?.words == "odd")
    }

    @Test func `stays with a parked destination while a question fails in another way`() throws {
        var bench = SenderBench.running()
        let doubtful = bench.lease(.of(id: 1))
        bench.answer(bench.lease(.of(id: 2)), 401, "no such key")
        bench.on(.exchanged(doubtful, .noAnswer(reason: "reset", timedOut: false)))
        bench.commit(2)
        let question = try #require(bench.pass(.seconds(5)).exchanges.first)
        bench.answer(question.id, 500, "questions are broken")
        let said = try #require(bench.snapshot.parked.first?.said)
        #expect(said.status == 401)
        #expect(said.words == "no such key")
        #expect(bench.snapshot.questionTrouble?.words == "questions are broken")
    }

    @Test func `to a question that parks the destination is told too`() throws {
        var bench = SenderBench.running()
        bench.answer(bench.lease(.of(id: 1)), 500, "oops")
        let question = try #require(bench.pass(.seconds(5)).exchanges.first)
        bench.answer(question.id, 401, "no such key")
        let said = try #require(bench.snapshot.parked.first?.said)
        #expect(said.status == 401)
        #expect(said.words == "no such key")
    }

    @Test func `to a failed question stands beside the delivery's, with when the next goes`() throws
    {
        var bench = SenderBench.running()
        #expect(bench.snapshot.nextQuestion == nil)
        bench.answer(bench.lease(.of(id: 1)), 500, "oops")
        #expect(bench.snapshot.nextQuestion != nil)
        let question = try #require(bench.pass(.seconds(5)).exchanges.first)
        #expect(bench.snapshot.nextQuestion == .zero)
        bench.answer(question.id, 503, "questions are broken")
        let snapshot = bench.snapshot
        #expect(snapshot.trouble?.words == "oops")
        #expect(snapshot.questionTrouble?.status == 503)
        #expect(snapshot.questionTrouble?.words == "questions are broken")
        let next = try #require(snapshot.nextQuestion)
        #expect(next > .zero)
        #expect(bench.pass(next - .milliseconds(1)).exchanges.isEmpty)
        #expect(!bench.pass(.milliseconds(1)).exchanges.isEmpty)
    }

    @Test func `about logs that are not asked about has no next question`() {
        var settings = SenderSettings()
        settings.inDoubt = .resend
        var bench = SenderBench.running(settings)
        bench.answer(bench.lease(.of(id: 1)), 500, "oops")
        #expect(bench.snapshot.nextQuestion == nil)
    }
}

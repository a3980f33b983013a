import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("A full spool")
struct FullSpoolTests {
    private func large(_ project: String) -> TestEvent {
        .log(project: project, text: String(repeating: "x", count: 600))
    }

    private func refusal(_ spool: TestSpool, _ event: TestEvent) throws -> AppendRefusal? {
        try refusal(spool, [event])
    }

    private func refusal(_ spool: TestSpool, _ events: [TestEvent]) throws -> AppendRefusal? {
        let submission = TestEvent.submission(events, identity: spool.store.identity)
        guard case .failure(let refusal) = try spool.commit({ try $0.append(submission) }) else {
            return nil
        }
        return refusal
    }

    @Test("above half, a noisy project is refused while a quiet one is accepted")
    func leavesRoom() throws {
        let spool = try TestSpool(settings: QueueSettings(bytesMax: 20_000, freeDiskBytesMin: 0))
        try spool.append(large("quiet"))
        var accepted = 0
        while try refusal(spool, large("noisy")) == nil { accepted += 1 }
        #expect(accepted > 8, "below half full nobody is refused")
        #expect(spool.store.usedBytes < 13_000, "a third is left for others")
        #expect(try refusal(spool, large("quiet")) == nil)
        #expect(try refusal(spool, large("new")) == nil)
        #expect(try refusal(spool, large("noisy")) == .full)
        _ = try spool.drain()
        #expect(try refusal(spool, large("noisy")) == nil)
    }

    @Test("what a project's effects take counts as the project's, and a caller's as the caller's")
    func effectsLeaveRoom() throws {
        let text = String(repeating: "x", count: 600)
        let effects: [(EventSequence) -> TestEvent] = [
            { .feedback(on: $0, text: text) },
            { _ in .update("n", text: text) },
            { log in
                var result = TestEvent.result(on: log)
                result.text = text
                return result
            },
            { _ in .newSession },
        ]
        for effect in effects {
            let spool = try TestSpool(
                settings: QueueSettings(bytesMax: 20_000, freeDiskBytesMin: 0))
            try spool.append(large("quiet"))
            let log = try spool.append(.log("n", project: "noisy"))[0]
            while try refusal(spool, effect(log)) == nil {}
            #expect(spool.store.usedBytes < 13_000, "\(effect(log).kind): a third is left")
            #expect(try refusal(spool, large("quiet")) == nil)
        }
    }

    @Test("above half, an effect in one request with its log counts as the log's project's")
    func effectOfTheSameRequest() throws {
        let spool = try TestSpool(settings: QueueSettings(bytesMax: 20_000, freeDiskBytesMin: 0))
        try spool.append(large("quiet"))
        var number = 0
        func both() -> [TestEvent] {
            number += 1
            let text = String(repeating: "x", count: 600)
            return [.log("n\(number)", project: "noisy"), .update("n\(number)", text: text)]
        }
        while try refusal(spool, both()) == nil {}
        #expect(spool.store.usedBytes < 13_000)
    }

    @Test("a project of many small events leaves room like one of few large ones")
    func smallEvents() throws {
        let spool = try TestSpool(settings: QueueSettings(bytesMax: 20_000, freeDiskBytesMin: 0))
        try spool.append(large("quiet"))
        while try refusal(spool, .log(project: "noisy", text: "")) == nil {}
        #expect(spool.store.usedBytes < 13_000)
    }

    @Test("one project alone may fill it")
    func aloneFillsIt() throws {
        let spool = try TestSpool(settings: QueueSettings(bytesMax: 20_000, freeDiskBytesMin: 0))
        while try refusal(spool, large("only")) == nil {}
        #expect(spool.store.usedBytes > 19_000)
    }

    @Test("what a project holds is known again after a restart")
    func sharesSurvive() throws {
        let spool = try TestSpool()
        try spool.append(large("p"), large("q"), large("q"))
        let number = try spool.commit { try $0.project("name:q") }
        let bytes = spool.store.lanes.spoolBytes(ofProject: number)
        #expect(bytes > 1200)
        try spool.crash()
        #expect(spool.store.lanes.spoolBytes(ofProject: number) == bytes)
        let sum = try spool.store.connection.integer("SELECT sum(payload_bytes) FROM lane")
        #expect(sum == spool.store.ledger.payloadBytes)
        _ = try spool.drain()
        #expect(spool.store.lanes.spoolBytes(ofProject: number) == 0)
    }

    @Test(
        "with drop_oldest the oldest make way with what depends on them, and what is in flight never does"
    )
    func dropsOldest() throws {
        var settings = QueueSettings(bytesMax: 5_000, freeDiskBytesMin: 0)
        settings.onFull = .dropOldest
        let spool = try TestSpool(settings: settings)
        let flying = try spool.append(large("p"))[0]
        let lease = try #require(try spool.lease())
        try spool.append(.log("old", text: String(repeating: "x", count: 600)))
        try spool.append(.update("old"))
        for _ in 0..<20 { try spool.append(large("p")) }
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.drop_oldest"] ?? 0 >= 17)
        #expect(spool.store.usedBytes <= 5_000)
        #expect(report.accepted == report.queued + report.inFlight + report.discarded)
        #expect(lease.events.map(\.sequence) == [flying])
        try spool.deliver(lease)
        #expect(try spool.drain().flatMap { $0 }.count == Int(report.queued))
    }

    @Test("what takes more than half of it is refused for good, by itself or with others")
    func neverFits() throws {
        let spool = try TestSpool(settings: QueueSettings(bytesMax: 5_000, freeDiskBytesMin: 0))
        func refusal(_ sizes: Int...) throws -> AppendRefusal? {
            let events = sizes.map { TestEvent.log(text: String(repeating: "x", count: $0)) }
            return try self.refusal(spool, events)
        }
        #expect(try refusal(10, 2_500, 3_000) == .tooLarge(index: 1))
        #expect(try refusal(600, 600, 600, 600) == .tooLarge(index: nil))
        #expect(spool.store.ledger.held == 0)
        #expect(try refusal(600, 600) == nil)
    }

    @Test("nothing is dropped for a request that would not fit into an empty spool")
    func keepsAllForWhatNeverFits() throws {
        var settings = QueueSettings(bytesMax: 5_000, freeDiskBytesMin: 0)
        settings.onFull = .dropOldest
        let spool = try TestSpool(settings: settings)
        try spool.append(large("p"), large("p"))
        let huge = TestEvent.submission(
            [.log("huge", text: String(repeating: "x", count: 6_000))],
            identity: spool.store.identity)
        let answer = try spool.commit { try $0.append(huge) }
        #expect(throws: AppendRefusal.tooLarge(index: 0)) { try answer.get() }
        #expect(spool.store.ledger.held == 2)
    }

    @Test(
        "what was not looked at yet and names a dropped log is dropped with it, for the same reason"
    )
    func dependentsFollow() throws {
        var settings = QueueSettings(bytesMax: 2_500, freeDiskBytesMin: 0)
        settings.onFull = .dropOldest
        let spool = try TestSpool(settings: settings)
        try spool.append(.log("old", text: String(repeating: "x", count: 600)))
        try spool.append(.log("child", parent: "old"))
        for _ in 0..<3 { try spool.append(large("p")) }
        _ = try spool.drain()
        let report = try spool.commit { try $0.report() }
        #expect(report.queued == 0)
        #expect(report.counters["discarded.drop_oldest"] == report.discarded)
        #expect(report.counters["discarded.deleted"] == nil)
    }
}

@Suite("A limit of age")
struct AgeTests {
    private func spool() throws -> TestSpool {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.ageMax = .seconds(3600)
        return try TestSpool(settings: settings)
    }

    private func wait(_ duration: Duration, _ spool: TestSpool) throws {
        spool.time.advance(duration)
        while try spool.store.upkeep() {}
    }

    @Test("discards what is older with what depends on it, counted, and nothing younger")
    func expires() throws {
        let spool = try spool()
        try spool.append(.log("old"))
        try spool.append(.update("old"))
        for _ in 0..<5 { try wait(.seconds(600), spool) }
        try spool.append(.log("young"))
        try wait(.seconds(700), spool)
        let report = try spool.commit { try $0.report() }
        #expect(report.queued == 1)
        #expect(report.counters["discarded.max_age"] == 2)
        #expect(try spool.drain().flatMap { $0 }.count == 1)
    }

    @Test("leaves what is old until what depends on it is in flight no more, and rests meanwhile")
    func dependentInFlight() throws {
        let spool = try spool()
        try wait(.seconds(601), spool)
        try spool.append(.update("x"))
        #expect(try spool.lease() == nil)
        try wait(.seconds(6), spool)
        let lease = try #require(try spool.lease(), "sent as it is, its log unheard of")
        try spool.append(.log("x"))
        try wait(.seconds(3700), spool)
        #expect(spool.store.ledger.held == 2)
        try spool.deliver(lease)
        try wait(.seconds(1), spool)
        #expect(spool.store.ledger.held == 0)
    }

    @Test("takes along what is logged later into a session that grew too old")
    func sessions() throws {
        let spool = try spool()
        let session = try spool.append(.newSession)[0]
        try wait(.seconds(3700), spool)
        var late = TestEvent.log("late")
        late.session = .provisional(session)
        try spool.append(late)
        #expect(try spool.drain() == [], "upstream knows nothing of our own id")
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.max_age"] == 2)
    }

    @Test("pauses after the clock has jumped, until it has gone evenly for ten minutes")
    func pausesAfterJump() throws {
        let spool = try spool()
        try wait(.seconds(601), spool)
        try spool.append(.log("a"))
        spool.time.jump(.seconds(7200))
        while try spool.store.upkeep() {}
        #expect(spool.store.ledger.held == 1)
        try wait(.seconds(599), spool)
        #expect(spool.store.ledger.held == 1)
        try wait(.seconds(2), spool)
        #expect(spool.store.ledger.discarded == 1)
    }

    @Test("is off by default, and costs no index then")
    func offByDefault() throws {
        let spool = try TestSpool()
        let count = try spool.store.connection.integer(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'event_age'")
        #expect(count == 0)
    }
}

@Suite("A reference with other bytes")
struct DuplicateReferenceTests {
    private func event(_ text: String) -> TestEvent {
        var event = TestEvent.log("r", text: text)
        event.isRecognised = true
        return event
    }

    private func append(_ spool: TestSpool, _ events: [TestEvent]) throws
        -> Result<Receipt, AppendRefusal>
    {
        let submission = TestEvent.submission(events, identity: spool.store.identity)
        return try spool.commit { try $0.append(submission) }
    }

    private func refusing() throws -> TestSpool {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.duplicateReferences = .refuse
        return try TestSpool(settings: settings)
    }

    @Test("is another log by default")
    func accepted() throws {
        let spool = try TestSpool()
        try spool.append(event("one"))
        try spool.append(event("two"))
        #expect(spool.store.ledger.accepted == 2)
    }

    @Test("is refused where the operator says so, with its place and name, queued or delivered")
    func refused() throws {
        let spool = try refusing()
        try spool.append(event("one"))
        let other = [TestEvent.log("x"), event("two")]
        let expected = AppendRefusal.duplicate(index: 1, reference: "r")
        #expect(throws: expected) { try append(spool, other).get() }
        #expect(spool.store.ledger.accepted == 1, "an array is refused whole")
        _ = try spool.drain()
        #expect(throws: expected) { try append(spool, other).get() }
        try spool.crash()
        #expect(throws: expected) { try append(spool, other).get() }
    }

    @Test("does not keep a repetition from being recognised")
    func repeats() throws {
        let spool = try refusing()
        let first = try spool.append(event("one"))
        #expect(try spool.append(event("one")) == first)
    }

    @Test("within one request is what the array says")
    func withinOneRequest() throws {
        let spool = try refusing()
        #expect(try append(spool, [event("one"), event("two")]).get().sequences.count == 2)
    }
}

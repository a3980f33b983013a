import SpoolCore
import Testing

@testable import SpoolQueue

@Suite("Causes before effects")
struct CausalOrderTests {
    @Test(
        "a child waits for its parent's 2xx, also when it was accepted first or in the same array")
    func childWaits() throws {
        let spool = try TestSpool()
        let sequences = try spool.append(.log("c", parent: "p"), .log("p"))
        #expect(try spool.drain() == [[sequences[1]], [sequences[0]]])
    }

    @Test("a chain of parents drains level by level")
    func levels() throws {
        let spool = try TestSpool()
        var events: [TestEvent] = []
        for depth in 0..<5 {
            for tree in 0..<20 {
                events.append(
                    .log("t\(tree)-\(depth)", parent: depth == 0 ? nil : "t\(tree)-\(depth - 1)"))
            }
        }
        let sequences = try spool.append(events)
        let batches = try spool.drain()
        #expect(batches == (0..<5).map { Array(sequences[($0 * 20)..<($0 * 20 + 20)]) })
    }

    @Test("a parent by provisional id is waited for, and its id swapped once it is known")
    func provisionalParent() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        try spool.append(.child(of: parent, "c"))
        let first = try #require(try spool.lease())
        #expect(first.events.map(\.sequence) == [parent])
        #expect(try spool.lease() == nil)
        try spool.deliver(first)
        let second = try #require(try spool.lease())
        #expect(second.text(0).contains("\"parent_id\":\"data_up1\""))
    }

    @Test(
        "a name never heard of holds its child for five seconds, then it goes in company of its like"
    )
    func unknownParent() throws {
        let spool = try TestSpool()
        let child = try spool.append(.log("c", parent: "nobody"))[0]
        #expect(try spool.lease() == nil)
        spool.time.advance(.seconds(4))
        #expect(try spool.lease() == nil)
        spool.time.advance(.seconds(1))
        let other = try spool.append(.log("o"))[0]
        let batches = try spool.drain()
        #expect(Set(batches) == [[child], [other]])
    }

    @Test("a parent that comes within the five seconds goes first, and its child right after it")
    func lateParent() throws {
        let spool = try TestSpool()
        let child = try spool.append(.log("c", parent: "late"))[0]
        #expect(try spool.lease() == nil)
        spool.time.advance(.seconds(2))
        let parent = try spool.append(.log("late"))[0]
        #expect(try spool.drain() == [[parent], [child]])
    }

    @Test("a child in doubt whose parent came meanwhile may still be refused for its name")
    func parentComesWhileInDoubt() throws {
        let spool = try TestSpool()
        let child = try spool.append(.log("child", parent: "parent"))
        spool.time.advance(Limits.unknownCauseWait)
        let sent = try #require(try spool.lease())
        #expect(sent.events.map(\.namesUnknownLog) == [true])
        try spool.append(.log("parent"))
        try spool.crash()
        let recalled = try spool.store.recall().leases
        #expect(recalled.flatMap { $0.events.map(\.sequence) } == child)
        #expect(recalled[0].events[0].namesUnknownLog, "upstream need not have the parent yet")
    }

    @Test("effects on one log go in the order of acceptance, each after the one before")
    func chain() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("r"))[0]
        let effects = try spool.append(
            .update("r", text: "1"), .update("r", text: "2"), .feedback(on: log),
            .feedback(on: log),
            .update("r", text: "3"))
        #expect(
            try spool.drain() == [
                [log], [effects[0]], [effects[1]], [effects[2], effects[3]], [effects[4]],
            ])
    }

    @Test("an effect in doubt holds the next one on that log, not those on others")
    func chainHeldByLease() throws {
        let spool = try TestSpool()
        try spool.append(.log("r"), .log("s"))
        _ = try spool.drain()
        let effects = try spool.append(.update("r"), .update("r"), .update("s"))
        let first = try #require(try spool.lease())
        #expect(first.events.map(\.sequence) == [effects[0]])
        #expect(try spool.lease()?.events.map(\.sequence) == [effects[2]])
        #expect(try spool.lease() == nil)
        try spool.deliver(first)
        #expect(try spool.lease()?.events.map(\.sequence) == [effects[1]])
    }

    @Test("a dead parent takes its descendants along, naming the reason")
    func deadCause() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        try spool.append(.log("c", parent: "p"), .log("g", parent: "c"), .child(of: parent, "d"))
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.dead = [.init(sequence: parent, reason: .refused, status: 422, words: "no")]
        try spool.settle(settlement)
        #expect(try spool.drain().isEmpty)
        let report = try spool.commit { try $0.report() }
        #expect(report.dead == 4)
        #expect(report.lastDead.filter { $0.reason == "cause dead" }.count == 3)
    }

    @Test("a replay revives a family in order, and the ledger moves with it")
    func replay() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        let child = try spool.append(.log("c", parent: "p"))[0]
        let update = try spool.append(.update("c"))[0]
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.dead = [.init(sequence: parent, reason: .refused, status: 422, words: "no")]
        try spool.settle(settlement)
        #expect(try spool.drain().isEmpty)
        #expect(spool.store.ledger.dead == 3)
        let step = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
        #expect(step.matches.count == 3)
        #expect(spool.store.ledger.dead == 0)
        #expect(spool.store.ledger.held == 3)
        #expect(try spool.drain() == [[parent], [child], [update]])
        #expect(try spool.commit { try $0.replay(DeadFilter(), after: nil) }.last == nil)
    }

    @Test("thousands of trees drain level by level, in full batches")
    func manyTrees() throws {
        let spool = try TestSpool()
        for depth in 0..<3 {
            let level = (0..<2000).map { tree in
                TestEvent.log("\(tree)-\(depth)", parent: depth == 0 ? nil : "\(tree)-\(depth - 1)")
            }
            try spool.append(level)
        }
        var batches: [[EventSequence]] = []
        while spool.store.ledger.held > 0 {
            let more = try spool.drain()
            try #require(!more.isEmpty, "\(spool.store.ledger.held) events are stuck")
            batches += more
        }
        #expect(batches.flatMap { $0 }.map(\.rawValue) == Array(1...6000))
        #expect(batches.count <= 66, "\(batches.count) batches for 6,000 events")
    }

    @Test("a crash between a delivery and the waking of a large family strands nobody")
    func crashWhileWaking() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        let children = try spool.append((0..<1300).map { .log("c\($0)", parent: "p") })
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == [parent])
        while try spool.lease() != nil {}
        #expect(spool.store.waitingCount > Limits.rowsPerStepMax)
        try spool.deliver(lease)
        try spool.crash()
        var delivered: [EventSequence] = []
        for _ in 0..<10 {
            delivered += try spool.drain().flatMap { $0 }
            _ = try spool.store.upkeep()
        }
        #expect(delivered.sorted() == children)
    }

    @Test("a crash while a family is woken strands nobody behind feedback on its head")
    func crashBehindFeedback() throws {
        let spool = try TestSpool()
        let head = try spool.append(.log("head"))[0]
        try spool.append((0..<600).map { .log("c\($0)", parent: "head") })
        var wish = LeaseWish(linger: .zero)
        wish.parkedRoutes = [.postFeedback]
        let lease = try #require(try spool.lease(wish))
        for _ in 0..<3 { #expect(try spool.lease(wish) == nil) }
        try spool.append(.feedback(on: head))
        #expect(spool.store.waitingCount == 600)
        try spool.deliver(head, of: lease)
        #expect(spool.store.waitingCount == 100)
        try spool.crash()
        #expect(try spool.drain(wish).joined().count == 600)
    }

    @Test("two logs under one name are both waited for")
    func sharedName() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("same"), .log("same"))
        let child = try spool.append(.log("c", parent: "same"))[0]
        let first = try #require(try spool.lease(LeaseWish(eventsMax: 1, linger: .zero)))
        try spool.deliver(first)
        #expect(try spool.drain() == [[logs[1]], [child]])
    }
}

@Suite("Lanes")
struct LaneTests {
    @Test("a noisy project does not hold up a quiet one")
    func fairness() throws {
        let spool = try TestSpool()
        let body = String(repeating: "x", count: 4000)
        try spool.append((0..<200).map { _ in .log(project: "noisy", text: body) })
        let quiet = try spool.append(.log(project: "quiet"))[0]
        let lease = try #require(try spool.lease(LeaseWish(eventsMax: 50, linger: .zero)))
        #expect(lease.events.count == 50)
        #expect(lease.events.contains { $0.sequence == quiet })
    }

    @Test("effects on a delivered log go in the lane of its project, by whatever name")
    func effectsKeepTheirProject() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("a", project: "one"), .log("b", project: "two"))
        _ = try spool.drain()
        try spool.append(
            .update("a"), .feedback(on: logs[0]), .feedback(onReference: "b"), .result(on: logs[1]))
        let lanes = spool.store.lanes.all.values.filter { $0.route != .postLogs }
        #expect(Set(lanes.map(\.project)) == Set(spool.store.projects.values))
        #expect(spool.store.projects.keys.map(\.text).sorted() == ["name:one", "name:two"])
    }

    @Test("a parked lane gives nothing until it is freed, and others go on")
    func parked() throws {
        let spool = try TestSpool()
        try spool.append(.log(project: "a"), .log(project: "b"))
        let lane = try #require(try spool.lease(LeaseWish(eventsMax: 1, linger: .zero))).events[0]
            .lane
        try spool.append(.log(project: "a"))
        var wish = LeaseWish(linger: .zero)
        wish.parkedLanes = [lane]
        #expect(try spool.lease(wish)?.events.count == 1)
        #expect(try spool.lease(wish) == nil)
        wish.parkedLanes = []
        #expect(try spool.lease(wish)?.events.count == 1)
    }

    @Test("a small batch waits for company, but not longer than the linger")
    func linger() throws {
        let spool = try TestSpool()
        try spool.append(.log())
        #expect(try spool.lease(LeaseWish()) == nil)
        spool.time.advance(.milliseconds(200))
        #expect(try spool.lease(LeaseWish())?.events.count == 1)
    }

    @Test("a full batch goes at once")
    func fullBatch() throws {
        let spool = try TestSpool()
        try spool.append((0..<100).map { _ in .log() })
        #expect(try spool.lease(LeaseWish())?.events.count == 100)
    }

    @Test("an event larger than a batch travels alone")
    func oversized() throws {
        let spool = try TestSpool()
        let large = String(repeating: "x", count: 3000)
        try spool.append(.log(), .log(text: large), .log())
        let wish = LeaseWish(bytesMax: 2000, linger: .zero)
        #expect(try spool.drain(wish).map(\.count) == [1, 1, 1])
    }

    @Test("a probe takes one event at once, each time of the next lane")
    func probe() throws {
        let spool = try TestSpool()
        try spool.append(.log(project: "a"), .log(project: "a"), .log(project: "b"))
        let wish = LeaseWish(probe: .everywhere)
        let first = try #require(try spool.lease(wish))
        let second = try #require(try spool.lease(wish))
        #expect(first.events.count == 1)
        #expect(first.events[0].lane != second.events[0].lane)
    }

    @Test("an event that backs off alone is passed over until its time")
    func backsOffAlone() throws {
        let spool = try TestSpool()
        let sequences = try spool.append(.log("a"), .log("b"))
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.returned = [
            .init(
                sequence: sequences[0], notBefore: spool.time.now + .seconds(30),
                countsAttempt: true),
            .init(sequence: sequences[1]),
        ]
        try spool.settle(settlement)
        #expect(try spool.drain() == [[sequences[1]]])
        spool.time.advance(.seconds(30))
        try spool.append(.log("c"))
        let batches = try spool.drain()
        #expect(Set(batches.map(\.count)) == [1], "an event that failed alone travels alone")
        #expect(batches.count == 2)
    }

    @Test("probes of a parked destination try its lanes before the groups")
    func probesLanesFirst() throws {
        let spool = try TestSpool()
        let group = try spool.append(.log("a"), .log("b"))
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.regrouped = [group]
        try spool.settle(settlement)
        let fresh = try spool.append(.log("c"))
        let wish = LeaseWish(probe: .everywhere)
        #expect(try spool.lease(wish)?.events.map(\.sequence) == fresh)
        #expect(try spool.lease(wish)?.events.map(\.sequence) == [group[0]])
    }
}

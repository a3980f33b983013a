import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("Dead letters")
struct DeadLetterTests {
    @Test("keep reason, upstream's words, status, attempts, project and both times")
    func keepsFacts() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a", project: "shop"))[0]
        spool.time.advance(.seconds(5))
        try spool.kill(log, reason: .refused, status: 422, words: "output: too odd")
        let letter = try #require(try spool.commit { try $0.deadLetter(log, withBody: true) })
        #expect(letter.reason == "refused")
        #expect(letter.status == 422)
        #expect(letter.words == "output: too odd")
        #expect(letter.project == "shop")
        #expect(letter.kind == .log)
        #expect(letter.diedAt - letter.acceptedAt == .seconds(5))
        #expect(String(decoding: letter.body ?? [], as: UTF8.self).contains("\"project\":\"shop\""))
        #expect(letter.bodyBytes == letter.body?.count)
        #expect(spool.store.identity.sequence(of: .log, in: letter.id) == log)
    }

    @Test("are found however many others there are before them")
    func sparse() async throws {
        let spool = try DiskSpool()
        let queue = spool.queue
        let logs = Array(repeating: TestEvent.log(), count: 5_000) + [.log(project: "shop")]
        let submission = TestEvent.submission(logs, identity: queue.identity)
        let sequences = try await withCheckedContinuation { done in
            queue.append(submission) { done.resume(returning: $0) }
        }.get().sequences
        for _ in 0..<2 {
            let answer = await withCheckedContinuation { done in
                queue.lease(
                    LeaseWish(eventsMax: 5_001, bytesMax: 64 << 20, linger: .zero)
                ) { done.resume(returning: $0) }
            }
            guard case .batch(let lease) = answer else { break }
            var settlement = Settlement(lease: lease.id)
            settlement.dead = lease.events.map {
                .init(sequence: $0.sequence, reason: .refused, status: 422, words: "no")
            }
            #expect(await spool.settle(settlement))
        }
        var filter = DeadFilter()
        filter.project = "shop"
        let page = await withCheckedContinuation { done in
            queue.listDead(filter, after: nil, limit: 50) { done.resume(returning: $0) }
        }
        #expect(page?.letters.map(\.sequence) == [sequences[5_000]])
        #expect(page?.last == nil)
    }

    @Test("are found by id, project, reason and age, each alone and together")
    func filters() throws {
        let spool = try TestSpool()
        let shop = try spool.append(.log("a", project: "shop"))[0]
        let docs = try spool.append(.log("b", project: "docs"))[0]
        try spool.kill(shop, reason: .refused)
        spool.time.advance(.seconds(60))
        try spool.kill(docs, reason: .tooLarge)
        func found(_ change: (inout DeadFilter) -> Void) throws -> [EventSequence] {
            var filter = DeadFilter()
            change(&filter)
            return try spool.commit { try $0.deadStep(filter, after: nil) }.matches
        }
        #expect(try found { _ in } == [shop, docs])
        #expect(try found { $0.sequences = [docs] } == [docs])
        #expect(try found { $0.project = "shop" } == [shop])
        #expect(try found { $0.project = "unheard of" } == [])
        #expect(try found { $0.reason = .tooLarge } == [docs])
        let now = spool.time.now
        #expect(try found { $0.diedBefore = now } == [shop])
        #expect(
            try found {
                $0.diedBefore = now
                $0.reason = .tooLarge
            } == [])
    }

    @Test("a list comes in pages, each saying where the next begins")
    func pages() throws {
        let spool = try TestSpool()
        let logs = try spool.append((0..<5).map { .log("r\($0)") })
        for log in logs { try spool.kill(log) }
        let first = try spool.commit { try $0.listDead(DeadFilter(), after: nil, limit: 3) }
        #expect(first.letters.map(\.sequence) == Array(logs[..<3]))
        let next = try #require(first.last)
        let rest = try spool.commit { try $0.listDead(DeadFilter(), after: next, limit: 3) }
        #expect(rest.letters.map(\.sequence) == Array(logs[3...]))
        #expect(rest.last == nil)
    }

    @Test("a discard takes what the filter names and counts it as the operator's")
    func discards() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("a", project: "shop"), .log("b", project: "docs"))
        for log in logs { try spool.kill(log) }
        var filter = DeadFilter()
        filter.project = "shop"
        _ = try spool.commit { try $0.discardDead(filter, after: nil) }
        let report = try spool.commit { try $0.report() }
        #expect(report.dead == 1)
        #expect(report.discarded == 1)
        #expect(report.counters["discarded.operator"] == 1)
        #expect(try spool.commit { try $0.deadLetter(logs[0], withBody: false) } == nil)
    }

    @Test("what names a discarded one goes with it, and not upstream")
    func discardTakesAlong() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        try spool.kill(log)
        _ = try spool.commit { try $0.discardDead(DeadFilter(), after: nil) }
        try spool.append(.child(of: log), .feedback(on: log))
        #expect(try spool.drain().isEmpty)
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.operator"] == 3)
    }

    @Test("a death by a dead cause names the cause")
    func namesItsCause() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        let child = try spool.append(.log("c", parent: "p"))[0]
        try spool.kill(parent)
        _ = try spool.drain()
        let letter = try #require(try spool.commit { try $0.deadLetter(child, withBody: false) })
        #expect(letter.reason == "cause dead")
        #expect(letter.words.contains(spool.store.identity.id(.log, parent)))
    }

    @Test("who died of a dead cause follows it when it alone is replayed, generation by generation")
    func followersFollow() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        let child = try spool.append(.log("c", parent: "p"))[0]
        let update = try spool.append(.update("c"))[0]
        let other = try spool.append(.log("o"))[0]
        try spool.kill(parent)
        try spool.kill(other)
        _ = try spool.drain()
        #expect(spool.store.ledger.dead == 4)
        var filter = DeadFilter()
        filter.sequences = [parent]
        let revived = try spool.commit { try $0.replay(filter, after: nil) }.matches
        #expect(revived == [parent])
        var followers: [EventSequence] = []
        while case let more = try spool.commit({ try $0.replayFollowers(after: nil) }).matches,
            !more.isEmpty
        {
            followers += more
        }
        #expect(followers == [child, update])
        #expect(try spool.drain() == [[parent], [child], [update]])
        #expect(spool.store.ledger.dead == 1)
    }

    @Test("a chain of thousands follows its head in a few steps, whichever of them came first")
    func longChainsFollow() throws {
        let count = 1_500
        for isReversed in [false, true] {
            let spool = try TestSpool()
            let places = isReversed ? Array((0..<count).reversed()) : Array(0..<count)
            let sequences = try spool.append(
                places.map { .log("r\($0)", parent: $0 == 0 ? nil : "r\($0 - 1)") })
            let head = isReversed ? sequences[count - 1] : sequences[0]
            var lease: Lease?
            while lease == nil { lease = try spool.lease() }
            var settlement = Settlement(lease: lease?.id ?? 0)
            settlement.dead = [.init(sequence: head, reason: .refused, status: 422, words: "no")]
            try spool.settle(settlement)
            while spool.store.ledger.held > 0 { _ = try spool.drain() }
            var filter = DeadFilter()
            filter.sequences = [head]
            _ = try spool.commit { try $0.replay(filter, after: nil) }
            var (steps, followers, round) = (0, 0, 1)
            while round > 0, steps < 50 {
                round = 0
                var last: EventSequence?
                repeat {
                    let step = try spool.commit { try $0.replayFollowers(after: last) }
                    #expect(step.matches.count <= 500)
                    round += step.matches.count
                    last = step.last
                    steps += 1
                } while last != nil
                followers += round
            }
            #expect(followers == count - 1)
            #expect(steps <= 16, "\(steps) steps")
        }
    }

    @Test("a follower stays dead while its cause does")
    func followersWait() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        try spool.append(.log("c", parent: "p"))
        try spool.kill(parent)
        _ = try spool.drain()
        #expect(try spool.commit { try $0.replayFollowers(after: nil) }.matches.isEmpty)
    }

    @Test("a follower stays dead where its cause was discarded, whatever else is replayed")
    func followersOutliveTheirCause() throws {
        let spool = try TestSpool()
        let parents = try spool.append(.log("p"), .log("q"))
        let children = try spool.append(.log("c", parent: "p"), .child(of: parents[0]))
        for parent in parents { try spool.kill(parent) }
        _ = try spool.drain()
        #expect(spool.store.ledger.dead == 4)
        var filter = DeadFilter()
        filter.sequences = [parents[0]]
        _ = try spool.commit { try $0.discardDead(filter, after: nil) }
        filter.sequences = [parents[1]]
        _ = try spool.commit { try $0.replay(filter, after: nil) }
        #expect(try spool.commit { try $0.replayFollowers(after: nil) }.matches.isEmpty)
        _ = try spool.drain()
        #expect(try spool.commit { try $0.deadStep(DeadFilter(), after: nil) }.matches == children)
        #expect(spool.store.ledger.discarded == 1)
    }

    @Test("a chosen one stays dead where its cause was discarded, and is told of")
    func chosenOutlivesItsCause() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        let children = try spool.append(.log("c", parent: "p"), .feedback(on: parent))
        let other = try spool.append(.log("o"))[0]
        for log in [parent, other] { try spool.kill(log) }
        _ = try spool.drain()
        var filter = DeadFilter()
        filter.sequences = [parent]
        _ = try spool.commit { try $0.discardDead(filter, after: nil) }
        for step in [
            try spool.commit { try $0.replayable(DeadFilter(), after: nil) },
            try spool.commit { try $0.replay(DeadFilter(), after: nil) },
        ] {
            #expect(step.matches == [other])
            #expect(step.left == 2)
        }
        #expect(try spool.drain() == [[other]])
        #expect(try spool.commit { try $0.deadStep(DeadFilter(), after: nil) }.matches == children)
        #expect(spool.store.ledger.discarded == 1)
    }

    @Test("of events that name no project are found by their caller, as they are shown")
    func foundByCaller() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        _ = try spool.drain()
        let feedback = try spool.append(.feedback(on: log))[0]
        try spool.kill(feedback)
        let letter = try #require(try spool.commit { try $0.deadLetter(feedback, withBody: false) })
        var filter = DeadFilter()
        filter.project = letter.project
        #expect(try spool.commit { try $0.deadStep(filter, after: nil) }.matches == [feedback])
    }

    // MARK: Bounds

    private func small(_ policy: DeadOnFull) throws -> TestSpool {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.deadBytesMax = 700
        settings.deadOnFull = policy
        return try TestSpool(settings: settings)
    }

    @Test(
        "without room for more, an event that was refused goes back to the queue, and the sender is told"
    )
    func parksWhenFull() throws {
        let spool = try small(.park)
        let logs = try spool.append(.log("a"), .log("b"), .log("c"))
        #expect(try spool.kill(logs[0]) == .committed)
        #expect(try spool.kill(logs[1]) == .committed)
        #expect(try spool.kill(logs[2]) == .withoutRoomForDead([logs[2]]))
        #expect(spool.store.ledger.dead == 2)
        #expect(spool.store.ledger.held == 1)
        #expect(try spool.drain().isEmpty)
        spool.time.advance(Limits.backoffMax + .seconds(1))
        #expect(try spool.drain() == [[logs[2]]])
    }

    @Test("without room for more, what names a dead log waits and is looked at again")
    func followersWaitForRoom() throws {
        let spool = try small(.park)
        let logs = try spool.append(.log("a"), .log("b"), .log("c", parent: "a"))
        try spool.kill(logs[0])
        try spool.kill(logs[1])
        #expect(try spool.drain().isEmpty)
        #expect(spool.store.ledger.held == 1)
        var filter = DeadFilter()
        filter.sequences = [logs[1]]
        _ = try spool.commit { try $0.discardDead(filter, after: nil) }
        spool.time.advance(Limits.backoffMax + .seconds(1))
        _ = try spool.drain()
        #expect(spool.store.ledger.held == 0)
        #expect(spool.store.ledger.dead == 2)
    }

    @Test("with drop_oldest the oldest make way, counted")
    func evicts() throws {
        let spool = try small(.dropOldest)
        let logs = try spool.append(.log("a"), .log("b"), .log("c"))
        for log in logs { #expect(try spool.kill(log) == .committed) }
        #expect(spool.store.ledger.dead == 2)
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.dead_evicted"] == 1)
        #expect(try spool.commit { try $0.deadLetter(logs[0], withBody: false) } == nil)
    }

    @Test("with drop_oldest nothing makes way for what never fits")
    func keepsAllForWhatNeverFits() throws {
        let spool = try small(.dropOldest)
        let logs = try spool.append(
            .log("a"), .log("b"), .log("huge", text: String(repeating: "x", count: 700)))
        for log in logs[..<2] { try spool.kill(log) }
        #expect(try spool.kill(logs[2]) == .withoutRoomForDead([logs[2]]))
        #expect(spool.store.ledger.dead == 2)
        #expect(spool.store.ledger.discarded == 0)
    }

    @Test("their bytes are known again after a restart, and none are left after a replay")
    func bytesSurvive() throws {
        let spool = try TestSpool()
        try spool.kill(try spool.append(.log("a"))[0])
        let bytes = spool.store.ledger.deadBytes
        #expect(bytes > Limits.eventOverheadBytes)
        try spool.crash()
        #expect(spool.store.ledger.deadBytes == bytes)
        _ = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
        #expect(spool.store.ledger.deadBytes == 0)
    }
}

extension TestSpool {
    /// Leases until the event is in the batch, and lets upstream refuse it; the others go back.
    @discardableResult
    func kill(
        _ sequence: EventSequence, reason: DeadLetterReason = .refused, status: Int? = 422,
        words: String = "no"
    ) throws -> SettleOutcome {
        let lease = try #require(try self.lease())
        var settlement = Settlement(lease: lease.id)
        for event in lease.events where event.sequence != sequence {
            settlement.returned.append(.init(sequence: event.sequence))
        }
        settlement.dead = [
            .init(sequence: sequence, reason: reason, status: status, words: words)
        ]
        return try settle(settlement)
    }
}

import SpoolCore
import Testing

@testable import SpoolQueue

/// One log, many names: by reference, by this spool's id, by upstream's.
@Suite("The names of a log")
struct NameTests {
    private func update(_ cause: TestEvent.CauseName, _ text: String) -> TestEvent {
        TestEvent(kind: .update, project: nil, cause: cause, text: text)
    }

    @Test("effects go in order, by whatever name each knows the log")
    func oneChain() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        try spool.deliver(log, of: try #require(try spool.lease()), id: "data_up")
        let effects = try spool.append(
            update(.reference("a"), "1"), update(.foreign("data_up"), "2"),
            update(.event(log), "3"),
            update(.foreign("data_up"), "4"))
        #expect(try spool.drain() == effects.map { [$0] })
    }

    @Test("projects whose names differ only by normal form are two")
    func normalForms() throws {
        let spool = try TestSpool()
        let numbers = try ["caf\u{e9}", "cafe\u{301}", "caf\u{e9}"].map { name in
            try spool.commit { try $0.project("name:" + name) }
        }
        #expect(numbers[0] != numbers[1])
        #expect(numbers[0] == numbers[2])
    }

    @Test("effects by upstream's id go in order also after a restart")
    func oneChainAfterRestart() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        try spool.deliver(log, of: try #require(try spool.lease()), id: "data_up")
        try spool.crash()
        let effects = try spool.append(
            update(.foreign("data_up"), "1"), update(.reference("a"), "2"))
        #expect(try spool.drain() == effects.map { [$0] })
    }

    @Test("the id that an update of another host's log was answered with leads to that log")
    func anotherHostsLog() throws {
        let spool = try TestSpool()
        let change = try spool.append(update(.reference("elsewhere"), "1"))[0]
        let feedback = try spool.append(.feedback(on: change))[0]
        spool.time.advance(.seconds(6))
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == [change])
        try spool.deliver(change, of: lease, id: "data_there")
        let next = try #require(try spool.lease())
        #expect(next.events.map(\.sequence) == [feedback])
        #expect(next.text(0).contains("\"data_id\":\"data_there\""))
        try spool.crash()
        #expect(try spool.commit { try $0.upstreamID(of: .log, change) } == "data_there")
    }

    @Test("two updates of another host's log do not make its name ambiguous")
    func notAmbiguous() throws {
        let spool = try TestSpool()
        let changes = try spool.append(
            update(.reference("elsewhere"), "1"), update(.reference("elsewhere"), "2"))
        spool.time.advance(.seconds(6))
        for change in changes {
            try spool.deliver(change, of: try #require(try spool.lease()), id: "data_there")
        }
        try spool.crash()
        try spool.append(.feedback(onReference: "elsewhere"))
        let lease = try #require(try spool.lease())
        #expect(lease.text(0).contains("\"data_id\":\"data_there\""))
    }

    @Test("a log is not asked about by a reference that another log has, or had and was discarded")
    func namesakes() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("a"), .log("shared", text: "1"), .log("shared", text: "2"))
        func askable() throws -> [Bool] {
            let lease = try #require(try spool.lease())
            var settlement = Settlement(lease: lease.id)
            settlement.returned = lease.events.map { .init(sequence: $0.sequence) }
            _ = try spool.settle(settlement)
            return lease.events.map(\.isAskable)
        }
        #expect(try askable() == [true, false, false])
        #expect(try spool.commit { try $0.discard([logs[2]]) } == .discarded)
        #expect(try askable() == [true, false])
        try spool.crash()
        #expect(try askable() == [true, false])
    }

    @Test("a log that was deleted does not take along what names a dead one by its id")
    func deadNamesake() throws {
        let spool = try TestSpool()
        let dead = try spool.append(.log("shared"))[0]
        var settlement = Settlement(lease: try #require(try spool.lease()).id)
        settlement.dead = [.init(sequence: dead, reason: .refused, status: 422, words: "no")]
        _ = try spool.settle(settlement)
        let log = try spool.append(.log("shared"))[0]
        let feedback = try spool.append(.feedback(on: dead), .feedback(on: log))
        #expect(try spool.commit { try $0.discard([log]) } == .discarded)
        #expect(try spool.lease() == nil)
        let letter = try #require(
            try spool.commit { try $0.deadLetter(feedback[0], withBody: false) })
        #expect(letter.reason == DeadLetterReason.causeDead.rawValue)
        #expect(
            spool.store.ledger.discarded == 2, "event \(feedback[1].rawValue) goes with its log")
    }

    @Test("a log that was deleted does not take along what names its reference later")
    func nameIsFreeAgain() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("shared"))[0]
        let before = try spool.append(.update("shared"))[0]
        _ = try spool.commit { try $0.discard([log]) }
        let later = try spool.append(.update("shared"))[0]
        spool.time.advance(.seconds(6))
        #expect(try spool.lease()?.events.map(\.sequence) == [later])
        #expect(spool.store.ledger.discarded == 2, "event \(before.rawValue) goes with its log")
    }

    @Test("the same bytes are a new log after upstream has deleted the first, by either id")
    func deletedUpstream() throws {
        for name in ["ours", "upstream's"] {
            let spool = try TestSpool()
            var event = TestEvent.log("a")
            event.isRecognised = true
            let log = try spool.append(event)[0]
            try spool.deliver(log, of: try #require(try spool.lease()), id: "data_up")
            #expect(try spool.append(event) == [log])
            let id = name == "ours" ? spool.store.identity.id(.log, log) : "data_up"
            #expect(spool.store.deliveredReferences == ["a"])
            try spool.commit { try $0.forgetRepeats(of: [id]) }
            #expect(try spool.append(event)[0] > log, "named by \(name) id")
            #expect(spool.store.deliveredReferences.isEmpty, "asking is not calibrated by it")
        }
    }

    @Test("a dead evaluation log takes what names its reference along, like any log")
    func deadEvaluationLog() throws {
        let spool = try TestSpool()
        var event = TestEvent.log("a")
        event.kind = .evaluationLog
        let log = try spool.append(event)[0]
        let child = try spool.append(.log("c", parent: "a"))[0]
        try spool.kill(log)
        #expect(try spool.drain().isEmpty)
        let letter = try #require(try spool.commit { try $0.deadLetter(child, withBody: false) })
        #expect(letter.reason == "cause dead")
    }

    @Test("a project whose only log died is dead too")
    func deadProject() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([.log("a")])
        let number = try #require(
            spool.store.identity.sequence(of: .project, in: receipt.projectIDs[0]))
        let inside = try spool.append(
            TestEvent(project: nil, reference: "b", cause: .project(number)))[0]
        try spool.kill(receipt.sequences[0])
        #expect(try spool.drain().isEmpty)
        let letter = try #require(try spool.commit { try $0.deadLetter(inside, withBody: false) })
        #expect(letter.reason == "cause dead")
        guard case .dead = try spool.commit({ try $0.find(.project, number) }) else {
            Issue.record("the project is not dead")
            return
        }
    }

    @Test("a circle through a project's id dies, it does not wait for ever")
    func circleThroughProject() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([.log("a", parent: "b", project: "q")])
        let number = try #require(
            spool.store.identity.sequence(of: .project, in: receipt.projectIDs[0]))
        try spool.append(TestEvent(project: nil, reference: "b", cause: .project(number)))
        spool.time.advance(.seconds(6))
        _ = try spool.drain()
        #expect(spool.store.ledger.held == 0)
        #expect(spool.store.ledger.dead == 2)
    }

    @Test("a circle through a name that several logs share dies, it does not wait for ever")
    func circleThroughSharedName() throws {
        let spool = try TestSpool()
        let first = try spool.append(.log("r0"))[0]
        let lease = try #require(try spool.lease())
        try spool.append(.log("r1", parent: "r0"), .log("r2", parent: "r1"))
        try spool.append(.log("r0", parent: "r2"))
        spool.time.advance(.seconds(6))
        #expect(try spool.lease() == nil)
        try spool.deliver(lease)
        _ = try spool.drain()
        #expect(spool.store.ledger.held == 0, "log \(first.rawValue) has left long ago")
    }

    @Test("a circle is found also where the first log of a shared name has left")
    func circleThroughSecondOfAName() throws {
        let spool = try TestSpool()
        let first = try spool.append(.log("r0"))[0]
        let lease = try #require(try spool.lease())
        let child = try spool.append(.log("c", parent: "r0"))[0]
        #expect(try spool.lease() == nil)
        let second = try spool.append(.child(of: child, "r0"))[0]
        try spool.deliver(first, of: lease)
        _ = try spool.drain()
        #expect(spool.store.ledger.held == 0)
        let letter = try #require(try spool.commit { try $0.deadLetter(second, withBody: false) })
        #expect(letter.reason == "cause cycle")
    }

    @Test("a repeat is recognised also when the first log of its name has left, or was revived")
    func repeatOfSecondOfAName() throws {
        for isRevived in [false, true] {
            let spool = try TestSpool()
            let first = try spool.append(.log("r", text: "first"))[0]
            if isRevived { try spool.kill(first) }
            let lease = try spool.lease()
            var event = TestEvent.log("r", text: "second")
            event.isRecognised = true
            let second = try spool.append(event)
            if isRevived {
                _ = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
                #expect(try spool.append(event) == second)
            }
            try spool.deliver(first, of: try lease ?? #require(try spool.lease()))
            #expect(try spool.append(event) == second)
            try spool.crash()
            #expect(try spool.append(event) == second)
        }
    }

    @Test("effects by an id that becomes known between them keep their order")
    func idBecomesKnown() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        let lease = try #require(try spool.lease())
        let early = try spool.append(update(.foreign("data_up"), "1"))[0]
        let sent = try #require(try spool.lease())
        try spool.deliver(log, of: lease, id: "data_up")
        let late = try spool.append(update(.foreign("data_up"), "2"))[0]
        #expect(try spool.lease() == nil, "\(late.rawValue) goes after \(early.rawValue)")
        try spool.deliver(sent)
        #expect(try spool.drain() == [[late]])
        let free = try spool.append(update(.foreign("data_up"), "3"), update(.reference("a"), "4"))
        #expect(try spool.drain() == free.map { [$0] })
    }

    @Test("a circle through an id that either of two logs would bring dies")
    func circleThroughEither() throws {
        let spool = try TestSpool()
        var one = TestEvent.log("one", parent: "x")
        one.session = .reference("s")
        var two = TestEvent.log("two", parent: "x")
        two.session = .reference("s")
        let children = try spool.append(one, two)
        var x = TestEvent.log("x")
        x.session = .provisional(children[0])
        try spool.append(x)
        try spool.append(.log("three", parent: "y", project: "p"), .log("four", parent: "y"))
        let number = try #require(spool.store.projects[ExactName("name:p")])
        var y = TestEvent.log("y", project: "q")
        y.cause = .project(EventSequence(rawValue: number))
        try spool.append(y)
        #expect(try spool.drain().isEmpty)
        #expect(spool.store.ledger.held == 0)
    }

    @Test("of an id that any of several logs would bring, one that goes frees whoever waits for it")
    func noCircleThroughEither() throws {
        let spool = try TestSpool()
        var child = TestEvent.log("child", parent: "x")
        child.session = .reference("s")
        var free = TestEvent.log("free")
        free.session = .reference("s")
        let session = try spool.append(child, free)
        var x = TestEvent.log("x")
        x.session = .provisional(session[0])
        let waiting = try spool.append(x)[0]
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == [session[1]])
        try spool.deliver(lease, session: "sesh_up")
        #expect(try spool.drain() == [[waiting], [session[0]]])
    }

    @Test("an id that upstream has given closes no circle")
    func noCircleThroughAKnownID() throws {
        let spool = try TestSpool()
        func log(_ name: String, _ parent: String, _ session: TestEvent.SessionName) -> TestEvent {
            var log = TestEvent.log(name, parent: parent)
            log.session = session
            return log
        }
        let session = try spool.append(log("one", "x", .reference("s")), .log("y"))
        let lease = try #require(try spool.lease())
        let x = try spool.append(log("x", "y", .provisional(session[0])))[0]
        // Another log has brought the id; what waits meanwhile are y, x for y, and the child for x.
        try spool.commit { try $0.learnSession("sesh_up", session[0], from: session[0]) }
        #expect(try spool.lease() == nil)
        try spool.deliver(lease)
        #expect(try spool.drain() == [[x], [session[0]]])
    }

    @Test("an effect on a delivered log does not wait for another log of its name, which is stuck")
    func effectBesideNamesake() throws {
        for delivers in [false, true] {
            let spool = try TestSpool()
            let log = try spool.append(.log("x"))[0]
            if delivers { _ = try spool.drain() }
            let effects = try spool.append(.result(on: log), .result(on: log))
            let first = try #require(try spool.lease())
            #expect(try spool.lease() == nil)
            try spool.append(.log("x", project: "stuck"))
            let name = try #require(spool.store.projects[ExactName("name:stuck")])
            let stuck = try #require(spool.store.laneIDs[LaneName(route: .postLogs, project: name)])
            var wish = LeaseWish(linger: .zero)
            wish.parkedLanes = [stuck]
            try spool.deliver(first)
            #expect(try spool.drain(wish) == effects.suffix(delivers ? 1 : 2).map { [$0] })
        }
    }

    @Test("a constant for a reference: a repeat is looked for among the last hundred of that name")
    func repeatsOfAConstant() throws {
        let spool = try TestSpool()
        let logs = (0..<300).map { number in
            var log = TestEvent.log("same", text: "\(number)")
            log.isRecognised = true
            return log
        }
        let sequences = try spool.append(logs)
        #expect(try spool.append(logs[250]) == [sequences[250]])
        #expect(try spool.append(logs[0]) == [sequences[0]], "the first is known too")
        #expect(try spool.append(logs[100])[0] > sequences[299])
        _ = try spool.drain()
        #expect(try spool.append(logs[250]) == [sequences[250]])
        #expect(try spool.append(logs[150])[0] > sequences[299])
    }

    @Test("a child with the reference of its parent goes after it")
    func parentOfTheSameName() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("same"))[0]
        let child = try spool.append(.child(of: parent, "same"))[0]
        let grandchild = try spool.append(.log("g", parent: "same"))[0]
        #expect(try spool.drain() == [[parent], [child], [grandchild]])
    }

    @Test("an effect is not forgotten behind one that dies in the same look")
    func deathInTheSameLook() throws {
        for restarts in [false, true] {
            let spool = try TestSpool()
            let log = try spool.append(.log("a"))[0]
            let dead = try spool.append(.log("d"))[0]
            try spool.deliver(log, of: try #require(try spool.lease()))
            try spool.kill(dead)
            var doomed = update(.reference("a"), "1")
            doomed.cause = .event(log)
            doomed.session = .provisional(dead)
            try spool.append(doomed)
            let next = try spool.append(update(.event(log), "2"))[0]
            if restarts { try spool.crash() }
            let sent = try spool.drain().flatMap { $0 }
            #expect(sent.contains(next))
            #expect(spool.store.ledger.held == 0)
        }
    }
}

@Suite("A log that was found by asking")
struct FoundByAskingTests {
    /// Settles as the sender does after a question, not after a 2xx of the log's own request.
    private func find(_ log: EventSequence, of lease: Lease, _ spool: TestSpool) throws {
        var settlement = Settlement(lease: lease.id)
        settlement.delivered = [.init(sequence: log, id: "data_found", projectID: nil)]
        try spool.settle(settlement)
    }

    @Test("is delivered while its name is its own")
    func own() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("r"))[0]
        try find(log, of: try #require(try spool.lease()), spool)
        #expect(spool.store.ledger.delivered == 1)
    }

    @Test("is sent again and counted when another log got the name meanwhile, queued or delivered")
    func namesake() throws {
        for isDelivered in [false, true] {
            let spool = try TestSpool()
            let log = try spool.append(.log("r"))[0]
            let lease = try #require(try spool.lease())
            try spool.append(.log("r", text: "another"))
            if isDelivered { try spool.deliver(try #require(try spool.lease())) }
            try find(log, of: lease, spool)
            let report = try spool.commit { try $0.report() }
            #expect(report.delivered == (isDelivered ? 1 : 0))
            #expect(report.counters["possible_duplicates.log"] == 1)
            #expect(try spool.drain().flatMap { $0 }.contains(log))
        }
    }

    @Test("is delivered when the daemon minted its reference, which nobody else has")
    func minted() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log())[0]
        try find(log, of: try #require(try spool.lease()), spool)
        #expect(spool.store.ledger.delivered == 1)
    }
}

@Suite("Feedback after its batch was split")
struct SplitFeedbackTests {
    @Test("does not overtake an earlier one that went back to the queue for a while")
    func waitsForTheQueue() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        try spool.deliver(try #require(try spool.lease()))
        let feedback = try spool.append(
            .feedback(on: log, text: "1"), .feedback(on: log, text: "2"))
        let batch = try #require(try spool.lease())
        var settlement = Settlement(lease: batch.id)
        settlement.regrouped = feedback.map { [$0] }
        try spool.settle(settlement)
        let first = try #require(try spool.lease())
        #expect(first.events.map(\.sequence) == [feedback[0]])
        var back = Settlement(lease: first.id)
        back.returned = [
            .init(
                sequence: feedback[0], notBefore: spool.time.now + .seconds(10), countsAttempt: true
            )
        ]
        try spool.settle(back)
        #expect(try spool.lease() == nil)
        #expect(!spool.store.hasNews())
        spool.time.advance(.seconds(11))
        #expect(try spool.drain() == feedback.map { [$0] })
    }

    @Test("still goes in order on one log, and other groups do not wait for it")
    func inOrder() throws {
        let spool = try TestSpool()
        let logs = try spool.append(.log("a"), .log("b"))
        try spool.deliver(try #require(try spool.lease()))
        let feedback = try spool.append(
            .feedback(on: logs[0], text: "1"), .feedback(on: logs[0], text: "2"),
            .feedback(on: logs[0], text: "3"), .feedback(on: logs[1], text: "4"))
        let batch = try #require(try spool.lease())
        #expect(batch.events.count == 4)
        var settlement = Settlement(lease: batch.id)
        settlement.regrouped = [[feedback[1]], [feedback[0], feedback[2], feedback[3]]]
        try spool.settle(settlement)
        let first = try #require(try spool.lease())
        let other = try #require(try spool.lease())
        #expect(
            Set([first, other].map { $0.events.map(\.sequence) }) == [[feedback[0]], [feedback[3]]])
        #expect(try spool.lease() == nil, "the second on that log waits for the first")
        #expect(!spool.store.hasNews())
        let head = first.events[0].sequence == feedback[0] ? first : other
        try spool.deliver(head)
        let second = try #require(try spool.lease())
        #expect(second.events.map(\.sequence) == [feedback[1]])
        try spool.deliver(second)
        #expect(try spool.lease()?.events.map(\.sequence) == [feedback[2]])
    }
}

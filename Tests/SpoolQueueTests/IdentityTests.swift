import SpoolCore
import SpoolSQLite
import Synchronization
import Testing

@testable import SpoolQueue

@Suite("Sessions")
struct SessionTests {
    @Test("one name has one provisional id, and a log that names the id waits for it")
    func byReference() throws {
        let spool = try TestSpool()
        var first = TestEvent.log("a")
        first.session = .reference("chat")
        var second = TestEvent.log("b")
        second.session = .reference("chat")
        let receipt = try spool.receipt([first, .log("plain"), second])
        let id = try #require(receipt.sessionIDs[0])
        #expect(receipt.sessionIDs == [id, nil, id])
        let session = try #require(spool.store.identity.sequence(of: .session, in: id))
        var third = TestEvent.log("c")
        third.session = .provisional(session)
        let named = try spool.append(third)[0]
        let lease = try #require(try spool.lease())
        #expect(!lease.events.map(\.sequence).contains(named))
        try spool.deliver(lease, session: "sesh_up")
        let next = try #require(try spool.lease())
        #expect(next.text(0).contains("\"session_id\":\"sesh_up\""))
        try spool.deliver(next)
        #expect(try spool.receipt([second]).sessionIDs == ["sesh_up"])
    }

    @Test("a session that was asked for is delivered before the logs in it")
    func created() throws {
        let spool = try TestSpool()
        let session = try spool.append(.newSession)[0]
        var log = TestEvent.log("a")
        log.session = .provisional(session)
        let inside = try spool.append(log)[0]
        let first = try #require(try spool.lease())
        #expect(first.route == .postSession)
        #expect(try spool.lease() == nil)
        try spool.crash()
        let recalled = try spool.commit { try $0.recall() }.leases[0]
        try spool.deliver(recalled)
        let second = try #require(try spool.lease())
        #expect(second.events.map(\.sequence) == [inside])
        #expect(second.text(0).contains("\"session_id\":\"data_up1\""))
    }
}

@Suite("A repeated request")
struct RepeatTests {
    private func log(_ name: String, _ text: String) -> TestEvent {
        var event = TestEvent.log(name, text: text)
        event.isRecognised = true
        return event
    }

    @Test("is the same event while it is queued, after it was delivered, and after a restart")
    func recognised() throws {
        let spool = try TestSpool()
        let first = try spool.append(log("a", "x"))
        #expect(try spool.append(log("a", "x")) == first)
        _ = try spool.drain()
        #expect(try spool.append(log("a", "x")) == first)
        try spool.crash()
        #expect(try spool.append(log("a", "x")) == first)
        let report = try spool.commit { try $0.report() }
        #expect(report.accepted == 1)
        #expect(report.counters["deduplicated"] == 3)
    }

    @Test("is another event with other bytes, also among several under one name")
    func otherBytes() throws {
        let spool = try TestSpool()
        let samples = try spool.append([log("a", "1"), log("a", "2"), log("a", "3")])
        #expect(Set(samples).count == 3)
        #expect(
            try spool.append([log("a", "3"), log("a", "1"), log("a", "2")]) == [
                samples[2], samples[0], samples[1],
            ])
        #expect(try spool.append(log("a", "4"))[0] > samples[2])
    }

    @Test("is not looked for within one array")
    func withinOneArray() throws {
        let spool = try TestSpool()
        let twins = try spool.append([log("a", "x"), log("a", "x")])
        #expect(twins[0] != twins[1])
    }

    @Test("is a new event once the first one died")
    func afterDeath() throws {
        let spool = try TestSpool()
        let first = try spool.append(log("a", "x"))
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.dead = [.init(sequence: first[0], reason: .refused, status: 400, words: "")]
        try spool.settle(settlement)
        #expect(try spool.append(log("a", "x")) != first)
    }
}

@Suite("By reference")
struct ByReferenceTests {
    @Test("feedback travels under the id its log was given")
    func resolved() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"))
        try spool.append(.feedback(onReference: "a"))
        let log = try #require(try spool.lease())
        #expect(try spool.lease() == nil)
        try spool.deliver(log)
        let feedback = try #require(try spool.lease())
        #expect(feedback.text(0) == #"{"data_id":"data_up1","output":"good"}"#)
        #expect(feedback.events[0].unresolvedReference == nil)
    }

    @Test("feedback on a log of another host is left to the sender to ask about")
    func unresolved() throws {
        let spool = try TestSpool()
        try spool.append(.feedback(onReference: "elsewhere"))
        #expect(try spool.lease() == nil)
        spool.time.advance(.seconds(5))
        let lease = try #require(try spool.lease())
        #expect(lease.events[0].unresolvedReference == "elsewhere")
        #expect(lease.text(0).contains(#""reference_id":"elsewhere""#))
    }

    @Test("a name that several logs share does not resolve: dead, and says so")
    func ambiguous() throws {
        let spool = try TestSpool()
        try spool.append(.log("a", text: "1"), .log("a", text: "2"))
        _ = try spool.drain()
        try spool.append(.feedback(onReference: "a"))
        #expect(try spool.lease() == nil)
        #expect(
            try spool.commit { try $0.report() }.lastDead.first?.reason == "reference ambiguous")
    }

    @Test("an id that is known at acceptance is bound to the event then")
    func boundAtAcceptance() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        _ = try spool.drain()
        try spool.append(.feedback(on: log), .result(on: log))
        try spool.store.connection.execute("DELETE FROM identity")
        let lease = try #require(try spool.lease())
        #expect(lease.text(0).contains("\"data_up1\""))
    }

    @Test("ids are forgotten beyond their number, but never while an event in the queue names one")
    func retention() throws {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.identitiesMax = 300
        let spool = try TestSpool(settings: settings)
        let named = try spool.append(.log("named"))[0]
        let child = try spool.append(.child(of: named, "child"))[0]
        let first = try #require(try spool.lease())
        try spool.deliver(first)
        // Its cause has arrived, and it is held back by its lane.
        let lane = try #require(try spool.lease()).events[0].lane
        let lease = spool.store.leases.values.first { $0.events[0].sequence == child }
        var settlement = Settlement(lease: try #require(lease).id)
        settlement.returned = [
            .init(sequence: child, notBefore: spool.time.now + .seconds(3600))
        ]
        try spool.settle(settlement)
        #expect(lane > 0)
        for round in 0..<8 {
            try spool.append((0..<256).map { .log("r\(round)-\($0)") })
            _ = try spool.drain()
            while try spool.store.upkeep() {}
        }
        #expect(spool.store.identityCount < 700, "\(spool.store.identityCount) ids are kept")
        #expect(try spool.store.identityEntry(of: named)?.id == "data_up1")
        #expect(try spool.store.identityEntry(of: EventSequence(rawValue: 900)) == nil)
        spool.time.advance(.seconds(3600))
        let retry = try #require(try spool.lease())
        #expect(retry.text(0).contains("\"parent_id\":\"data_up1\""))
    }

    @Test("an id is not forgotten that was named after the last look at what is named")
    func retentionOfLateNames() throws {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.identitiesMax = 300
        let spool = try TestSpool(settings: settings)
        func deliver(_ count: Int, _ wish: LeaseWish = LeaseWish(linger: .zero)) throws {
            try spool.append((0..<count).map { _ in .log() })
            _ = try spool.drain(wish)
            while try spool.store.upkeep() {}
        }
        for _ in 0..<3 { try deliver(256) }
        let parent = try spool.append(.log("p"))[0]
        try deliver(100)
        let id = try #require(try spool.store.identityEntry(of: parent)?.id)
        // The parent's id is known, the session's is not: the event is not bound to either.
        var child = TestEvent.child(of: parent, "child")
        child.session = .provisional(try spool.append(.newSession)[0])
        let sequence = try spool.append(child)[0]
        for _ in 0..<4 { try deliver(256, LeaseWish(linger: .zero, parkedRoutes: [.postSession])) }
        #expect(try spool.store.identityEntry(of: parent) != nil)
        try spool.deliver(try #require(try spool.lease()))
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == [sequence])
        #expect(lease.text(0).contains("\"parent_id\":\"\(id)\""))
    }

    @Test("a log that names a project by its provisional id waits until upstream has named it")
    func provisionalProject() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([.log("a")])
        let number = try #require(
            spool.store.identity.sequence(of: .project, in: receipt.projectIDs[0]))
        let second = try spool.append(
            TestEvent(project: nil, reference: "b", cause: .project(number)))
        let first = try #require(try spool.lease())
        #expect(first.events.count == 1)
        #expect(try spool.lease() == nil)
        try spool.deliver(first)
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == second)
        #expect(lease.text(0).contains("\"project_id\":\"pr_up\""))
    }
}

@Suite("Looking up and discarding")
struct LookupTests {
    @Test("an id stands for what has become of its event")
    func standings() throws {
        let spool = try TestSpool()
        let sequences = try spool.append(.log("a"), .log("b"), .log("c"))
        guard case .queued(let event) = try spool.store.find(.log, sequences[0]) else {
            Issue.record("not queued")
            return
        }
        #expect(String(decoding: event.body, as: UTF8.self).contains("\"reference_id\":\"a\""))
        #expect(!event.isInFlight)
        let lease = try #require(try spool.lease())
        guard case .queued(let leased) = try spool.store.find(.log, sequences[0]) else {
            Issue.record("not queued")
            return
        }
        #expect(leased.isInFlight)
        var settlement = Settlement(lease: lease.id)
        settlement.delivered = [.init(sequence: sequences[0], id: "data_1", projectID: nil)]
        settlement.dead = [.init(sequence: sequences[1], reason: .refused, status: 400, words: "")]
        try spool.settle(settlement)
        guard case .upstream("data_1") = try spool.store.find(.log, sequences[0]),
            case .dead("refused") = try spool.store.find(.log, sequences[1]),
            case .unknown = try spool.store.find(.log, EventSequence(rawValue: 99))
        else {
            Issue.record("wrong standings")
            return
        }
    }

    @Test("an id made of an effect's sequence stands for nothing, and discards nothing")
    func effectsAreNoLogs() throws {
        let spool = try TestSpool()
        let update = try spool.append(.update("elsewhere"))[0]
        guard case .unknown = try spool.store.find(.log, update) else {
            Issue.record("an update passes for a log")
            return
        }
        #expect(try spool.commit { try $0.discard([update]) } == .discarded)
        #expect(spool.store.ledger.held == 1)
    }

    @Test("a wait ends with upstream's id, and only after the commit")
    func watches() throws {
        let spool = try TestSpool()
        let sequences = try spool.append(.log("a"), .log("b"))
        let told = Mutex<[EventSequence: String?]?>(nil)
        let standing = try spool.commit { try $0.standing(of: sequences) }
        spool.store.watches.add(
            DeliveryWatch(number: 1), missing: standing.missing, found: standing.found
        ) { found in
            told.withLock { $0 = found }
        }
        let lease = try #require(try spool.lease())
        try spool.deliver(lease)
        #expect(told.withLock { $0 } == nil, "told before the commit was over")
        spool.store.rest()
        #expect(told.withLock { $0 } == [sequences[0]: "data_up1", sequences[1]: "data_up2"])
    }

    @Test("what was never leased is discarded with what waits for it, and counted")
    func discards() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        try spool.append(.log("c", parent: "a"), .feedback(on: log), .log("other"))
        let wish = LeaseWish(eventsMax: 1, linger: .zero, parkedLanes: [1])
        while try spool.lease(wish) != nil {}
        #expect(try spool.commit { try $0.discard([log]) } == .discarded)
        let report = try spool.commit { try $0.report() }
        #expect(report.discarded == report.counters["discarded.deleted"])
        #expect(report.accepted == 4)
        #expect(report.queued + report.inFlight + report.discarded == 4)
    }

    @Test("what names a discarded log and was not looked at yet is discarded when it is")
    func discardsLateLookers() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        try spool.append(.log("c", parent: "a"), .child(of: log), .feedback(on: log))
        #expect(try spool.commit { try $0.discard([log]) } == .discarded)
        #expect(try spool.drain().isEmpty)
        #expect(spool.store.ledger.discarded == 4)
        let report = try spool.commit { try $0.report() }
        #expect(report.counters["discarded.deleted"] == 4)
        #expect(report.dead == 0)
    }

    @Test("what may be on its way is not discarded, and nothing else of the same wish is")
    func inFlight() throws {
        let spool = try TestSpool()
        let sequences = try spool.append(.log("a"), .log("b"))
        _ = try #require(try spool.lease(LeaseWish(eventsMax: 1, linger: .zero)))
        #expect(try spool.commit { try $0.discard(sequences) } == .inFlight)
        #expect(spool.store.ledger.discarded == 0)
    }
}

@Suite("Earlier versions")
struct UpgradeTests {
    @Test("a spool of version 1 opens and drains")
    func version1() throws {
        let spool = try TestSpool(upTo: 1) { connection in
            try connection.execute(
                """
                INSERT INTO spool VALUES (1, 5, 6, 7, 3);
                INSERT INTO destination (base_url) VALUES ('http://upstream');
                INSERT INTO project VALUES (1, 'name:p');
                INSERT INTO lane VALUES (1, 1, 36, 1);
                INSERT INTO event VALUES
                    (1, 1, 1, 0, NULL, NULL, 11, 0, 0, 1800000000000, NULL, NULL, x'7b7d'),
                    (2, 1, 1, 0, NULL, NULL, 12, 0, 0, 1800000000000, NULL, NULL, x'7b7d');
                INSERT INTO lease VALUES (1, 1, 36, 1, x'0100000000000000');
                INSERT INTO identity VALUES (1, 9, 1, 1, 1, x'000d00000000000000010078');
                UPDATE ledger SET accepted = 2, held = 2, payload_bytes = 4;
                """)
        }
        #expect(try spool.store.connection.integer("PRAGMA user_version") == 3)
        #expect(try spool.commit { try $0.recall() }.leases.count == 1)
        #expect(try spool.drain() == [[EventSequence(rawValue: 2)]])
        #expect(spool.store.recent.contains(ReferenceKey(rawValue: 13)))
    }
}

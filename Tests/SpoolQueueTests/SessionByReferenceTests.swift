import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

/// A session that logs name by `session_reference_id`: whichever of them arrives first tells its id.
@Suite("A session by reference")
struct SessionByReferenceTests {
    private func log(_ reference: String, parent: String? = nil) -> TestEvent {
        var event = TestEvent.log(reference, parent: parent)
        event.session = .reference("chat")
        return event
    }

    /// The session's provisional id, as the answers to its logs carry it.
    private func session(_ receipt: Receipt, _ spool: TestSpool) throws -> EventSequence {
        let id = try #require(receipt.sessionIDs[0])
        return try #require(spool.store.identity.sequence(of: .session, in: id))
    }

    private func within(_ session: EventSequence) -> TestEvent {
        var event = TestEvent.log("inside")
        event.session = .provisional(session)
        return event
    }

    @Test("is learnt from a later log when the first one was refused")
    func firstRefused() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        try spool.append(log("b"))
        try spool.kill(receipt.sequences[0])
        let lease = try #require(try spool.lease())
        try spool.deliver(lease, session: "sesh_up")
        try spool.append(within(session))
        let next = try #require(try spool.lease())
        #expect(next.text(0).contains("\"session_id\":\"sesh_up\""))
    }

    @Test("is learnt from a later log when the first one was deleted while queued")
    func firstDeleted() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        _ = try spool.commit { try $0.discard(receipt.sequences) }
        try spool.append(log("b"))
        try spool.append(within(session))
        let lease = try #require(try spool.lease())
        #expect(lease.events.count == 1)
        try spool.deliver(lease, session: "sesh_up")
        let next = try #require(try spool.lease())
        #expect(next.text(0).contains("\"session_id\":\"sesh_up\""))
    }

    @Test("is given up with what names it when its only log was deleted")
    func onlyDeleted() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        _ = try spool.commit { try $0.discard(receipt.sequences) }
        try spool.append(within(session))
        #expect(try spool.drain().isEmpty)
        #expect(spool.store.ledger.discarded == 2)
    }

    @Test("does not wait for a first log that is held up")
    func firstIsSlow() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a", parent: "never heard of")])
        let session = try session(receipt, spool)
        try spool.append(log("b"))
        let lease = try #require(try spool.lease())
        try spool.deliver(lease, session: "sesh_up")
        try spool.append(within(session))
        #expect(try spool.lease()?.text(0).contains("\"session_id\":\"sesh_up\"") == true)
    }

    @Test("takes what names it along when every log that named it is dead")
    func allDead() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        let inside = try spool.append(within(session))[0]
        try spool.kill(receipt.sequences[0])
        _ = try spool.drain()
        let letter = try #require(try spool.commit { try $0.deadLetter(inside, withBody: false) })
        #expect(letter.reason == "cause dead")
        guard case .dead = try spool.commit({ try $0.find(.session, session) }) else {
            Issue.record("the session is not dead")
            return
        }
    }

    @Test("comes back with its logs when they are replayed")
    func replayed() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        let inside = try spool.append(within(session))[0]
        try spool.kill(receipt.sequences[0])
        _ = try spool.drain()
        _ = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == receipt.sequences)
        try spool.deliver(lease, session: "sesh_up")
        #expect(try spool.lease()?.events.map(\.sequence) == [inside])
    }

    @Test("belongs to one upstream: another one has to tell its own id")
    func otherUpstream() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        try spool.deliver(try #require(try spool.lease()), session: "sesh_one")
        try spool.reopen(destination: "http://other")
        #expect(try spool.commit { try $0.upstreamID(of: .session, session) } == nil)
        try spool.append(log("b"))
        try spool.deliver(try #require(try spool.lease()), session: "sesh_two")
        #expect(try spool.commit { try $0.upstreamID(of: .session, session) } == "sesh_two")
        try spool.reopen(destination: "http://upstream")
        #expect(try spool.commit { try $0.upstreamID(of: .session, session) } == "sesh_one")
    }

    @Test(
        "opened by a log that one upstream never took is told by the next one, under the same id",
        arguments: [false, true])
    func openedElsewhere(isReplayed: Bool) throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        if isReplayed { try spool.kill(receipt.sequences[0]) }
        try spool.reopen(destination: "http://other")
        if isReplayed { _ = try spool.commit { try $0.replay(DeadFilter(), after: nil) } }
        let inside = try spool.append(within(session))[0]
        try spool.deliver(try #require(try spool.lease()), session: "sesh_two")
        let next = try #require(try spool.lease())
        #expect(next.events.map(\.sequence) == [inside])
        #expect(next.text(0).contains("\"session_id\":\"sesh_two\""))
        try spool.deliver(next)
        // A number was used up, and is given to nothing else, not even after a crash.
        try spool.crash()
        let after = try spool.append(.log("b"))[0]
        #expect(after.rawValue == inside.rawValue + 2)
        let report = try SpoolDoctor.examine(path: spool.store.connection.path)
        #expect(report.findings.isEmpty, "\(report.findings)")
        try spool.reopen(destination: "http://upstream")
        #expect(try spool.store.upstreamID(of: .session, session) == nil)
    }

    @Test("keeps the id of one upstream when the log that opened it there goes to another")
    func deliveredElsewhere() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a", parent: "slow"), log("b")])
        let session = try session(receipt, spool)
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == [receipt.sequences[1]])
        try spool.deliver(lease, session: "sesh_one")
        try spool.reopen(destination: "http://other")
        spool.time.advance(.seconds(10))
        try spool.deliver(try #require(try spool.lease()), session: "sesh_two")
        #expect(try spool.store.upstreamID(of: .session, session) == "sesh_two")
        try spool.reopen(destination: "http://upstream")
        #expect(try spool.store.upstreamID(of: .session, session) == "sesh_one")
    }

    @Test("is never taken for its log where upstream gave only the log an id")
    func logHasIDOnly() throws {
        let spool = try TestSpool()
        let receipt = try spool.receipt([log("a")])
        let session = try session(receipt, spool)
        try spool.deliver(try #require(try spool.lease()))
        #expect(try spool.store.upstreamID(of: .log, receipt.sequences[0]) == "data_up1")
        #expect(try spool.store.upstreamID(of: .session, session) == nil)
        try spool.append(within(session))
        let id = spool.store.identity.id(.session, session)
        let lease = try #require(try spool.lease())
        #expect(lease.text(0).contains("\"session_id\":\"\(id)\""))
    }

    /// A spool that keeps few sessions, and one log of a session of its own.
    private func smallSpool(sessions: Int) throws -> (TestSpool, Receipt) {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.sessionsMax = sessions
        let spool = try TestSpool(settings: settings)
        return (spool, try spool.receipt([log("a")]))
    }

    /// Delivers logs of so many further sessions, and lets the queue forget old ones.
    private func deliverSessions(_ count: Int, _ spool: TestSpool) throws {
        try spool.append(
            (0..<count).map {
                var event = TestEvent.log()
                event.session = .reference("\(spool.store.nextSequence)-\($0)")
                return event
            })
        while let lease = try spool.lease() { try spool.deliver(lease, session: "sesh_other") }
        while try spool.store.upkeep() {}
    }

    private func sessions(_ spool: TestSpool) throws -> Int64? {
        try spool.store.connection.integer("SELECT count(*) FROM session")
    }

    @Test("is forgotten beyond a number, the oldest first, until a log names it again")
    func forgotten() throws {
        let (spool, receipt) = try smallSpool(sessions: 300)
        let session = try session(receipt, spool)
        try spool.deliver(try #require(try spool.lease()), session: "sesh_up")
        try deliverSessions(299, spool)
        #expect(try spool.store.upstreamID(of: .session, session) == "sesh_up")
        try deliverSessions(1200, spool)
        #expect(try sessions(spool) == 300)
        #expect(try spool.store.upstreamID(of: .session, session) == nil)

        try spool.crash()
        #expect(spool.store.sessionCount == 300)
        let again = try self.session(try spool.receipt([log("again")]), spool)
        try spool.deliver(try #require(try spool.lease()), session: "sesh_up")
        #expect(try spool.store.upstreamID(of: .session, again) == "sesh_up")
        try deliverSessions(1, spool)
        #expect(try sessions(spool) == 300)
        #expect(try spool.store.upstreamID(of: .session, again) == "sesh_up")
    }

    @Test("is not forgotten while a log that brings its id is queued or dead")
    func membersKeep() throws {
        let (spool, receipt) = try smallSpool(sessions: 100)
        let session = try session(receipt, spool)
        try spool.kill(receipt.sequences[0])
        try deliverSessions(800, spool)
        try spool.append(within(session))
        _ = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
        while try spool.store.upkeep() {}
        let lease = try #require(try spool.lease())
        #expect(lease.events.map(\.sequence) == receipt.sequences)
        try spool.deliver(lease, session: "sesh_up")
        let next = try #require(try spool.lease())
        #expect(next.text(0).contains("\"session_id\":\"sesh_up\""))
    }

    @Test("is not forgotten while an event in the queue names it by its provisional id")
    func namesKeep() throws {
        let (spool, receipt) = try smallSpool(sessions: 100)
        let session = try session(receipt, spool)
        let first = try #require(try spool.lease())
        let parent = try spool.append(.log("parent"))[0]
        var child = within(session)
        child.cause = .event(parent)
        try spool.append(child)
        try spool.deliver(first, session: "sesh_up")
        var settlement = Settlement(lease: try #require(try spool.lease()).id)
        settlement.returned = [
            .init(sequence: parent, notBefore: spool.time.now + .seconds(3600))
        ]
        try spool.settle(settlement)
        try deliverSessions(800, spool)
        #expect(try #require(try sessions(spool)) < 400)
        spool.time.advance(.seconds(3600))
        try spool.deliver(try #require(try spool.lease()))
        let last = try #require(try spool.lease())
        #expect(last.text(0).contains("\"session_id\":\"sesh_up\""))
    }
}

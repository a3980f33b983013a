import SpoolCore
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
}

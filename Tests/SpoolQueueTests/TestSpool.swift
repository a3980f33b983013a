import Foundation
import SpoolCore
import SpoolTestKit

@testable import SpoolQueue

/// A spool in a temporary directory, driven step by step on a clock of its own.
final class TestSpool {
    let directory: String
    let time = TestTime()
    var settings = QueueSettings(freeDiskBytesMin: 0)
    private(set) var store: SpoolStore!

    init(settings: QueueSettings = QueueSettings(freeDiskBytesMin: 0)) throws {
        directory =
            FileManager.default.temporaryDirectory
            .appending(path: "spool-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        self.settings = settings
        try open()
    }

    deinit {
        store = nil
        try? FileManager.default.removeItem(atPath: directory)
    }

    private func open() throws {
        let time = time
        store = try SpoolStore(
            path: directory + "/spool.db", destination: "http://upstream", settings: settings,
            clock: { time.now })
    }

    /// One transaction, as the queue's thread would run it.
    func commit<Result>(_ work: (SpoolStore) throws -> Result) throws -> Result {
        try store.begin()
        let result = try work(store)
        try store.commit()
        return result
    }

    /// The process dies: with `during`, in the middle of a transaction that did that work.
    func crash(during work: ((SpoolStore) throws -> Void)? = nil) throws {
        if let work {
            try store.begin()
            try work(store)
        }
        store = nil
        try open()
    }

    @discardableResult
    func append(_ events: TestEvent...) throws -> [EventSequence] {
        try append(events)
    }

    @discardableResult
    func append(_ events: [TestEvent]) throws -> [EventSequence] {
        let submission = TestEvent.submission(events, identity: store.identity)
        let receipt = try commit { try $0.append(submission) }.get()
        return events.indices.map { receipt.first.advanced(by: $0) }
    }

    /// The next batch, or nil.
    func lease(_ wish: LeaseWish = LeaseWish(linger: .zero)) throws -> Lease? {
        guard case .batch(let lease) = try commit({ try $0.lease(wish) }) else { return nil }
        return lease
    }

    /// Settles every event of a lease as delivered, under ids made of its sequence.
    func deliver(_ lease: Lease) throws {
        var settlement = Settlement(lease: lease.id)
        settlement.delivered = lease.events.map {
            .init(sequence: $0.sequence, id: "data_up\($0.sequence.rawValue)", projectID: "pr_up")
        }
        settlement.routeAnswered = true
        try commit { try $0.settle(settlement) }
    }

    /// Leases and delivers until nothing is ready; the batches, by sequence.
    func drain(_ wish: LeaseWish = LeaseWish(linger: .zero)) throws -> [[EventSequence]] {
        var batches: [[EventSequence]] = []
        while true {
            guard let lease = try lease(wish) else {
                if store.hasNews() { continue }
                return batches
            }
            batches.append(lease.events.map(\.sequence))
            try deliver(lease)
        }
    }
}

/// A clock that moves when it is told to.
final class TestTime: @unchecked Sendable {
    // Safety: tests that use it run on one thread.
    var now = Timestamp(milliseconds: 1_800_000_000_000)

    func advance(_ duration: Duration) {
        now = now + duration
    }
}

/// An event in the terms of a test.
struct TestEvent {
    var kind = EventKind.log
    var project: String? = "p"
    var reference: String?
    /// For a log its parent, for an effect its target.
    var cause: CauseName?
    var text = "hello"

    enum CauseName {
        case reference(String)
        case event(EventSequence)
    }

    static func log(
        _ reference: String? = nil, parent: String? = nil, project: String = "p",
        text: String = "hello"
    ) -> TestEvent {
        TestEvent(
            project: project, reference: reference, cause: parent.map { .reference($0) }, text: text
        )
    }

    static func child(of parent: EventSequence, _ reference: String? = nil) -> TestEvent {
        TestEvent(reference: reference, cause: .event(parent))
    }

    static func update(_ reference: String, text: String = "new") -> TestEvent {
        TestEvent(kind: .update, project: nil, cause: .reference(reference), text: text)
    }

    static func feedback(on log: EventSequence, text: String = "good") -> TestEvent {
        TestEvent(kind: .feedback, project: nil, cause: .event(log), text: text)
    }

    /// What the decoder at the door makes of such events.
    static func submission(_ events: [TestEvent], identity: SpoolIdentity) -> Submission {
        var submission = Submission(caller: "tcp")
        for event in events {
            event.append(to: &submission, identity: identity)
        }
        return submission
    }

    private func append(to submission: inout Submission, identity: SpoolIdentity) {
        var draft = EventDraft(kind: kind, body: 0..<0)
        var members = ["\"output\":\"\(text)\""]
        if let project {
            let name = "name:" + project
            if let known = submission.projects.firstIndex(of: name) {
                draft.project = known
            } else {
                draft.project = submission.projects.count
                submission.projects.append(name)
            }
            members.append("\"project\":\"\(project)\"")
        }
        if kind == .log {
            let name = reference ?? "minted-\(UUID().uuidString)"
            draft.reference = identity.key(of: name, named: .reference)
            draft.referenceIsMinted = reference == nil
            members.append("\"reference_id\":\"\(name)\"")
        }
        switch cause {
        case .reference(let name):
            let key = identity.key(of: name, named: .reference)
            draft.causes = [.reference(key)]
            if kind.isEffect { draft.reference = key }
            if kind == .log { members.append("\"parent_reference_id\":\"\(name)\"") }
        case .event(let sequence):
            draft.causes = [.event(sequence)]
            draft.holdsProvisionalID = true
            let key = kind == .log ? "parent_id" : "data_id"
            members.append("\"\(key)\":\"\(identity.id(.log, sequence))\"")
        case nil: break
        }
        if kind == .update, case .reference(let name) = cause {
            let start = submission.bytes.count
            submission.bytes += Array(name.utf8)
            draft.address = start..<submission.bytes.count
        }
        let start = submission.bytes.count
        submission.bytes += Array("{\(members.joined(separator: ","))}".utf8)
        draft.body = start..<submission.bytes.count
        submission.events.append(draft)
    }
}

extension Lease {
    /// A body as text.
    func text(_ index: Int) -> String {
        String(decoding: bytes[events[index].body], as: UTF8.self)
    }
}

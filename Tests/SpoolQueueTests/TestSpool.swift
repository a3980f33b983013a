import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit

@testable import SpoolQueue

/// A spool in a temporary directory, driven step by step on a clock of its own.
final class TestSpool {
    let directory: String
    let time = TestTime()
    var settings = QueueSettings(freeDiskBytesMin: 0)
    private(set) var store: SpoolStore!
    /// Deaths of the process that left a log to be recovered.
    private(set) var recoveries = 0
    /// Where the files are: it dies with the process, so that nothing is tidied up.
    private let disk = FaultDisk("spool-\(UUID().uuidString)")
    /// What every connection is told when it is open.
    private let pragmas: String

    init(
        settings: QueueSettings = QueueSettings(freeDiskBytesMin: 0), pragmas: String = ""
    ) throws {
        directory = try TestFolder.make("spool")
        self.settings = settings
        self.pragmas = pragmas
        try open()
    }

    deinit {
        store = nil
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// A spool whose file an earlier version of the program wrote.
    init(upTo version: Int, fill: (Connection) throws -> Void) throws {
        directory = try TestFolder.make("spool")
        pragmas = ""
        let connection = try DurableFile.open(
            path: directory + "/spool.db", applicationID: QueueSchema.applicationID,
            migrations: Array(QueueSchema.migrations.prefix(version)), vfs: disk.name)
        try fill(connection)
        try open()
    }

    private func open(destination: String = "http://upstream") throws {
        let time = time
        settings.instant = { time.instant }
        store = try SpoolStore(
            path: directory + "/spool.db", destination: destination, settings: settings,
            clock: { time.now }, vfs: disk.name)
        try store.connection.execute(pragmas)
    }

    /// Stops, and starts with another upstream.
    func reopen(destination: String) throws {
        store = nil
        try open(destination: destination)
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
        // A store that is thrown away would tidy up its log, and a dead process does not.
        disk.becomeReadOnly()
        store = nil
        disk.mend()
        if SpoolDoctor.size(of: directory + "/spool.db-wal") > 0 { recoveries += 1 }
        try open()
    }

    @discardableResult
    func append(_ events: TestEvent...) throws -> [EventSequence] {
        try append(events)
    }

    @discardableResult
    func append(_ events: [TestEvent], by caller: String = "tcp") throws -> [EventSequence] {
        try receipt(events, by: caller).sequences
    }

    func receipt(_ events: [TestEvent], by caller: String = "tcp") throws -> Receipt {
        var submission = TestEvent.submission(events, identity: store.identity)
        submission.caller = caller
        return try commit { try $0.append(submission) }.get()
    }

    /// The next batch, or nil.
    func lease(_ wish: LeaseWish = LeaseWish(linger: .zero)) throws -> Lease? {
        guard case .batch(let lease) = try commit({ try $0.lease(wish) }) else { return nil }
        return lease
    }

    @discardableResult
    func settle(_ settlement: Settlement) throws -> SettleOutcome {
        try commit { try $0.settle(settlement) }
    }

    /// Settles one event of a lease as delivered; the others go back.
    func deliver(
        _ sequence: EventSequence, of lease: Lease, id: String = "data_up", session: String? = nil
    ) throws {
        var settlement = Settlement(lease: lease.id)
        for event in lease.events {
            if event.sequence == sequence {
                settlement.delivered.append(
                    .init(
                        sequence: sequence, id: id, projectID: "pr_up", sessionID: session))
            } else {
                settlement.returned.append(.init(sequence: event.sequence))
            }
        }
        settlement.routeAnswered = true
        try settle(settlement)
    }

    /// Settles every event of a lease as delivered, under ids made of its sequence.
    func deliver(_ lease: Lease, session: String? = nil) throws {
        var settlement = Settlement(lease: lease.id)
        settlement.delivered = lease.events.map {
            .init(
                sequence: $0.sequence, id: "data_up\($0.sequence.rawValue)", projectID: "pr_up",
                sessionID: session)
        }
        settlement.routeAnswered = true
        try settle(settlement)
    }

    /// Leases and delivers until nothing is ready; the batches, by sequence.
    func drain(_ wish: LeaseWish = LeaseWish(linger: .zero)) throws -> [[EventSequence]] {
        var batches: [[EventSequence]] = []
        while true {
            let answer = try commit { try $0.lease(wish) }
            guard case .batch(let lease) = answer else {
                // What this look woke is due at once, or is news after the commit.
                if case .nothing(let due?) = answer, due <= time.now { continue }
                if store.hasNews() { continue }
                return batches
            }
            batches.append(lease.events.map(\.sequence))
            try deliver(lease)
        }
    }
}

/// A clock that moves when it is told to.
// Safety: tests that use it run on one thread.
final class TestTime: @unchecked Sendable {
    var now = Timestamp(milliseconds: 1_800_000_000_000)
    private(set) var instant = ContinuousClock.now

    /// Time passes, on both clocks.
    func advance(_ duration: Duration) {
        now = now + duration
        instant += duration
    }

    /// Somebody sets the wall clock.
    func jump(_ duration: Duration) {
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
    var session: SessionName?
    /// Whether a repetition is to be recognised.
    var isRecognised = false

    enum CauseName {
        case reference(String)
        case event(EventSequence)
        case project(EventSequence)
        /// Upstream's own id.
        case foreign(String)
    }

    enum SessionName {
        case reference(String)
        case provisional(EventSequence)
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

    static func feedback(onReference name: String) -> TestEvent {
        TestEvent(kind: .feedback, project: nil, cause: .reference(name), text: "good")
    }

    static let newSession = TestEvent(kind: .session, project: nil)

    static func result(on log: EventSequence) -> TestEvent {
        TestEvent(kind: .evaluationResult, project: nil, cause: .event(log))
    }

    /// What the decoder at the door makes of such events.
    static func submission(_ events: [TestEvent], identity: SpoolIdentity) -> Submission {
        var submission = Submission(caller: "tcp")
        for event in events {
            event.append(to: &submission, identity: identity)
        }
        return submission
    }

    /// By what an update names its log in its target.
    private func targetName(_ identity: SpoolIdentity) -> String? {
        switch cause {
        case .reference(let name), .foreign(let name): name
        case .event(let sequence): identity.id(.log, sequence)
        case .project, nil: nil
        }
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
        if kind.isLog {
            let name = reference ?? "minted-\(UUID().uuidString)"
            draft.reference = identity.key(of: name, named: .reference)
            draft.referenceIsMinted = reference == nil
            members.append("\"reference_id\":\"\(name)\"")
        }
        switch session {
        case .reference(let name):
            draft.sessionReference = identity.key(of: name, named: .sessionReference)
            members.append("\"session_reference_id\":\"\(name)\"")
        case .provisional(let sequence):
            draft.causes.append(.session(sequence))
            draft.holdsProvisionalID = true
            members.append("\"session_id\":\"\(identity.id(.session, sequence))\"")
        case nil: break
        }
        switch cause {
        case .reference(let name):
            let key = identity.key(of: name, named: .reference)
            draft.causes.append(.reference(key))
            if kind.isEffect { draft.reference = key }
            if kind == .log { members.append("\"parent_reference_id\":\"\(name)\"") }
            if kind == .feedback {
                draft.namesLogByReference = true
                members.append("\"reference_id\":\"\(name)\"")
            }
        case .event(let sequence):
            draft.causes.append(.event(sequence))
            draft.holdsProvisionalID = true
            let key =
                switch kind {
                case .feedback: "data_id"
                case .evaluationResult: "log_id"
                default: "parent_id"
                }
            members.append("\"\(key)\":\"\(identity.id(.log, sequence))\"")
        case .project(let number):
            draft.causes.append(.project(number))
            draft.holdsProvisionalID = true
            members.append("\"project_id\":\"\(identity.id(.project, number))\"")
        case .foreign(let id):
            draft.reference = identity.key(of: id, named: .foreignID)
            if kind == .update { draft.route = .patchLog }
        case nil: break
        }
        if kind == .evaluationResult || kind == .evaluationLog {
            let start = submission.bytes.count
            submission.bytes += Array("ev_1".utf8)
            draft.address = start..<submission.bytes.count
        }
        if kind == .update, let name = targetName(identity) {
            if case .event = cause { draft.route = .patchLog }
            let start = submission.bytes.count
            submission.bytes += Array(name.utf8)
            draft.address = start..<submission.bytes.count
        }
        let start = submission.bytes.count
        // A session is opened by a request without a body.
        if kind != .session {
            submission.bytes += Array("{\(members.joined(separator: ","))}".utf8)
        }
        draft.body = start..<submission.bytes.count
        if isRecognised {
            draft.digest = submission.bytes[draft.body].withUnsafeBytes { identity.digest(of: $0) }
        }
        submission.events.append(draft)
    }
}

extension Lease {
    /// A body as text.
    func text(_ index: Int) -> String {
        String(decoding: bytes[events[index].body], as: UTF8.self)
    }
}

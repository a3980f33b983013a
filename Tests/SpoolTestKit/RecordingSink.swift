public import SpoolCore
import Synchronization

/// A queue in memory: records what the ways in append, and answers at once or on command.
public final class RecordingSink: EventSink {
    /// When a submission's receipt is given.
    public enum Commits: Sendable {
        /// Within `append`, on the caller's thread.
        case immediately
        /// When the test calls ``RecordingSink/commit(_:)``.
        case onCommand
    }

    /// A submission that was committed.
    public struct Accepted: Sendable {
        /// What was appended.
        public let submission: Submission
        /// The sequence of its first event.
        public let first: EventSequence

        /// The bodies of its events, as they would travel.
        public var bodies: [String] {
            submission.events.map { String(decoding: submission.bytes[$0.body], as: UTF8.self) }
        }
    }

    /// Input that was kept because there was nobody to tell.
    public struct Malformed: Sendable, Equatable {
        /// The input as it came.
        public let input: [UInt8]
        /// What is wrong with it.
        public let reason: String
        /// Where it came from.
        public let source: String
    }

    fileprivate typealias Done = @Sendable (Result<Receipt, AppendRefusal>) -> Void

    fileprivate struct State {
        var nextSequence: Int64 = 1
        var appends = 0
        var waiting: [(submission: Submission, done: Done)] = []
        var accepted: [Accepted] = []
        var malformed: [Malformed] = []
        var withdrawals: [ContinuousClock.Instant] = []
        var refusal: AppendRefusal?
        var taken: [ReferenceKey: String] = [:]
        var projectIDs: [String: String] = [:]
        var sessionIDs: [ReferenceKey: String] = [:]
        var target: EventSequence?
        var repeated: EventSequence?
        var watchers: [(appends: Int, resume: @Sendable () -> Void)] = []
    }

    /// What the ids given in receipts are made with.
    public let identity: SpoolIdentity
    private let commits: Commits
    private let state = Mutex(State())

    /// An empty queue.
    public init(
        identity: SpoolIdentity = SpoolIdentity(epoch: 7, key0: 11, key1: 13),
        commits: Commits = .immediately
    ) {
        self.identity = identity
        self.commits = commits
    }

    // MARK: What the test sees

    /// Everything committed so far, in order.
    public var accepted: [Accepted] { state.withLock { $0.accepted } }

    /// The bodies of all committed events, in order.
    public var bodies: [String] { accepted.flatMap(\.bodies) }

    /// Submissions appended and not yet answered.
    public var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// What was given to ``keepMalformed(_:reason:source:)``.
    public var malformed: [Malformed] { state.withLock { $0.malformed } }

    /// The instants given to ``withdraw(waitingSince:)``.
    public var withdrawals: [ContinuousClock.Instant] { state.withLock { $0.withdrawals } }

    /// Returns once `append` was called `count` times in all, refused calls included.
    public func waitForAppends(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.appends >= count { return true }
                state.watchers.append((count, { continuation.resume() }))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    // MARK: What the test commands

    /// Commits the oldest `count` waiting submissions, all of them by default.
    public func commit(_ count: Int = .max) {
        let batch = state.withLock { state in
            let batch = Array(state.waiting.prefix(count))
            state.waiting.removeFirst(batch.count)
            return batch
        }
        for (submission, done) in batch { done(.success(receive(submission))) }
    }

    /// Refuses every waiting submission.
    public func refuseWaiting(_ refusal: AppendRefusal) {
        let batch = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for (_, done) in batch { done(.failure(refusal)) }
    }

    /// Refuses every later append until nil is given.
    public func refuse(_ refusal: AppendRefusal?) {
        state.withLock { $0.refusal = refusal }
    }

    /// Refuses every later submission with a log under this reference, which is another log's.
    public func take(reference: String) {
        state.withLock { $0.taken[identity.key(of: reference, named: .reference)] = reference }
    }

    /// Makes receipts give upstream's `id` for a project, named as in ``Submission/projects``.
    public func know(project: String, id: String) {
        state.withLock { $0.projectIDs[project] = id }
    }

    /// Makes receipts recognise every event as the one accepted under this sequence, until nil is
    /// given.
    public func recognise(as sequence: EventSequence?) {
        state.withLock { $0.repeated = sequence }
    }

    /// Makes receipts say that effects change the log accepted under `target`.
    public func know(target: EventSequence?) {
        state.withLock { $0.target = target }
    }

    // MARK: EventSink

    /// Records the call, then commits, refuses or keeps the submission waiting as commanded.
    public func append(
        _ submission: Submission,
        _ done: @escaping @Sendable (Result<Receipt, AppendRefusal>) -> Void
    ) {
        let (refusal, due) = state.withLock { state in
            state.appends += 1
            let appends = state.appends
            let due = state.watchers.filter { $0.appends <= appends }
            state.watchers.removeAll { $0.appends <= appends }
            let refusal = state.refusal ?? state.duplicate(in: submission)
            if refusal == nil, commits == .onCommand {
                state.waiting.append((submission, done))
            }
            return (refusal, due)
        }
        if let refusal {
            done(.failure(refusal))
        } else if commits == .immediately {
            done(.success(receive(submission)))
        }
        for watcher in due { watcher.resume() }
    }

    /// Records the call; what waits goes on waiting.
    public func withdraw(waitingSince instant: ContinuousClock.Instant) {
        state.withLock { $0.withdrawals.append(instant) }
    }

    /// Records the input.
    public func keepMalformed(_ input: [UInt8], reason: String, source: String) {
        state.withLock {
            $0.malformed.append(Malformed(input: input, reason: reason, source: source))
        }
    }

    private func receive(_ submission: Submission) -> Receipt {
        state.withLock { state in
            let first = EventSequence(rawValue: state.nextSequence)
            state.nextSequence += Int64(submission.events.count)
            state.accepted.append(Accepted(submission: submission, first: first))
            let projectIDs = submission.projects.enumerated().map { place, project in
                state.projectIDs[project]
                    ?? identity.id(.project, EventSequence(rawValue: Int64(place) + 1))
            }
            let targets = submission.events.map { $0.kind.isEffect ? state.target : nil }
            let sessionIDs = submission.events.enumerated().map { place, event in
                event.sessionReference.map { key in
                    let id = identity.id(.session, first.advanced(by: place))
                    return state.sessionIDs[key, setDefault: id]
                }
            }
            let sequences = submission.events.indices.map { place in
                state.repeated ?? first.advanced(by: place)
            }
            return Receipt(
                sequences: sequences, projectIDs: projectIDs, targets: targets,
                sessionIDs: sessionIDs)
        }
    }
}

extension RecordingSink.State {
    /// The first log of a submission whose reference is taken.
    fileprivate func duplicate(in submission: Submission) -> AppendRefusal? {
        for (index, event) in submission.events.enumerated() where event.kind.isLog {
            if let reference = event.reference.flatMap({ taken[$0] }) {
                return .duplicate(index: index, reference: reference)
            }
        }
        return nil
    }
}

extension Dictionary {
    /// The value under a key, which is this one from now on if there was none.
    fileprivate subscript(key: Key, setDefault value: Value) -> Value {
        mutating get {
            if let known = self[key] { return known }
            self[key] = value
            return value
        }
    }
}

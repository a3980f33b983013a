/// What is known of the logs that events name. The queue implements it over its tables.
///
/// "Queued" includes in flight and in doubt: everything that upstream may not have yet.
public protocol CauseIndex {
    /// Whether a log of that name is in the queue.
    func isQueued(_ key: ReferenceKey) -> Bool
    /// Whether a log of that name was delivered, as far as is remembered.
    func isDelivered(_ key: ReferenceKey) -> Bool
    /// Whether a log of that name is dead.
    func isDead(_ key: ReferenceKey) throws -> Bool
    /// Whether a log of that name was discarded after the event with that sequence was accepted.
    func isDeleted(_ key: ReferenceKey, before sequence: EventSequence) throws -> Bool
    /// What became of the log accepted under `sequence`.
    func log(_ sequence: EventSequence) throws -> LogStanding
    /// What became of the session named by a provisional id.
    func session(_ sequence: EventSequence) throws -> LogStanding
    /// What became of the project named by a provisional id.
    func project(_ number: EventSequence) throws -> LogStanding
    /// The last effect on the named log before `sequence` that is still in the queue.
    func effect(on key: ReferenceKey, before sequence: EventSequence) throws -> PriorEffect?
}

/// What became of a log, a session or a project.
public enum LogStanding: Equatable, Sendable {
    /// Still here; waiters are woken by its key.
    case queued(ReferenceKey)
    /// Upstream has it.
    case delivered
    /// Dead: whoever names it dies too.
    case dead
    /// Discarded by command: whoever names it is discarded too.
    case deleted
    /// Not accepted here, or forgotten.
    case unknown
}

/// An effect that goes before another on the same log.
public struct PriorEffect: Equatable, Sendable {
    /// Which.
    public let sequence: EventSequence
    /// What it is.
    public let kind: EventKind

    /// An effect on a log.
    public init(sequence: EventSequence, kind: EventKind) {
        self.sequence = sequence
        self.kind = kind
    }
}

/// What the order of causes needs to know about one event.
public struct CausalFacts: Sendable {
    /// The event.
    public let sequence: EventSequence
    /// What it is.
    public let kind: EventKind
    /// A log's own name; an effect's target.
    public let reference: ReferenceKey?
    /// The logs it names.
    public let causes: [Cause]
    /// When it was accepted.
    public let acceptedAt: Timestamp

    /// The facts of one event.
    public init(
        sequence: EventSequence, kind: EventKind, reference: ReferenceKey?, causes: [Cause],
        acceptedAt: Timestamp
    ) {
        self.sequence = sequence
        self.kind = kind
        self.reference = reference
        self.causes = causes
        self.acceptedAt = acceptedAt
    }
}

/// Which events may go now: causes before effects, and no other order.
///
/// Decided when an event is about to be leased, never at acceptance: what it names may be accepted later
/// than the event itself. A parent never shares a request with its child because the child is not ready
/// while the parent is in the queue, and the parent leaves it only with upstream's 2xx.
public enum DependencyOrder {
    /// What an event may do now.
    public enum Standing: Equatable, Sendable {
        /// It may go. `namesUnknownLog`: only in the company of others like it, because upstream may
        /// refuse it for the log it names.
        case ready(namesUnknownLog: Bool)
        /// It waits until the named log, or the effect before it on that log, has left the queue.
        case waits(on: ReferenceKey)
        /// It names a log nobody here has heard of: it waits for it, but not beyond the given time.
        case waitsForUnknown(ReferenceKey, until: Timestamp)
        /// A log it names is dead.
        case causeIsDead
        /// A log it names was discarded by command.
        case causeIsDeleted
    }

    /// The standing of one event.
    ///
    /// - Parameter batch: the feedback already chosen for the same request; items on one log may share it.
    public static func standing(
        of event: CausalFacts, at now: Timestamp, batch: Set<EventSequence>,
        in index: some CauseIndex
    ) throws -> Standing {
        var unknown: ReferenceKey?
        var namesUnknownLog = false
        for cause in event.causes {
            switch try standing(of: cause, namedBy: event.sequence, in: index) {
            case .ready: break
            case .waits(let key): return .waits(on: key)
            case .dead: return .causeIsDead
            case .deleted: return .causeIsDeleted
            case .unknown(let key):
                namesUnknownLog = true
                unknown = unknown ?? key
            }
        }
        if event.kind.isEffect, let target = event.reference,
            let prior = try index.effect(on: target, before: event.sequence)
        {
            let sharesRequest =
                event.kind == .feedback && prior.kind == .feedback && batch.contains(prior.sequence)
            if !sharesRequest { return .waits(on: target) }
        }
        if let unknown {
            let until = event.acceptedAt + Limits.unknownCauseWait
            // An event from the future was accepted before the clock was set back.
            if now < until, event.acceptedAt <= now {
                return .waitsForUnknown(unknown, until: until)
            }
        }
        return .ready(namesUnknownLog: namesUnknownLog)
    }

    private enum CauseStanding {
        case ready
        case waits(ReferenceKey)
        case dead
        case deleted
        /// Nil where nothing that comes later could be the log: an id that no longer resolves.
        case unknown(ReferenceKey?)
    }

    private static func standing(
        of cause: Cause, namedBy sequence: EventSequence, in index: some CauseIndex
    ) throws -> CauseStanding {
        switch cause {
        case .reference(let key):
            if index.isQueued(key) { return .waits(key) }
            if index.isDelivered(key) { return .ready }
            if try index.isDead(key) { return .dead }
            return try index.isDeleted(key, before: sequence) ? .deleted : .unknown(key)
        case .event(let sequence): return standing(try index.log(sequence))
        case .session(let sequence): return standing(try index.session(sequence))
        case .project(let number): return standing(try index.project(number))
        }
    }

    private static func standing(_ log: LogStanding) -> CauseStanding {
        switch log {
        case .queued(let key): .waits(key)
        case .delivered: .ready
        case .dead: .dead
        case .deleted: .deleted
        case .unknown: .unknown(nil)
        }
    }
}

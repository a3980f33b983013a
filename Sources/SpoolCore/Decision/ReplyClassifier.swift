/// What the sender knows about a request when its outcome is judged.
public struct RequestFacts: Hashable, Sendable {
    /// The operation.
    public var route: Route
    /// Events in the request, at least 1.
    public var count: Int
    /// Whether the single event names a log or session that was never seen here, so that upstream may
    /// not know it yet either.
    public var namesUnknownLog: Bool
    /// Whether the single event has waited ``Limits/unknownCauseGrace`` for it.
    public var graceIsOver: Bool
    /// Whether this route has answered 2xx under this base URL.
    public var routeHasAnswered: Bool
    /// Whether any route has.
    public var destinationHasAnswered: Bool
    /// Whether upstream is the embedded archive, whose word is always believed.
    public var isArchive: Bool
    /// Whether every 2xx counts as delivered, with ids or without (`accept_bare_2xx`).
    public var acceptsBare2xx: Bool

    /// Facts about a request of one event that names nothing, to a destination nothing is known of.
    public init(
        route: Route, count: Int = 1, namesUnknownLog: Bool = false, graceIsOver: Bool = false,
        routeHasAnswered: Bool = false, destinationHasAnswered: Bool = false,
        isArchive: Bool = false, acceptsBare2xx: Bool = false
    ) {
        self.route = route
        self.count = count
        self.namesUnknownLog = namesUnknownLog
        self.graceIsOver = graceIsOver
        self.routeHasAnswered = routeHasAnswered
        self.destinationHasAnswered = destinationHasAnswered
        self.isArchive = isArchive
        self.acceptsBare2xx = acceptsBare2xx
    }

    /// Whether a 404 may mean the log that the single event names: it stands in the path or the body of
    /// every effect, and of a log only as its parent or session.
    fileprivate var mayMissCause: Bool {
        guard count == 1 else { return false }
        switch route {
        case .patchLog, .patchLogByReference, .postFeedback, .postEvaluationResult: return true
        case .postLogs, .postEvaluationLog, .postSession: return namesUnknownLog
        }
    }

    /// The members of which a 422 may say that upstream does not know what they name. Where the log was
    /// seen here, or upstream itself has given its id, such a complaint is about something else.
    fileprivate var unknownMembers: Set<String> {
        switch route {
        case .patchLogByReference: ["reference_id"]
        case _ where !namesUnknownLog: []
        case .patchLog: ["id"]
        case .postFeedback: ["data_id"]
        case .postEvaluationResult: ["log_id"]
        case .postLogs, .postEvaluationLog: ["parent_id", "parent_reference_id", "session_id"]
        case .postSession: []
        }
    }
}

/// Outcome in, verdict out: the table of what upstream's answers mean (docs/ARCHITECTURE.md).
///
/// Total over every status and every failure. Two rules carry it. *No answer* is never read as *not
/// applied*: upstream has no idempotency key, so sending again may duplicate. And a refusal is believed
/// only from a route that has shown that it serves this API, so that a wrong base URL kills nothing.
public enum ReplyClassifier {
    /// Judges one outcome.
    ///
    /// - Parameter now: the wall clock, for a date in `Retry-After`.
    public static func verdict(
        on outcome: UpstreamOutcome, to facts: RequestFacts, now: Timestamp
    ) -> Verdict {
        precondition(facts.count > 0, "a request carries at least one event, not \(facts.count)")
        switch outcome {
        case .notSent: return .notApplied(retryAfter: nil)
        case .noAnswer(_, let timedOut): return .inDoubt(.lost(timedOut: timedOut))
        case .answered(let answer): return verdict(on: answer, to: facts, now: now)
        }
    }

    private static func verdict(
        on answer: UpstreamAnswer, to facts: RequestFacts, now: Timestamp
    ) -> Verdict {
        let retryAfter = RetryAfter.delay(answer.retryAfter, now: now)
        switch answer.status {
        case 200...299:
            let identities = UpstreamIdentity.read(
                answer.body, for: facts.route, count: facts.count)
            return identities.map(Verdict.delivered)
                ?? (facts.acceptsBare2xx ? .accepted : .inDoubt(.unusableAnswer))
        case 401, 407: return .parked(.unauthorized)
        case 402, 403: return .parked(.notAllowed)
        case 300...399, 405, 501: return .parked(.misconfigured)
        case 408, 415, 425, 429, 503: return .notApplied(retryAfter: retryAfter)
        case 413 where facts.count > 1: return .tooLarge(retryAfter: retryAfter)
        case 413: return refusal(.tooLarge, to: facts)
        case 422: return verdict(onComplaint: answer.body, to: facts)
        case 404 where facts.mayMissCause:
            return missingCause(facts, isBelieved: false)
        case 400...499:
            return facts.count > 1 ? .inDoubt(.refusedTogether) : refusal(.refused, to: facts)
        default:
            // Other 5xx, and statuses that HTTP does not know (RFC 9110, section 15).
            return .inDoubt(.failed)
        }
    }

    private static func verdict(onComplaint body: [UInt8], to facts: RequestFacts) -> Verdict {
        guard let complaint = ValidationComplaint(body) else {
            return facts.count > 1 ? .inDoubt(.refusedTogether) : refusal(.refused, to: facts)
        }
        if facts.count > 1 {
            return complaint.isAboutBody
                ? .faulty(places: complaint.culprits(of: facts.count)) : .inDoubt(.refusedTogether)
        }
        if complaint.saysUnknown(facts.unknownMembers) {
            return missingCause(facts, isBelieved: complaint.isAboutBody)
        }
        return complaint.isAboutBody ? .refused(.refused) : refusal(.refused, to: facts)
    }

    /// The unknown log may still come; after the grace period its effect dies, but only on the word of
    /// a destination that has shown to serve this API.
    private static func missingCause(_ facts: RequestFacts, isBelieved: Bool) -> Verdict {
        guard facts.graceIsOver else { return .causeMissing }
        return isBelieved || facts.isArchive || facts.destinationHasAnswered
            ? .refused(.causeUnknown) : .parked(.misconfigured)
    }

    private static func refusal(_ reason: DeadLetterReason, to facts: RequestFacts) -> Verdict {
        facts.isArchive || facts.routeHasAnswered ? .refused(reason) : .parked(.misconfigured)
    }
}

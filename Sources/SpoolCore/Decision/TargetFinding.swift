/// What upstream's answer to an empty `PATCH /logs?reference_id=…` says about the log that an effect
/// names by that reference: feedback and evaluation results need its id before they can travel.
public enum TargetFinding: Equatable, Sendable {
    /// It is there, under this id.
    case found(UpstreamIdentity)
    /// Upstream does not know it, or not yet: the effect waits by itself.
    case missing
    /// Upstream does not know it, and the effect has waited long enough: it dies.
    case givenUp
    /// Upstream failed. The effect waits by itself, because it may be what upstream stumbles over.
    case failed
    /// The answer decides nothing.
    case unclear

    /// Reads the outcome of a question.
    ///
    /// An answer counts as found exactly where a ``Finding`` would. Not knowing is believed by the rule
    /// for effects in general (``ReplyClassifier``), so that a wrong base URL kills nothing.
    ///
    /// - Parameters:
    ///   - reference: the asked `reference_id`.
    ///   - facts: of the question, sent for one effect.
    ///   - now: the wall clock.
    public init(
        _ outcome: UpstreamOutcome, reference: String, to facts: RequestFacts, now: Timestamp
    ) {
        if case .arrived(let identity) = Finding(outcome, reference: reference, createdAt: nil) {
            self = .found(identity)
            return
        }
        switch ReplyClassifier.verdict(on: outcome, to: facts, now: now) {
        case .causeMissing: self = .missing
        case .refused(.causeUnknown): self = .givenUp
        // By a route that works elsewhere: about this log upstream will never say more.
        case .refused: self = facts.graceIsOver ? .givenUp : .missing
        case .inDoubt(.failed), .inDoubt(.lost): self = .failed
        case .delivered, .accepted, .notApplied, .tooLarge, .faulty, .inDoubt, .parked:
            self = .unclear
        }
    }
}

/// What upstream's answer to an empty `PATCH /logs?reference_id=…` says about one event.
public enum Finding: Hashable, Sendable {
    /// It is there, under this id.
    case arrived(UpstreamIdentity)
    /// Upstream does not know the reference.
    case absent
    /// Upstream knows the reference, but as another log.
    case anotherLog
    /// The answer decides nothing.
    case unclear

    /// Reads the outcome of a question.
    ///
    /// Only a 200 that is a JSON log with an id counts as there, and where it carries a `reference_id`
    /// it must be the asked one. `created_at` is compared only where both times name their zone: a
    /// second or more apart is another log.
    ///
    /// - Parameters:
    ///   - reference: the asked `reference_id`.
    ///   - createdAt: the event's own `created_at`; nil compares nothing.
    public init(_ outcome: UpstreamOutcome, reference: String, createdAt: DateTime?) {
        guard case .answered(let answer) = outcome else {
            self = .unclear
            return
        }
        switch answer.status {
        case 404: self = .absent
        case 200: self = Finding(found: answer.body, reference: reference, createdAt: createdAt)
        default: self = .unclear
        }
    }

    private init(found body: [UInt8], reference: String, createdAt: DateTime?) {
        let route = Route.patchLogByReference
        guard let identity = UpstreamIdentity.read(body, for: route, count: 1)?.first,
            let facts = body.withUnsafeBytes({ LogFacts($0) })
        else {
            self = .unclear
            return
        }
        guard facts.referenceID == nil || facts.referenceID == reference else {
            self = .unclear
            return
        }
        if let ours = createdAt, let theirs = facts.createdTime, ours.hasOffset, theirs.hasOffset {
            let apart = abs(ours.time.milliseconds - theirs.time.milliseconds)
            self = apart < 1000 ? .arrived(identity) : .anotherLog
        } else {
            self = .arrived(identity)
        }
    }
}

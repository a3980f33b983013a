/// What upstream's answer to an empty `PATCH /logs?reference_id=…` says about one event.
public enum Finding: Hashable, Sendable {
    /// It is there, under this id.
    case arrived(UpstreamIdentity)
    /// Upstream does not know the reference.
    case absent
    /// Upstream knows the reference, but as another log.
    case anotherLog
    /// Upstream cannot be asked about this reference: it refuses the question for good, or answers it
    /// with another reference.
    case refused
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
        case let status where Self.isRefusal(status): self = .refused
        default: self = .unclear
        }
    }

    /// Whether a status means that this question will be answered no better another time: 501, and every
    /// 4xx that speaks neither of the key, nor of rights, nor of now (RFC 9110, section 15.5). A 404 is an
    /// answer.
    public static func isRefusal(_ status: Int) -> Bool {
        switch status {
        case 401, 402, 403, 404, 407, 408, 425, 429: false
        case 400...499, 501: true
        default: false
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
        guard facts.referenceID.map({ ExactName($0) == ExactName(reference) }) ?? true else {
            self = .refused
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

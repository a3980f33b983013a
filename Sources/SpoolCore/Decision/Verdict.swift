/// What an exchange means for the events that travelled in it. Every outcome has exactly one.
public enum Verdict: Equatable, Sendable {
    /// Arrived: upstream's ids, one for each event, by position.
    case delivered([UpstreamIdentity])
    /// Taken for arrived because the operator says that upstream answers without ids.
    case accepted
    /// Surely not applied, and no event's fault: back to the queue, and the destination rests, at
    /// least as long as it asked for.
    case notApplied(retryAfter: Duration?)
    /// Surely not applied because the events are too large together: back to the queue by halves.
    case tooLarge(retryAfter: Duration?)
    /// Surely not applied because of some of the events: those at `places` travel alone from now on,
    /// the others together. No place named: by halves.
    case faulty(places: [Int])
    /// Surely not applied: the single event is refused for good.
    case refused(DeadLetterReason)
    /// Surely not applied: upstream does not know the log that the single event names, or not yet.
    case causeMissing
    /// Perhaps applied.
    case inDoubt(Ambiguity)
    /// Surely not applied, and nothing else of this kind will be until somebody mends something.
    case parked(Park)
}

/// Why nobody knows whether a request was applied.
public enum Ambiguity: Hashable, Sendable {
    /// A 2xx that does not answer the request: another shape, an id missing, cut off, not JSON.
    case unusableAnswer
    /// A refusal of an array of more than one. Part of it may have been applied before.
    case refusedTogether
    /// An answer that says upstream failed.
    case failed
    /// No complete answer after the request's head was written.
    case lost(timedOut: Bool)
}

/// Why events stay queued although the destination answers. The raw values are kept over restarts.
public enum Park: String, Hashable, Sendable, CaseIterable {
    /// 401, 407: upstream does not accept the key.
    case unauthorized
    /// 402, 403: upstream does not allow this, for a project or for all.
    case notAllowed
    /// The base URL does not lead to a v4 API.
    case misconfigured
    /// Upstream has refused ``Limits/deathsBeforePark`` events of a lane in a row: probably not the
    /// events are wrong.
    case refusing
    /// Upstream keeps failing on a lane's requests while it serves others.
    case failing
    /// An event should die, but there is no room for more dead letters.
    case deadLettersFull

    /// What is wrong, and what to do about it.
    public var advice: String {
        switch self {
        case .unauthorized:
            "upstream does not accept the API key: set LOOPSPOOL_API_KEY to a valid one and restart"
        case .notAllowed:
            "upstream refuses access: check the key's rights and the account's plan"
        case .misconfigured:
            "upstream does not answer like a v4 API: check the base URL (LOOPSPOOL_UPSTREAM)"
        case .refusing:
            "upstream refuses every event of a project: read its words with loopspool dead, mend the "
                + "cause, then loopspool dead resume"
        case .failing:
            "upstream fails on every event of a project while it serves others: read its words with "
                + "loopspool status, and mend it there"
        case .deadLettersFull:
            "there is no room for more dead letters: replay or discard some (loopspool dead)"
        }
    }
}

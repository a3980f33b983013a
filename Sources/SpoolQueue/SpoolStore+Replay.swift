internal import SpoolCore
internal import SpoolSQLite

/// Replaying: dead letters go back to the queue under their old sequences, so that whoever names one by
/// its provisional id still finds it, and causes go before effects as ever.
///
/// A crash between two steps loses nothing: what was not revived is still dead.
extension SpoolStore {
    /// Those of the next dead letters after `last` that meet the filter and can be replayed. Where something
    /// was discarded that a letter names, the queue would only discard it too: it is left.
    func replayable(_ filter: DeadFilter, after last: EventSequence?) throws -> DeadStep {
        var step = try deadStep(filter, after: last)
        let chosen = step.matches
        step.matches = try chosen.filter { try !hasLostCause($0, andDead: false) }
        step.left = chosen.count - step.matches.count
        return step
    }

    /// Revives those of the next dead letters after `last` that meet the filter, in the order of acceptance.
    func replay(_ filter: DeadFilter, after last: EventSequence?) throws -> DeadStep {
        let step = try replayable(filter, after: last)
        for sequence in step.matches { try revive(sequence, at: clock()) }
        return step
    }

    /// Revives those of the next dead letters after `last` that died of a dead cause and have none any
    /// more, nor one that was discarded: that would take them along. Whoever died of them may follow in
    /// another round.
    ///
    /// One by one, so that a chain follows its head at once: in the order of acceptance, and then the other
    /// way, for logs that came before the ones they name.
    func replayFollowers(after last: EventSequence?) throws -> DeadStep {
        var filter = DeadFilter()
        filter.reason = .causeDead
        var step = try deadStep(filter, after: last)
        var followers: [EventSequence] = []
        var rest = step.matches
        for _ in 1...2 where !rest.isEmpty {
            var left: [EventSequence] = []
            for sequence in rest {
                if try hasLostCause(sequence, andDead: true) {
                    left.append(sequence)
                } else {
                    try revive(sequence, at: clock())
                    followers.append(sequence)
                }
            }
            if left.count == rest.count { break }
            rest = left.reversed()
        }
        step.matches = followers.sorted()
        return step
    }

    /// Whether something that a dead letter names was discarded, or is dead where that counts.
    private func hasLostCause(_ sequence: EventSequence, andDead: Bool) throws -> Bool {
        let row = try connection.prepare("SELECT causes FROM dead WHERE sequence = ?")
        row.bind(1, sequence.rawValue)
        guard try row.step(), !row.isNull(0) else { return false }
        let causes = try row.blob(0, CauseList.decode)
        row.reset()
        let now = clock()
        // One by one: of several, an event only learns of the first that it must wait for.
        return try causes.contains { cause in
            let facts = CausalFacts(
                sequence: sequence, kind: .log, reference: nil, causes: [cause], acceptedAt: now)
            switch try DependencyOrder.standing(of: facts, at: now, batch: [], in: self) {
            case .causeIsDead: return andDead
            case .causeIsDeleted: return true
            case .ready, .waits, .waitsForUnknown: return false
            }
        }
    }

    /// The dead log that a cause names; nil when it is not dead.
    func deadCause(_ cause: Cause) throws -> EventSequence? {
        switch cause {
        case .reference(let key):
            guard !isQueued(key), !isDelivered(key) else { return nil }
            statements.deadLog.bind(1, key.rawValue)
            defer { statements.deadLog.reset() }
            guard try statements.deadLog.step() else { return nil }
            return EventSequence(rawValue: statements.deadLog.integer(0))
        case .event(let sequence): return try log(sequence) == .dead ? sequence : nil
        case .session(let sequence):
            guard try session(sequence) == .dead else { return nil }
            return try deadMember(ofSession: sequence) ?? sequence
        case .project(let number):
            return try project(number) == .dead ? deadLog(ofProject: number) : nil
        }
    }

    private func revive(_ sequence: EventSequence, at now: Timestamp) throws {
        let row = try connection.prepare(
            "SELECT lane, kind, reference, length(body) FROM dead WHERE sequence = ?")
        row.bind(1, sequence.rawValue)
        guard try row.step() else { return }
        let lane = row.integer(0)
        let kind = EventKind(rawValue: Int(row.integer(1)))
        let reference = row.optionalInteger(2).map(ReferenceKey.init(rawValue:))
        let bodyBytes = Int(row.integer(3))
        row.reset()
        guard lanes.all[lane] != nil else {
            throw QueueError.damaged(
                connection.path, "dead letter \(sequence.rawValue) is in an unknown lane")
        }
        statements.revive.bind(1, now.milliseconds)
        statements.revive.bind(2, sequence.rawValue)
        try statements.revive.run()
        try forgetDead(sequence, bodyBytes: bodyBytes)
        ledger.held += 1
        try add(bytes: bodyBytes, to: lane)
        if kind?.isLog == true, let reference {
            if let first = references.first(of: reference) { try shareName(first, sequence) }
            references.insert(reference, sequence)
        }
        lanes.ready(lane, 1, from: sequence, at: now)
    }

    /// A revived log may come before the first log of its name, and after it.
    private func shareName(_ first: EventSequence, _ revived: EventSequence) throws {
        let flag = try connection.prepare(
            "UPDATE event SET flags = flags | \(EventFlag.sharesName) WHERE sequence IN (?, ?)")
        flag.bind(1, first.rawValue)
        flag.bind(2, revived.rawValue)
        try flag.run()
    }
}

internal import SpoolCore
internal import SpoolSQLite

/// Resolving provisional ids: what upstream calls the thing, once it has said so.
extension SpoolStore {
    /// Upstream's id of a log, session or project of this spool.
    func upstreamID(
        of thing: SpoolIdentity.Thing, _ sequence: EventSequence
    ) throws -> String? {
        switch thing {
        case .log: return try identityEntry(of: sequence)?.id
        case .project: return projectIDs[sequence.rawValue]
        case .session:
            let find = statements.findSession
            find.bind(1, sequence.rawValue)
            if try find.step() {
                defer { find.reset() }
                return find.optionalText(0)
            }
            return try identityEntry(of: sequence)?.id
        case .feedback: return nil
        }
    }

    /// A body with upstream's ids in place of the provisional ones that are known.
    func swapped(_ body: UnsafeRawBufferPointer, _ kind: EventKind) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try swap(body, kind, into: &bytes)
        return bytes
    }

    /// Appends a body with upstream's ids in place of the provisional ones that are known.
    func swap(
        _ body: UnsafeRawBufferPointer, _ kind: EventKind, into bytes: inout [UInt8]
    ) throws {
        var failure: (any Error)?
        ProvisionalSwap.append(
            body, kind: kind, to: &bytes,
            resolve: { thing, sequence in
                do {
                    return try upstreamID(of: thing, sequence)
                } catch {
                    failure = error
                    return nil
                }
            }, identity: identity)
        if let failure { throw failure }
    }

    /// An address with upstream's id in place of a provisional one that is known.
    func swapped(_ address: String) throws -> String {
        guard let sequence = identity.sequence(of: .log, in: address) else { return address }
        return try upstreamID(of: .log, sequence) ?? address
    }
}

extension SpoolStore: CauseIndex {
    func isQueued(_ key: ReferenceKey) -> Bool { references.count(of: key) > 0 }

    func isDelivered(_ key: ReferenceKey) -> Bool { recent.contains(key) }

    func isDead(_ key: ReferenceKey) throws -> Bool {
        statements.deadLog.bind(1, key.rawValue)
        defer { statements.deadLog.reset() }
        return try statements.deadLog.step()
    }

    func isDeleted(_ key: ReferenceKey) throws -> Bool {
        statements.deletedName.bind(1, key.rawValue)
        defer { statements.deletedName.reset() }
        return try statements.deletedName.step()
    }

    func log(_ sequence: EventSequence) throws -> LogStanding {
        if let key = try heldKey(of: sequence) { return .queued(key) }
        if try identityEntry(of: sequence) != nil { return .delivered }
        if try isDead(sequence) { return .dead }
        statements.deletedEvent.bind(1, sequence.rawValue)
        defer { statements.deletedEvent.reset() }
        return try statements.deletedEvent.step() ? .deleted : .unknown
    }

    func session(_ sequence: EventSequence) throws -> LogStanding {
        if try upstreamID(of: .session, sequence) != nil { return .delivered }
        if let key = try heldKey(of: sequence) { return .queued(key) }
        return try isDead(sequence) ? .dead : .unknown
    }

    func project(_ number: EventSequence) throws -> LogStanding {
        if projectIDs[number.rawValue] != nil { return .delivered }
        for route in [Route.postLogs, .postEvaluationLog] {
            let name = LaneName(route: route, project: number.rawValue)
            guard let lane = laneIDs[name] else { continue }
            statements.laneHasEvents.bind(1, lane)
            defer { statements.laneHasEvents.reset() }
            if try statements.laneHasEvents.step() {
                return .queued(identity.key(of: number, named: .project))
            }
        }
        return .unknown
    }

    func effect(on key: ReferenceKey, before sequence: EventSequence) throws -> PriorEffect? {
        let prior = statements.priorEffect
        prior.bind(1, key.rawValue)
        prior.bind(2, sequence.rawValue)
        defer { prior.reset() }
        guard try prior.step() else { return nil }
        guard let kind = EventKind(rawValue: Int(prior.integer(1))) else { return nil }
        return PriorEffect(sequence: EventSequence(rawValue: prior.integer(0)), kind: kind)
    }

    /// The name that waiters of an event in the queue wait for; nil when it is not there.
    private func heldKey(of sequence: EventSequence) throws -> ReferenceKey? {
        let place = statements.eventPlace
        place.bind(1, sequence.rawValue)
        guard try place.step() else { return nil }
        defer { place.reset() }
        return place.optionalInteger(2).map(ReferenceKey.init(rawValue:))
    }

    private func isDead(_ sequence: EventSequence) throws -> Bool {
        statements.deadEvent.bind(1, sequence.rawValue)
        defer { statements.deadEvent.reset() }
        return try statements.deadEvent.step()
    }
}

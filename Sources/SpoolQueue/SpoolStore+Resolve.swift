internal import SpoolCore
internal import SpoolSQLite

/// Resolving provisional ids: what upstream calls the thing, once it has said so.
extension SpoolStore {
    /// Upstream's id of a log, session or project of this spool.
    func upstreamID(
        of thing: SpoolIdentity.Thing, _ sequence: EventSequence
    ) throws -> String? {
        switch thing {
        case .log: return try logEntry(of: sequence)?.id
        case .project: return projectIDs[sequence.rawValue]
        case .session:
            return try upstreamID(ofSession: sequence) ?? sessionEntry(of: sequence)?.id
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

    func isDeleted(_ key: ReferenceKey, before sequence: EventSequence) throws -> Bool {
        statements.deletedName.bind(1, key.rawValue)
        statements.deletedName.bind(2, sequence.rawValue)
        defer { statements.deletedName.reset() }
        return try statements.deletedName.step()
    }

    /// Whether another log has this reference than the one that is held, or had it and was discarded: that
    /// one may have arrived too, in a request whose answer was lost.
    func hasNamesake(_ key: ReferenceKey) throws -> Bool {
        if references.count(of: key) > 1 || recent.contains(key) { return true }
        return try deletedCount > 0 && isDeleted(key, before: EventSequence(rawValue: 0))
    }

    /// Why the log was discarded that one of the causes names.
    func discardReason(of row: EventRow) throws -> DiscardReason {
        for cause in row.causes {
            let find: Statement
            switch cause {
            case .reference(let key):
                find = statements.deletedName
                find.bind(1, key.rawValue)
                find.bind(2, row.sequence.rawValue)
            case .event(let sequence), .session(let sequence):
                find = statements.deletedEvent
                find.bind(1, sequence.rawValue)
            case .project: continue
            }
            defer { find.reset() }
            if try find.step(), let reason = DiscardReason(rawValue: find.text(0)) {
                return reason
            }
        }
        return .deleted
    }

    func log(_ sequence: EventSequence) throws -> LogStanding {
        if let key = try heldKey(of: sequence) { return .queued(key) }
        if try logEntry(of: sequence) != nil { return .delivered }
        if try isDead(sequence) { return .dead }
        return try isDeleted(sequence) ? .deleted : .unknown
    }

    /// Whether a log was discarded here, or deleted upstream.
    func isDeleted(_ sequence: EventSequence) throws -> Bool {
        statements.deletedEvent.bind(1, sequence.rawValue)
        defer { statements.deletedEvent.reset() }
        return try statements.deletedEvent.step()
    }

    func session(_ sequence: EventSequence) throws -> LogStanding {
        if let standing = try standing(ofSession: sequence) { return standing }
        if try sessionEntry(of: sequence) != nil { return .delivered }
        if let key = try heldKey(of: sequence) { return .queued(key) }
        if try isDead(sequence) { return .dead }
        return try isDeleted(sequence) ? .deleted : .unknown
    }

    func project(_ number: EventSequence) throws -> LogStanding {
        if projectIDs[number.rawValue] != nil { return .delivered }
        if try !queuedLogs(ofProject: number).isEmpty {
            return .queued(identity.key(of: number, named: .project))
        }
        return try deadLog(ofProject: number) == nil ? .unknown : .dead
    }

    /// Logs of a project in the queue, at most so many of each operation.
    func queuedLogs(
        ofProject number: EventSequence, atMost count: Int = 1
    ) throws -> [EventSequence] {
        try logLanes(ofProject: number).flatMap {
            try sequences(statements.laneHasEvents, $0, atMost: count)
        }
    }

    /// The first logs in the queue of a name that several have or had.
    func sharedLogs(of key: ReferenceKey, atMost count: Int) throws -> [EventSequence] {
        try sequences(statements.sharedLogs, key.rawValue, atMost: count)
    }

    /// A dead log of a project.
    func deadLog(ofProject number: EventSequence) throws -> EventSequence? {
        for lane in logLanes(ofProject: number) {
            if let log = try sequences(statements.deadInLane, lane).first { return log }
        }
        return nil
    }

    private func logLanes(ofProject number: EventSequence) -> [Int64] {
        [Route.postLogs, .postEvaluationLog].compactMap {
            laneIDs[LaneName(route: $0, project: number.rawValue)]
        }
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

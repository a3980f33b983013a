internal import SpoolCore
internal import SpoolSQLite

/// What the ways in may know about events that were taken, and their discarding by command.
extension SpoolStore {
    /// What became of the thing a provisional id stands for.
    func find(
        _ thing: SpoolIdentity.Thing, _ sequence: EventSequence, withBody: Bool = true
    ) throws -> ProvisionalStanding {
        if let id = try upstreamID(of: thing, sequence) { return .upstream(id) }
        switch thing {
        case .feedback: return .unknown
        case .project:
            switch try project(sequence) {
            case .queued:
                return .queued(
                    QueuedEvent(
                        body: [], acceptedAt: clock(), projectID: identity.id(.project, sequence),
                        isInFlight: false))
            case .dead: return try dead(deadLog(ofProject: sequence))
            case .delivered, .deleted, .unknown: return .unknown
            }
        case .session where try standing(ofSession: sequence) != nil:
            if let log = try member(ofSession: sequence),
                let event = try queuedEvent(log, .log, withBody: withBody)
            {
                return .queued(event)
            }
            return try dead(deadMember(ofSession: sequence))
        case .log, .session:
            if let event = try queuedEvent(sequence, thing, withBody: withBody) {
                return .queued(event)
            }
            return try dead(sequence)
        }
    }

    /// The event that makes the thing; an id made of an effect's sequence stands for nothing.
    private func queuedEvent(
        _ sequence: EventSequence, _ thing: SpoolIdentity.Thing, withBody: Bool
    ) throws -> QueuedEvent? {
        let row = statements.eventBody
        row.bind(1, sequence.rawValue)
        guard try row.step() else { return nil }
        defer { row.reset() }
        guard let kind = EventKind(rawValue: Int(row.integer(1))) else { return nil }
        guard thing == .log ? kind.isLog : kind == .session else { return nil }
        return QueuedEvent(
            kind: kind, body: withBody ? row.bytes(8) : [],
            acceptedAt: Timestamp(milliseconds: row.integer(5)),
            projectID: projectID(of: lanes[row.integer(0)].project),
            isInFlight: isInFlight(sequence))
    }

    private func dead(_ sequence: EventSequence?) throws -> ProvisionalStanding {
        guard let sequence else { return .unknown }
        let dead = try connection.prepare(
            "SELECT reason FROM dead WHERE sequence = ? AND kind IN (1, 4, 5)")
        dead.bind(1, sequence.rawValue)
        return try dead.step() ? .dead(dead.text(0)) : .unknown
    }

    // MARK: Waiting for deliveries

    /// Which of some events are in the queue, and where the others have gone: upstream's id, or nil.
    func standing(
        of sequences: [EventSequence]
    ) throws -> (missing: Set<EventSequence>, found: [EventSequence: String?]) {
        var missing: Set<EventSequence> = []
        var found: [EventSequence: String?] = [:]
        for sequence in sequences {
            statements.eventPlace.bind(1, sequence.rawValue)
            let isHeld = try statements.eventPlace.step()
            statements.eventPlace.reset()
            if isHeld {
                missing.insert(sequence)
            } else {
                found.updateValue(try upstreamID(of: .log, sequence), forKey: sequence)
            }
        }
        return (missing, found)
    }

    // MARK: Discarded logs

    /// Remembers that a log is gone, and under which name events accepted until now may still name it.
    func noteDeleted(
        _ sequence: EventSequence, _ key: ReferenceKey, _ reason: DiscardReason
    ) throws {
        let note = statements.noteDeleted
        note.bind(1, sequence.rawValue)
        note.bind(2, key.rawValue)
        note.bind(3, reason.rawValue)
        note.bind(4, nextSequence)
        try note.run()
        deletedCount += connection.changes
    }

    /// Upstream has deleted these logs, named by its own ids or by this spool's: the same bytes are another
    /// log from now on.
    func forgetRepeats(of ids: [String]) throws {
        for id in ids {
            let sequence =
                identity.sequence(of: .log, in: id)
                ?? recent.log(withID: identity.key(of: id, named: .foreignID))?.sequence
            guard let sequence, let entry = try identityEntry(of: sequence) else { continue }
            try noteDeleted(sequence, entry.key, .deleted)
            try forgetDelivered(entry.key)
        }
    }
}

internal import SpoolCore
internal import SpoolSQLite

/// What the ways in may know about events that were taken, and their discarding by command.
extension SpoolStore {
    /// What became of the thing a provisional id stands for.
    func find(
        _ thing: SpoolIdentity.Thing, _ sequence: EventSequence
    ) throws -> ProvisionalStanding {
        if let id = try upstreamID(of: thing, sequence) { return .upstream(id) }
        switch thing {
        case .feedback: return .unknown
        case .project:
            guard case .queued = try project(sequence) else { return .unknown }
            return .queued(
                QueuedEvent(
                    body: [], acceptedAt: clock(), projectID: identity.id(.project, sequence),
                    isInFlight: false))
        case .log, .session:
            if let event = try queuedEvent(sequence, thing) { return .queued(event) }
            return try deathReason(of: sequence).map { .dead($0) } ?? .unknown
        }
    }

    /// The event that makes the thing; an id made of an effect's sequence stands for nothing.
    private func queuedEvent(
        _ sequence: EventSequence, _ thing: SpoolIdentity.Thing
    ) throws -> QueuedEvent? {
        let row = statements.eventBody
        row.bind(1, sequence.rawValue)
        guard try row.step() else { return nil }
        defer { row.reset() }
        guard let kind = EventKind(rawValue: Int(row.integer(1))) else { return nil }
        let namesSession = row.integer(3) & EventFlag.namesSession != 0
        guard thing == .log ? kind.isLog : kind == .session || namesSession else { return nil }
        return QueuedEvent(
            body: row.bytes(8), acceptedAt: Timestamp(milliseconds: row.integer(5)),
            projectID: projectID(of: lanes[row.integer(0)].project),
            isInFlight: leased.contains(sequence.rawValue))
    }

    private func deathReason(of sequence: EventSequence) throws -> String? {
        let dead = try connection.prepare(
            "SELECT reason FROM dead WHERE sequence = ? AND kind IN (1, 4, 5)")
        dead.bind(1, sequence.rawValue)
        return try dead.step() ? dead.text(0) : nil
    }

    // MARK: Waiting for deliveries

    /// Begins a wait; what has left the queue already counts as found.
    func watch(
        _ watch: DeliveryWatch, _ sequences: [EventSequence],
        _ done: @escaping DeliveryWatches.Done
    ) throws {
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
        watches.add(watch, missing: missing, found: found, done: done)
    }

    // MARK: Discarding

    /// Discards logs that were never leased, with every event that waits for one of them.
    func discard(_ sequences: [EventSequence]) throws -> DiscardOutcome {
        var doomed: [HeldEvent] = []
        var next = sequences
        var seen: Set<EventSequence> = []
        while let sequence = next.popLast() {
            guard seen.insert(sequence).inserted, let event = try heldEvent(sequence) else {
                continue
            }
            if sequences.contains(sequence), !event.kind.isLog { continue }
            guard !leased.contains(sequence.rawValue) else { return .inFlight }
            doomed.append(event)
            if !event.kind.isEffect { next += try dependents(of: event) }
        }
        for event in doomed {
            try unhold(event)
            try discard(event)
        }
        return .discarded
    }

    private func heldEvent(_ sequence: EventSequence) throws -> HeldEvent? {
        let row = statements.eventBody
        row.bind(1, sequence.rawValue)
        guard try row.step() else { return nil }
        defer { row.reset() }
        let event = EventRow(row, column: 1, sequence: sequence, lane: row.integer(0))
        return event.held(bodyBytes: event.bodyBytes)
    }

    /// Children that wait for a log and effects on it; none while another log goes by the same name.
    private func dependents(of event: HeldEvent) throws -> [EventSequence] {
        guard let key = event.reference, references.count(of: key) <= 1 else { return [] }
        let rows = try connection.prepare(
            """
            SELECT sequence FROM event WHERE waits_on = ?1
            UNION SELECT sequence FROM event WHERE reference = ?1 AND kind IN (2, 3, 6)
            """)
        rows.bind(1, key.rawValue)
        var sequences: [EventSequence] = []
        while try rows.step() { sequences.append(EventSequence(rawValue: rows.integer(0))) }
        return sequences
    }

    /// Takes an event out of the counts of what is ready and what waits.
    private func unhold(_ event: HeldEvent) throws {
        let hold = try connection.prepare(
            "SELECT hold, waits_on IS NOT NULL FROM event WHERE sequence = ?")
        hold.bind(1, event.sequence.rawValue)
        guard try hold.step() else { return }
        if hold.integer(0) == 0 { lanes.unready(event.lane, 1) }
        if hold.integer(1) != 0 { waitingCount -= 1 }
        hold.reset()
    }

    /// Discards an event that counts neither as ready nor as waiting. A log is remembered, so that
    /// events which name it, and were not looked at yet, follow it.
    func discard(_ event: HeldEvent) throws {
        if !event.kind.isEffect, let key = event.reference {
            statements.noteDeleted.bind(1, event.sequence.rawValue)
            statements.noteDeleted.bind(2, key.rawValue)
            try statements.noteDeleted.run()
        }
        try delete([event])
        ledger.held -= 1
        ledger.discarded += 1
        try count("discarded.deleted", 1)
        watches.note(event.sequence, nil)
        try depart(event)
    }
}

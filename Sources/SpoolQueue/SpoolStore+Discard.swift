internal import SpoolCore
internal import SpoolSQLite

/// Discarding: a log goes with every event that waits for it. A few go in one transaction, many in steps.
///
/// A crash between two steps loses the list of names whose dependents are to go, not what is known of the
/// logs themselves: a start wakes whoever waits, and finds it out when it looks at them.
extension SpoolStore {
    /// A name of a discarded log, whose dependents follow it.
    struct Doom {
        let key: ReferenceKey
        /// Events that were accepted before this one mean the log that is gone.
        let until: EventSequence
        let reason: DiscardReason
        /// The last of them that was looked at.
        var last = EventSequence(rawValue: 0)
    }

    /// Discards logs that are not in flight by command, with every event that waits for one of them.
    func discard(_ sequences: [EventSequence]) throws -> DiscardOutcome {
        let logs = try sequences.filter { try heldEvent($0)?.kind.isLog == true }
        return try discard(logs, .deleted)
    }

    /// Discards events with every event that waits for one of them; nothing, if one of all these is in
    /// flight. Where more than ``Limits/rowsPerStepMax`` wait, the events themselves go now, and what waits
    /// for them in steps, see ``doomStep(atMost:)``; of these, what is in flight follows when it is back.
    @discardableResult
    func discard(_ sequences: [EventSequence], _ reason: DiscardReason) throws -> DiscardOutcome {
        var doomed: [HeldEvent] = []
        var isWhole = true
        var next = sequences
        var seen: Set<EventSequence> = []
        while let sequence = next.popLast() {
            guard seen.insert(sequence).inserted, let event = try heldEvent(sequence) else {
                continue
            }
            guard !isInFlight(sequence) else { return .inFlight }
            doomed.append(event)
            guard doomed.count + next.count <= sequences.count + Limits.rowsPerStepMax else {
                isWhole = false
                break
            }
            guard !event.kind.isEffect, let key = event.reference, try goesByItself(key) else {
                continue
            }
            next += try dependents(
                of: key, after: EventSequence(rawValue: 0), atMost: Limits.rowsPerStepMax + 1)
        }
        if !isWhole {
            doomed = try Set(sequences).sorted().compactMap(heldEvent)
            guard try !doomed.contains(where: { try isInFlight($0.sequence) || holdsUpFlight($0) })
            else { return .inFlight }
        }
        for event in doomed {
            try unhold(event)
            try discard(event, reason, inSteps: !isWhole)
        }
        return .discarded
    }

    /// Whether an effect on a log is in flight: it came before the log did.
    private func holdsUpFlight(_ log: HeldEvent) throws -> Bool {
        guard let key = log.reference, try goesByItself(key) else { return false }
        return leases.values.contains { lease in
            lease.events.contains {
                $0.kind.isEffect && $0.reference == key && isInFlight($0.sequence)
            }
        }
    }

    /// Takes along what waits for logs that were discarded, as many events as this transaction may still take.
    func doomStep() throws {
        // Most of them are waited for by nobody.
        var looks = 4 * Limits.rowsPerStepMax
        while doomLeft > 0, looks > 0, var doom = dooms.popLast() {
            looks -= 1
            let dependents = try dependents(
                of: doom.key, after: doom.last, before: doom.until, atMost: doomLeft)
            if dependents.count == doomLeft, let last = dependents.last {
                doom.last = last
                dooms.append(doom)
            } else {
                // Who came later waits for those that go now.
                wake(doom.key)
            }
            doomLeft -= dependents.count
            for sequence in dependents where !isInFlight(sequence) {
                guard let event = try heldEvent(sequence) else { continue }
                try unhold(event)
                try discard(event, doom.reason, inSteps: true, dueTo: doom.key)
            }
        }
    }

    /// Whether no other log goes by a name: else what names this one by its id finds out when it is looked
    /// at.
    private func goesByItself(_ key: ReferenceKey) throws -> Bool {
        try references.count(of: key) <= 1 && !recent.contains(key) && !isDead(key)
    }

    /// Children that wait for a log and effects on it, in the order of acceptance.
    private func dependents(
        of key: ReferenceKey, after last: EventSequence,
        before until: EventSequence = EventSequence(rawValue: .max), atMost limit: Int
    ) throws -> [EventSequence] {
        statements.dependents.bind(1, key.rawValue)
        statements.dependents.bind(2, last.rawValue)
        statements.dependents.bind(3, until.rawValue)
        statements.dependents.bind(4, Int64(limit))
        defer { statements.dependents.reset() }
        var sequences: [EventSequence] = []
        while try statements.dependents.step() {
            sequences.append(EventSequence(rawValue: statements.dependents.integer(0)))
        }
        return sequences
    }

    private func heldEvent(_ sequence: EventSequence) throws -> HeldEvent? {
        let row = statements.eventBody
        row.bind(1, sequence.rawValue)
        guard try row.step() else { return nil }
        defer { row.reset() }
        let event = try EventRow(row, column: 1, sequence: sequence, lane: row.integer(0))
        return event.held(bodyBytes: event.bodyBytes)
    }

    /// Takes an event out of its group, or out of the counts of what is ready and what waits.
    private func unhold(_ event: HeldEvent) throws {
        if leased.contains(event.sequence.rawValue) { return try leaveGroup(event.sequence) }
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
    ///
    /// - Parameters:
    ///   - inSteps: whether those that wait for it follow by and by, instead of being woken.
    ///   - cause: the discarded log's name that it waited for or goes by: who waits for that is taken along.
    func discard(
        _ event: HeldEvent, _ reason: DiscardReason, inSteps: Bool = false,
        dueTo cause: ReferenceKey? = nil
    ) throws {
        if !event.kind.isEffect, let key = event.reference {
            try noteDeleted(event.sequence, key, reason)
        }
        try delete([event])
        ledger.held -= 1
        ledger.discarded += 1
        try count("discarded.\(reason.rawValue)", 1)
        watches.note(event.sequence, nil)
        guard inSteps, let key = event.reference else { return try depart(event) }
        try depart(event, wakingName: false)
        if event.kind.isEffect {
            if key != cause { wake(key) }
        } else if try isQueued(key) || recent.contains(key) || isDead(key) {
            wake(key)
        } else {
            let until = EventSequence(rawValue: nextSequence)
            dooms.append(Doom(key: key, until: until, reason: reason))
        }
    }
}

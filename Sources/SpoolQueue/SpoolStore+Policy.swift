internal import SpoolCore
internal import SpoolSQLite

/// The operator's policies about what is accepted, and what is given up unsent.
extension SpoolStore {
    // MARK: Room

    /// Payload and overhead of what is held.
    var usedBytes: Int64 { ledger.payloadBytes + ledger.held * Limits.eventOverheadBytes }

    /// Why a submission could wait for room for ever, or could cost all others their place: a project may
    /// hold half of the spool, and has to be able to hold it.
    func neverFits(_ submission: Submission) -> AppendRefusal? {
        let bytesMax = settings.bytesMax / 2
        guard submission.spoolBytes > bytesMax else { return nil }
        return .tooLarge(index: submission.events.firstIndex { $0.spoolBytes > bytesMax })
    }

    /// Whether a submission may be accepted, after the oldest events have made way where they may.
    func makeRoom(for submission: Submission) throws -> Bool {
        let more = submission.spoolBytes
        guard hasRoomOnDisk(at: clock()) else { return false }
        if settings.onFull == .dropOldest {
            try dropOldest(toFit: more)
            return usedBytes + more <= settings.bytesMax
        }
        guard usedBytes + more <= settings.bytesMax else { return false }
        return try usedBytes + more <= settings.bytesMax / 2 || leavesRoomForOthers(submission)
    }

    /// Whether each project of a submission would hold at most half of what the others leave: so one that
    /// is noisy while upstream is down cannot fill the spool. Where only one project is known, there is
    /// nobody to leave room for.
    private func leavesRoomForOthers(_ submission: Submission) throws -> Bool {
        guard lanes.projectCount > 1 else { return true }
        for (project, bytes) in try bytesByProject(of: submission) {
            let own = lanes.spoolBytes(ofProject: project)
            let left = settings.bytesMax - (usedBytes - own)
            if own + bytes > left / 2 { return false }
        }
        return true
    }

    /// What a submission would take of the spool, by the projects of the lanes its events would go to.
    private func bytesByProject(of submission: Submission) throws -> [Int64: Int64] {
        let numbers = try submission.projects.map { try project($0) }
        var caller: Int64?
        // Logs of this submission, by which effects in it go.
        var logs: [ReferenceKey: Int64] = [:]
        var bytes: [Int64: Int64] = [:]
        for draft in submission.events {
            var number = draft.project.map { numbers[$0] }
            if number == nil, draft.kind.isEffect {
                number = try target(of: draft).project ?? draft.reference.flatMap { logs[$0] }
            }
            if number == nil {
                caller = try caller ?? project("caller:" + submission.caller)
                number = caller
            }
            guard let number else { continue }
            bytes[number, default: 0] += draft.spoolBytes
            if draft.kind.isLog, let key = draft.reference { logs[key] = logs[key] ?? number }
        }
        return bytes
    }

    /// Discards the oldest events, with what depends on them, until so many more bytes fit. Bounded: when
    /// that does not suffice, the caller is told that the spool is full, and its next try goes on. So it is
    /// while there are events that go in any case, but not in this transaction.
    private func dropOldest(toFit bytes: Int64) throws {
        guard usedBytes + bytes > settings.bytesMax else { return }
        try doomStep()
        let before = ledger.discarded
        for sequence in try oldestQueued(
            "SELECT sequence FROM event ORDER BY sequence LIMIT ?")
        {
            guard usedBytes + bytes > settings.bytesMax, dooms.isEmpty,
                ledger.discarded - before < Limits.rowsPerStepMax
            else { return }
            try discard([sequence], .dropOldest)
            try doomStep()
        }
    }

    // MARK: Age

    /// Discards some of the events that are older than the operator wants them; returns whether any was.
    /// Pauses while the clock cannot be trusted, see ``ClockWatch``.
    func expire() throws -> Bool {
        guard let ageMax = settings.ageMax else { return false }
        let now = clock()
        guard clockWatch.look(wall: now, instant: settings.instant()) else { return false }
        let cutoff = (now + (.zero - ageMax)).milliseconds
        let old = try oldestQueued(
            """
            SELECT sequence FROM event INDEXED BY event_age WHERE accepted_at < \(cutoff)
            ORDER BY accepted_at LIMIT ?
            """)
        var hasExpired = false
        let before = ledger.discarded
        for sequence in old {
            // What goes in any case goes first; the next step goes on.
            guard dooms.isEmpty, ledger.discarded - before < Limits.rowsPerStepMax else {
                return true
            }
            if try discard([sequence], .maxAge) == .discarded { hasExpired = true }
        }
        return hasExpired
    }

    /// The index by age costs every event a little, so it exists only while there is such a limit.
    func prepareForAges() throws {
        try connection.execute(
            settings.ageMax == nil
                ? "DROP INDEX IF EXISTS event_age"
                : "CREATE INDEX IF NOT EXISTS event_age ON event (accepted_at)")
    }

    /// The first events of a query, one step's worth, that are not in flight.
    private func oldestQueued(_ query: String) throws -> [EventSequence] {
        let rows = try connection.prepare(query)
        rows.bind(1, Int64(leased.count + Limits.rowsPerStepMax))
        var sequences: [EventSequence] = []
        while sequences.count < Limits.rowsPerStepMax, try rows.step() {
            let sequence = EventSequence(rawValue: rows.integer(0))
            if !isInFlight(sequence) { sequences.append(sequence) }
        }
        return sequences
    }

    // MARK: Names

    /// The first log of a submission whose name is known with other bytes than its own; nil where that
    /// may be, or where there is none.
    func conflict(in submission: Submission) throws -> AppendRefusal? {
        guard settings.duplicateReferences == .refuse else { return nil }
        let first = EventSequence(rawValue: nextSequence)
        for (index, draft) in submission.events.enumerated() {
            guard draft.kind.isLog, let key = draft.reference, draft.digest != nil else { continue }
            guard isQueued(key) || hasDigest(key), try repeated(draft, before: first) == nil else {
                continue
            }
            let name = submission.bytes.withUnsafeBytes {
                LogFacts(UnsafeRawBufferPointer(rebasing: $0[draft.body]))?.referenceID
            }
            return .duplicate(index: index, reference: name ?? "")
        }
        return nil
    }

    /// Whether a log of that name was delivered lately whose bytes are known.
    private func hasDigest(_ key: ReferenceKey) -> Bool {
        recent.entries(of: key).prefix(Self.namesakesMax).contains { $0.digest != nil }
    }
}

extension EventDraft {
    /// What it takes of the spool's bytes.
    fileprivate var spoolBytes: Int64 { Int64(body.count) + Limits.eventOverheadBytes }
}

extension Submission {
    /// What its events take of the spool's bytes.
    fileprivate var spoolBytes: Int64 { events.reduce(0) { $0 + $1.spoolBytes } }
}

/// What is done when the spool is full (`on_full`).
public enum OnFull: String, Sendable, CaseIterable {
    /// Nothing is accepted until there is room.
    case refuse
    /// The oldest events are discarded, counted as `drop_oldest`; what is in flight never is.
    case dropOldest = "drop_oldest"
}

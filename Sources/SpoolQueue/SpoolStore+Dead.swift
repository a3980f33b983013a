internal import SpoolCore
internal import SpoolSQLite

/// Dead letters: kept with their reason and bounded, listed, discarded by command.
extension SpoolStore {
    // MARK: Dying

    /// Moves an event to the dead letters. Events that name it find that out when they are looked at.
    /// Returns false, and changes nothing, when there is no room for it.
    func bury(
        _ event: HeldEvent, reason: DeadLetterReason, status: Int? = nil, words: String = "",
        at now: Timestamp
    ) throws -> Bool {
        let size = Int64(event.bodyBytes) + Limits.eventOverheadBytes
        guard try makeRoomForDead(size) else { return false }
        let bury = statements.bury
        bury.bind(1, now.milliseconds)
        bury.bind(2, reason.rawValue)
        bury.bind(3, status.map(Int64.init))
        bury.bind(4, words)
        bury.bind(5, event.sequence.rawValue)
        try bury.run()
        try delete([event])
        ledger.held -= 1
        ledger.dead += 1
        ledger.deadBytes += size
        watches.note(event.sequence, nil)
        try depart(event)
        return true
    }

    /// Whether so many more bytes may be dead, after the oldest have made way where they may.
    private func makeRoomForDead(_ bytes: Int64) throws -> Bool {
        // What never fits must not cost others their place.
        guard bytes <= settings.deadBytesMax else { return false }
        var evictions = 0
        while ledger.deadBytes + bytes > settings.deadBytesMax, ledger.dead > 0 {
            guard settings.deadOnFull == .dropOldest, evictions < Limits.rowsPerStepMax else {
                return false
            }
            let oldest = try connection.integer(
                "SELECT sequence FROM dead ORDER BY died_at, sequence LIMIT 1")
            try discardDead(EventSequence(rawValue: oldest ?? 0), .deadEvicted)
            evictions += 1
        }
        return ledger.deadBytes + bytes <= settings.deadBytesMax
    }

    // MARK: Leaving

    /// Takes a dead letter out of the count of dead bytes, and out of its table.
    func forgetDead(_ sequence: EventSequence, bodyBytes: Int) throws {
        statements.forgetDead.bind(1, sequence.rawValue)
        try statements.forgetDead.run()
        ledger.dead -= 1
        ledger.deadBytes -= Int64(bodyBytes) + Limits.eventOverheadBytes
    }

    private func discardDead(_ sequence: EventSequence, _ reason: DiscardReason) throws {
        let row = try connection.prepare(
            "SELECT length(body), kind, reference FROM dead WHERE sequence = ?")
        row.bind(1, sequence.rawValue)
        guard try row.step() else { return }
        let bodyBytes = Int(row.integer(0))
        let isEffect = EventKind(rawValue: Int(row.integer(1)))?.isEffect == true
        let key = row.optionalInteger(2).map(ReferenceKey.init(rawValue:))
        row.reset()
        // What names it goes with it, instead of upstream with an id that means nothing there.
        if !isEffect, let key { try noteDeleted(sequence, key, reason) }
        try forgetDead(sequence, bodyBytes: bodyBytes)
        ledger.discarded += 1
        try count("discarded.\(reason.rawValue)", 1)
    }

    /// Discards those of the next dead letters after `last` that meet the filter.
    func discardDead(_ filter: DeadFilter, after last: EventSequence?) throws -> DeadStep {
        let step = try deadStep(filter, after: last)
        for sequence in step.matches { try discardDead(sequence, .operatorCommand) }
        return step
    }

    // MARK: Looking

    /// A bounded look through the dead letters, in the order of acceptance.
    struct DeadStep {
        var matches: [EventSequence] = []
        /// Others that meet the filter, and are left as they are.
        var left = 0
        /// The last one looked at, where there are more.
        var last: EventSequence?
    }

    /// Those of the next dead letters after `last` that meet the filter, at most `limit` of them.
    func deadStep(
        _ filter: DeadFilter, after last: EventSequence?, limit: Int = Limits.rowsPerStepMax
    ) throws -> DeadStep {
        let lanes = try filter.project.map { try lanesOfProject($0) }
        let rows = try connection.prepare(
            """
            SELECT sequence, lane, reason, died_at FROM dead INDEXED BY dead_facts
            WHERE sequence > ? ORDER BY sequence LIMIT ?
            """)
        rows.bind(1, last?.rawValue ?? 0)
        rows.bind(2, Int64(Self.deadLookedAtMax))
        var step = DeadStep()
        var seen = 0
        while step.matches.count < limit, try rows.step() {
            seen += 1
            let sequence = EventSequence(rawValue: rows.integer(0))
            step.last = sequence
            if let only = filter.sequences, !only.contains(sequence) { continue }
            if let lanes, !lanes.contains(rows.integer(1)) { continue }
            if let reason = filter.reason, rows.text(2) != reason.rawValue { continue }
            if let before = filter.diedBefore, rows.integer(3) >= before.milliseconds { continue }
            step.matches.append(sequence)
        }
        if seen < Self.deadLookedAtMax, step.matches.count < limit { step.last = nil }
        return step
    }

    /// Dead letters that one step looks at.
    private static let deadLookedAtMax = 5_000

    private func lanesOfProject(_ project: String) throws -> Set<Int64> {
        let find = try connection.prepare("SELECT number FROM project WHERE name = ?")
        var numbers: Set<Int64> = []
        for name in ProjectName.shown(as: project) {
            find.bind(1, name)
            if try find.step() { numbers.insert(find.integer(0)) }
            find.reset()
        }
        if let own = identity.sequence(of: .project, in: project) { numbers.insert(own.rawValue) }
        return Set(lanes.all.values.filter { numbers.contains($0.project) }.map(\.id))
    }

    /// Some of the next dead letters that meet the filter, with the last one looked at, where there may be
    /// more.
    func listDead(
        _ filter: DeadFilter, after last: EventSequence?, limit: Int
    ) throws -> (letters: [DeadLetter], last: EventSequence?) {
        let step = try deadStep(filter, after: last, limit: limit)
        return (try step.matches.compactMap { try deadLetter($0, withBody: false) }, step.last)
    }

    /// One dead letter.
    func deadLetter(_ sequence: EventSequence, withBody: Bool) throws -> DeadLetter? {
        let row = try connection.prepare(
            """
            SELECT dead.kind, project.name, reason, status, words, attempts, accepted_at, died_at, body
            FROM dead JOIN lane ON lane.id = lane JOIN project ON project.number = project
            WHERE sequence = ?
            """)
        row.bind(1, sequence.rawValue)
        guard try row.step() else { return nil }
        let kind = EventKind(rawValue: Int(row.integer(0))) ?? .log
        return DeadLetter(
            sequence: sequence, id: identity.id(kind.thing, sequence), kind: kind,
            project: ProjectName.shown(row.text(1)), reason: row.text(2),
            status: row.optionalInteger(3).map(Int.init), words: row.text(4),
            attempts: Int(row.integer(5)), acceptedAt: Timestamp(milliseconds: row.integer(6)),
            diedAt: Timestamp(milliseconds: row.integer(7)), bodyBytes: row.blob(8) { $0.count },
            body: withBody ? row.bytes(8) : nil)
    }
}

/// The `name` column of `project`: `name:` or `id:` and what the caller wrote, or `caller:` and who it was.
enum ProjectName {
    /// As an operator reads it.
    static func shown(_ name: String) -> String {
        for prefix in ["name:", "id:"] where name.hasPrefix(prefix) {
            return String(name.dropFirst(prefix.count))
        }
        return name
    }

    /// The names that an operator reads as this text.
    static func shown(as text: String) -> [String] {
        ["name:", "id:"].map { $0 + text } + (text.hasPrefix("caller:") ? [text] : [])
    }
}

extension EventKind {
    /// By what kind of id an event of this kind is named; updates and results have none of their own.
    var thing: SpoolIdentity.Thing {
        switch self {
        case .feedback: .feedback
        case .session: .session
        case .log, .update, .evaluationLog, .evaluationResult: .log
        }
    }
}

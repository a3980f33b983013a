internal import SpoolCore
internal import SpoolSQLite

/// Work that nobody waits for, in small steps between the groups.
///
/// A crash between two steps loses nothing: each step can be found again in the tables.
extension SpoolStore {
    func upkeep() throws -> Bool {
        try begin()
        let forgotIDs = try forgetOldIDs()
        let forgotSessions = try forgetOldSessions()
        let expired = try expire()
        let forgotDeleted = try forgetDeleted()
        try commit()
        let shrank = try shrink()
        let hasWork = !dooms.isEmpty || !wakes.isEmpty
        return hasWork || forgotIDs || forgotSessions || expired || forgotDeleted || shrank
    }

    /// Forgets the ids of old deliveries: beyond a number, and beyond an age. Never one that an event in
    /// the queue or a dead letter names: those are few, because ids that are known at acceptance are
    /// bound to their events then, so their blocks are known by heart.
    private func forgetOldIDs() throws -> Bool {
        guard let oldest = try oldestUnnamedIDs() else { return false }
        let age = clock() - oldest.deliveredAt
        let isTooMany = identityCount - oldest.count >= settings.identitiesMax
        guard isTooMany || age > Limits.identityAge else { return false }
        try connection.execute("DELETE FROM identity WHERE id = \(oldest.id)")
        identityCount -= oldest.count
        noteForgotten(1)
        return true
    }

    /// Forgets the oldest sessions beyond a number, with the same exceptions. A log that names one by its
    /// reference later brings the id back. Looks at some of them and goes on there the next time: there
    /// may be as many exceptions as events in the queue.
    private func forgetOldSessions() throws -> Bool {
        let excess = min(sessionCount - settings.sessionsMax, Limits.rowsPerStepMax)
        guard excess > 0 else { return false }
        let named = try namedBlocks ?? blocksNamed()
        namedBlocks = named
        let rows = try connection.prepare(
            """
            SELECT sequence, EXISTS (SELECT 1 FROM event WHERE event.session = session.sequence)
            OR EXISTS (SELECT 1 FROM dead WHERE dead.session = session.sequence)
            OR EXISTS (SELECT 1 FROM deleted WHERE deleted.sequence = session.sequence)
            FROM session WHERE sequence > ? ORDER BY sequence LIMIT \(Limits.rowsPerStepMax)
            """)
        rows.bind(1, lastSessionSeen)
        lastSessionSeen = 0
        var forgettable: [Int64] = []
        while forgettable.count < excess, try rows.step() {
            let sequence = rows.integer(0)
            lastSessionSeen = sequence
            let isNamed = named.contains(Self.block(of: EventSequence(rawValue: sequence)))
            if rows.integer(1) == 0, !isNamed { forgettable.append(sequence) }
        }
        rows.reset()
        let forget = try connection.prepare("DELETE FROM session WHERE sequence = ?")
        for sequence in forgettable {
            forget.bind(1, sequence)
            try forget.run()
        }
        sessionCount -= forgettable.count
        noteForgotten(forgettable.count)
        return !forgettable.isEmpty
    }

    /// How many rows are forgotten before it is read again what is named: what was named meanwhile is known,
    /// what is named no more is forgotten later.
    private static let rowsForgottenPerReading = 1000

    private func noteForgotten(_ rows: Int) {
        forgottenCount += rows
        guard forgottenCount >= Self.rowsForgottenPerReading else { return }
        forgottenCount = 0
        namedBlocks = nil
    }

    private func oldestUnnamedIDs() throws -> (id: Int64, count: Int, deliveredAt: Timestamp)? {
        let rows = try connection.prepare(
            "SELECT id, block, count, delivered_at FROM identity ORDER BY id")
        defer { rows.reset() }
        guard try rows.step() else { return nil }
        let isFull = identityCount > settings.identitiesMax
        let oldestAge = clock() - Timestamp(milliseconds: rows.integer(3))
        guard isFull || oldestAge > Limits.identityAge else { return nil }
        let named = try namedBlocks ?? blocksNamed()
        namedBlocks = named
        repeat {
            guard named.contains(rows.integer(1)) else {
                return (
                    rows.integer(0), Int(rows.integer(2)), Timestamp(milliseconds: rows.integer(3))
                )
            }
        } while try rows.step()
        return nil
    }

    /// The blocks of the sequences that events in the queue and dead letters name.
    private func blocksNamed() throws -> Set<Int64> {
        let rows = try connection.prepare(
            """
            SELECT causes FROM event WHERE flags & 2 UNION ALL SELECT causes FROM dead WHERE flags & 2
            """)
        var blocks: Set<Int64> = []
        while try rows.step() {
            blocks.formUnion(
                rows.isNull(0) ? [] : Self.blocks(of: try rows.blob(0, CauseList.decode)))
        }
        return blocks
    }

    /// An event has come that names something by a provisional id.
    func noteNamed(_ causes: [Cause]) {
        namedBlocks?.formUnion(Self.blocks(of: causes))
    }

    private static func blocks(of causes: [Cause]) -> [Int64] {
        causes.compactMap { cause in
            switch cause {
            case .event(let sequence), .session(let sequence): block(of: sequence)
            case .reference, .project: nil
            }
        }
    }

    /// Forgets the oldest of many discarded logs: what still comes and names one is sent as it is.
    private func forgetDeleted() throws -> Bool {
        // The first of them may be the one whose dependents are being taken along.
        guard deletedCount > Self.deletedMax, dooms.isEmpty else { return false }
        try connection.execute(
            """
            DELETE FROM deleted WHERE sequence IN
            (SELECT sequence FROM deleted ORDER BY sequence LIMIT \(Limits.rowsPerStepMax))
            """)
        deletedCount -= connection.changes
        return true
    }

    /// Discarded logs that are remembered.
    private static let deletedMax = 100_000

    /// Gives pages back to the file system once most of the file is empty. The file itself is cut by the
    /// checkpoint behind the last step: without it, that of an idle daemon would stay as it is until there
    /// is work again.
    private func shrink() throws -> Bool {
        let free = try connection.integer("PRAGMA freelist_count") ?? 0
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        guard free > Self.freePagesMin, free * 2 > pages else {
            if hasShrunk { try connection.execute("PRAGMA wal_checkpoint(PASSIVE)") }
            hasShrunk = false
            return false
        }
        try connection.execute("PRAGMA incremental_vacuum(\(Self.vacuumPagesPerStep))")
        hasShrunk = true
        return true
    }

    /// Free pages that are kept for the next burst: 8 MiB.
    private static let freePagesMin: Int64 = 1024
    private static let vacuumPagesPerStep = 256

    // MARK: Malformed input

    private static let secretsMember = Array("provider_api_keys".utf8)

    /// Keeps input that nobody can be told about, in a ring; but not the keys of model providers, which
    /// never touch the disk. Below the reserve of free disk it is counted only.
    func keepMalformed(_ input: [UInt8], reason: String, source: String) throws {
        if input.holds(Self.secretsMember) {
            let reason = reason + " (not kept: it has provider_api_keys)"
            return try keepMalformed([], reason: reason, source: source)
        }
        try count("malformed", 1)
        guard hasRoomOnDisk(at: clock()) else { return }
        let insert = try connection.prepare(
            "INSERT INTO malformed (kept_at, source, reason, size, input) VALUES (?, ?, ?, ?, ?)")
        insert.bind(1, clock().milliseconds)
        insert.bind(2, source)
        insert.bind(3, reason)
        insert.bind(4, Int64(input.count))
        insert.bind(5, Array(input.prefix(Limits.malformedBytesMax)))
        try insert.run()
        malformedCount += 1
        malformedBytes += Int64(min(input.count, Limits.malformedBytesMax) + reason.utf8.count)
        malformedBytes += Limits.eventOverheadBytes
        try overwriteMalformed()
    }

    /// The oldest make room, a bounded number of them for each that comes.
    private func overwriteMalformed() throws {
        guard malformedBytes > Int64(Limits.malformedRingBytesMax) else { return }
        let oldest = try connection.prepare(
            """
            DELETE FROM malformed WHERE id = (SELECT min(id) FROM malformed)
            RETURNING \(Self.malformedBytes)
            """)
        var overwritten = 0
        while malformedBytes > Int64(Limits.malformedRingBytesMax),
            overwritten < Limits.rowsPerStepMax, try oldest.step()
        {
            malformedBytes -= oldest.integer(0)
            overwritten += 1
            oldest.reset()
        }
        malformedCount -= overwritten
        try count("malformed_overwritten", overwritten)
    }

    /// What a row of the ring is counted as: its texts, and what it costs besides.
    private static let malformedBytes = """
        length(input) + length(CAST(reason AS BLOB)) + \(Limits.eventOverheadBytes)
        """

    /// Counts what the ring holds.
    func loadMalformed() throws {
        malformedCount = Int(try connection.integer("SELECT count(*) FROM malformed") ?? 0)
        malformedBytes =
            try connection.integer("SELECT sum(\(Self.malformedBytes)) FROM malformed") ?? 0
    }
}

internal import SpoolCore
internal import SpoolSQLite

/// Making whole what was read back in parts: names that are missing, leases of lost events, the totals.
extension Salvage {
    /// Destinations, projects and lanes that something still names.
    func mendNames() throws {
        // What is known under a number whose URL is lost may be of an upstream of before: the current one
        // gets a number that nothing names, unless its own is there.
        let add = try target.prepare(
            "INSERT OR IGNORE INTO destination (id, base_url) VALUES (?, ?)")
        add.bind(1, try lastDestinationNamed() + 1)
        add.bind(2, destination)
        try add.run()
        let now = try target.prepare("SELECT id FROM destination WHERE base_url = ?")
        now.bind(1, destination)
        guard try now.step() else { throw QueueError.damaged(target.path, "no destination") }
        let current = now.integer(0)
        now.reset()
        try target.execute(
            """
            INSERT OR IGNORE INTO destination (id, base_url) SELECT DISTINCT destination,
            'salvaged:' || destination FROM lane WHERE destination NOT IN (SELECT id FROM destination);
            INSERT OR IGNORE INTO project (number, name) SELECT DISTINCT project,
            'salvaged:' || project FROM lane WHERE project NOT IN (SELECT number FROM project);
            """)
        // An event whose lane is lost, or is not for its kind, goes to a lane of its own making.
        for table in ["event", "dead"] {
            try target.execute(
                """
                CREATE TEMP TABLE astray AS SELECT sequence, kind, lane FROM \(table)
                WHERE NOT EXISTS (SELECT 1 FROM lane WHERE id = \(table).lane AND \(Examination.fits));
                INSERT OR IGNORE INTO project (name)
                SELECT DISTINCT 'salvaged:lane ' || lane FROM astray;
                INSERT OR IGNORE INTO lane (destination, operation, project)
                SELECT DISTINCT \(current), \(Self.operation), project.number
                FROM astray JOIN project ON project.name = 'salvaged:lane ' || astray.lane;
                UPDATE \(table) SET lane = (SELECT lane.id FROM lane, astray, project
                WHERE astray.sequence = \(table).sequence AND lane.destination = \(current)
                AND project.name = 'salvaged:lane ' || astray.lane AND lane.project = project.number
                AND lane.operation = \(Self.operation))
                WHERE sequence IN (SELECT sequence FROM astray);
                DROP TABLE astray;
                """)
        }
        for (table, column, names) in [
            ("route", "destination", "destination"), ("project_id", "destination", "destination"),
            ("identity", "destination", "destination"), ("session", "destination", "destination"),
        ] {
            try target.execute(
                "DELETE FROM \(table) WHERE \(column) NOT IN (SELECT id FROM \(names))")
        }
        try target.execute(
            """
            DELETE FROM project_id WHERE project NOT IN (SELECT number FROM project);
            UPDATE lease SET destination = \(current)
            WHERE destination NOT IN (SELECT id FROM destination);
            """)
    }

    /// The highest number of a destination that any table has, as far as such numbers go.
    private func lastDestinationNamed() throws -> Int64 {
        let named = ["lane", "lease", "route", "project_id", "identity", "session"].map {
            "UNION ALL SELECT max(destination) FROM \($0) WHERE destination < \(Self.gap << 20)"
        }.joined(separator: " ")
        return try target.integer(
            """
            SELECT max(0, max(number)) FROM (SELECT max(id) AS number FROM destination
            WHERE id < \(Self.gap << 20) \(named))
            """) ?? 0
    }

    /// The operation for an event of `astray` that has none.
    private static let operation = """
        (CASE astray.kind WHEN 1 THEN 36 WHEN 2 THEN 38 WHEN 3 THEN 32 WHEN 4 THEN 58
        WHEN 5 THEN 24 ELSE 25 END)
        """

    func mendEvents() throws {
        // It cannot be both; the queue's row is the one that can still be delivered. What an event waits
        // for is found out anew, because what it waited for may be lost.
        try target.execute(
            """
            DELETE FROM dead WHERE sequence IN (SELECT sequence FROM event);
            UPDATE event SET hold = 0, waits_on = NULL, not_before = NULL WHERE waits_on IS NOT NULL;
            """)
    }

    /// Leases keep the events that were read back, are ready and travel that way, each in one of them.
    func mendLeases() throws {
        let rows = try target.prepare("SELECT id, events, operation FROM lease ORDER BY id")
        let find = try target.prepare(
            """
            SELECT 1 FROM event JOIN lane ON lane.id = event.lane
            WHERE sequence = ? AND hold = 0 AND operation = ?
            """)
        var leased: Set<EventSequence> = []
        var kept: [(id: Int64, events: [EventSequence])] = []
        while try rows.step() {
            var events: [EventSequence] = []
            for sequence in rows.blob(1, SequenceList.decode) {
                find.bind(1, sequence.rawValue)
                find.bind(2, rows.integer(2))
                let isThere = try find.step()
                find.reset()
                if isThere, leased.insert(sequence).inserted { events.append(sequence) }
            }
            kept.append((rows.integer(0), events))
        }
        let update = try target.prepare("UPDATE lease SET events = ? WHERE id = ?")
        for lease in kept {
            if lease.events.isEmpty {
                try target.execute("DELETE FROM lease WHERE id = \(lease.id)")
            } else {
                update.bind(1, SequenceList.encode(lease.events))
                update.bind(2, lease.id)
                try update.run()
            }
        }
        // A lease's number is never given twice either: the sender may still have one in hand.
        let last = try target.integer("SELECT max(id) FROM lease") ?? 0
        let given = lastLeaseGiven()
        try target.execute(
            """
            DELETE FROM sqlite_sequence WHERE name = 'lease';
            INSERT INTO sqlite_sequence VALUES ('lease', \(max(last, given) + Self.gap));
            """)
    }

    private func lastLeaseGiven() -> Int64 {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'lease'"
        guard let source, let row = try? source.prepare(sql), let isRow = try? row.step(), isRow
        else { return 0 }
        let last = row.integer(0)
        row.reset()
        return min(max(last, 0), EventSequence.max.rawValue)
    }

    /// The spool stays the one whose ids are out there, where that can be known.
    func restoreIdentity(_ found: SpoolRow?, _ outcome: inout Outcome) throws {
        let seen =
            try target.integer(
                """
                SELECT max((SELECT coalesce(max(sequence), 0) FROM event),
                (SELECT coalesce(max(sequence), 0) FROM dead),
                (SELECT coalesce(max(sequence), 0) FROM session),
                (SELECT coalesce(max(sequence), 0) FROM deleted),
                (SELECT coalesce(max(block) * 256 + 255, 0) FROM identity))
                """) ?? 0
        let next = max(seen + 1, found?.nextSequence ?? 1, known?.nextSequence ?? 1) + Self.gap
        guard next <= EventSequence.max.rawValue else {
            throw QueueError.damaged(target.path, "the last sequence seen is \(seen)")
        }
        outcome.keptIdentity = known != nil || found != nil
        let epoch = (known?.epoch ?? found?.epoch).map(String.init) ?? "abs(random() % 1048576)"
        let key0 = (known?.key0 ?? found?.key0).map(String.init) ?? "random()"
        let key1 = (known?.key1 ?? found?.key1).map(String.init) ?? "random()"
        try target.execute("INSERT INTO spool VALUES (1, \(epoch), \(key0), \(key1), \(next))")
    }

    // MARK: The totals

    /// Counts what is there, carries the totals over, and books what is missing.
    func recount(_ outcome: inout Outcome) throws {
        try target.execute(
            """
            UPDATE lane SET payload_bytes =
            (SELECT coalesce(sum(length(body)), 0) FROM event WHERE event.lane = lane.id)
            """)
        outcome.events = try target.integer("SELECT count(*) FROM event") ?? 0
        outcome.deadLetters = try target.integer("SELECT count(*) FROM dead") ?? 0
        let payload = try target.integer("SELECT coalesce(sum(length(body)), 0) FROM event") ?? 0
        let deadBytes = try target.integer(
            """
            SELECT coalesce(sum(length(body) + \(Limits.eventOverheadBytes)), 0) FROM dead
            """)
        let held = outcome.events + outcome.deadLetters
        let totals = totals()
        outcome.keptTotals = totals != nil
        let (delivered, discarded) = (totals?.delivered ?? 0, totals?.discarded ?? 0)
        // More than was accepted can be there when an old page took the place of a newer one.
        let accepted = max(totals?.accepted ?? 0, held + delivered + discarded)
        outcome.lost = accepted - held - delivered - discarded
        try target.execute(
            """
            UPDATE ledger SET accepted = \(accepted), held = \(outcome.events),
            delivered = \(delivered), dead = \(outcome.deadLetters),
            discarded = \(discarded + outcome.lost), payload_bytes = \(payload),
            dead_bytes = \(deadBytes ?? 0)
            """)
        try mendReasons(discarded: discarded + outcome.lost)
    }

    /// The reasons for discards sum up to the discards: what has no reason was lost. More reasons than
    /// discards are none to be believed.
    private func mendReasons(discarded: Int64) throws {
        let reasons = "FROM counter WHERE name GLOB 'discarded.*'"
        var counted = try target.integer("SELECT coalesce(sum(value), 0) \(reasons)") ?? 0
        if counted > discarded {
            try target.execute("DELETE \(reasons)")
            counted = 0
        }
        guard counted < discarded else { return }
        try target.execute(
            """
            INSERT INTO counter VALUES ('discarded.corruption', \(discarded - counted))
            ON CONFLICT (name) DO UPDATE SET value = value + excluded.value
            """)
    }

    /// The damaged file's totals; nil when they cannot be read or cannot be.
    private func totals() -> (accepted: Int64, delivered: Int64, discarded: Int64)? {
        let sql = "SELECT accepted, held, delivered, dead, discarded FROM ledger"
        guard let source, let row = try? source.prepare(sql), let isRow = try? row.step(), isRow
        else { return nil }
        var values: [Int64] = []
        for column in 0..<5 { values.append(row.integer(Int32(column))) }
        row.reset()
        let isSane = values.allSatisfy { (0...EventSequence.max.rawValue).contains($0) }
        guard isSane, values[0] == values[1...].reduce(0, +) else { return nil }
        return (values[0], values[2], values[4])
    }
}

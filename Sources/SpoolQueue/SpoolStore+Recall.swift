internal import SpoolCore
internal import SpoolSQLite

/// Starting: what must be known by heart is read back, and what a crash cut short is found.
extension SpoolStore {
    /// Reads everything but payloads: lanes, counts, names, leases.
    func load() throws {
        try clampTimes()
        try loadDestination()
        try loadLanes()
        try loadLeases()
        try loadEvents()
        try loadRecent()
        deletedCount = Int(try connection.integer("SELECT count(*) FROM deleted") ?? 0)
        sessionCount = Int(try connection.integer("SELECT count(*) FROM session") ?? 0)
        try loadMalformed()
        try wakeAll()
    }

    /// What the sender must know at its start: the leases whose requests may have been written, and
    /// what this destination has shown.
    func recall() throws -> Recollection {
        let open = leases.keys.filter { !regrouped.contains($0) }.sorted()
        let calibration = try connection.integer(
            "SELECT calibration FROM destination WHERE id = \(destination)")
        let notes = try connection.text(
            "SELECT notes FROM destination WHERE id = \(destination)")
        return Recollection(
            leases: try open.map { try lease(rebuilding: $0) },
            answeredRoutes: answeredRoutes, deliveredReferences: deliveredReferences,
            calibration: calibration.flatMap { Calibration(rawValue: Int($0)) } ?? .undecided,
            notes: notes ?? "")
    }

    /// After the clock was set back, no event waits longer than it could have asked for.
    private func clampTimes() throws {
        let update = try connection.prepare(
            "UPDATE event SET not_before = ?1 WHERE not_before > ?1")
        update.bind(1, (clock() + Limits.retryAfterMax).milliseconds)
        try update.run()
    }

    private func loadDestination() throws {
        let routes = try connection.prepare("SELECT operation FROM route WHERE destination = ?")
        routes.bind(1, destination)
        while try routes.step() {
            if let route = Route(rawValue: Int(routes.integer(0))) { answeredRoutes.insert(route) }
        }
        let list = try connection.text(
            "SELECT reference_list FROM destination WHERE id = \(destination)")
        deliveredReferences = (list ?? "").split(separator: "\n").map(String.init)
        let ids = try connection.prepare("SELECT project, id FROM project_id WHERE destination = ?")
        ids.bind(1, destination)
        while try ids.step() { projectIDs[ids.integer(0)] = ids.text(1) }
    }

    private func loadLanes() throws {
        let rows = try connection.prepare("SELECT id, operation, project, payload_bytes FROM lane")
        while try rows.step() {
            guard let route = Route(rawValue: Int(rows.integer(1))) else { continue }
            let lane = Lane(
                id: rows.integer(0), route: route, project: rows.integer(2),
                payloadBytes: rows.integer(3))
            lanes.add(lane)
            laneIDs[LaneName(route: route, project: lane.project)] = lane.id
        }
    }

    private func loadLeases() throws {
        let rows = try connection.prepare(
            "SELECT id, operation, state, events FROM lease ORDER BY id")
        while try rows.step() {
            let id = rows.integer(0)
            guard let route = Route(rawValue: Int(rows.integer(1))) else { continue }
            let events = try rows.blob(3, SequenceList.decode).map { try heldEvent($0, lease: id) }
            leases[id] = OpenLease(
                id: id, route: route, events: events, isRegrouped: rows.integer(2) != 1)
            for event in events { leased.insert(event.sequence.rawValue) }
            if rows.integer(2) == 0 { regrouped.append(id) }
        }
    }

    private func heldEvent(_ sequence: EventSequence, lease: Int64) throws -> HeldEvent {
        let row = statements.eventBody
        row.bind(1, sequence.rawValue)
        guard try row.step() else {
            throw QueueError.damaged(
                connection.path, "lease \(lease) names event \(sequence.rawValue), which is gone")
        }
        defer { row.reset() }
        guard lanes.all[row.integer(0)] != nil else {
            throw QueueError.damaged(
                connection.path, "event \(sequence.rawValue) is in an unknown lane")
        }
        let event = try EventRow(row, column: 1, sequence: sequence, lane: row.integer(0))
        return event.held(bodyBytes: event.bodyBytes)
    }

    /// Reads the lane index once: it holds all that is needed of a million events, in order of lanes.
    private func loadEvents() throws {
        let now = clock()
        let rows = try connection.prepare(
            "SELECT lane, hold, sequence, reference, kind FROM event ORDER BY lane, hold, sequence")
        while try rows.step() {
            let sequence = EventSequence(rawValue: rows.integer(2))
            if EventKind(rawValue: Int(rows.integer(4)))?.isLog == true {
                references.insert(ReferenceKey(rawValue: rows.integer(3)), sequence)
            }
            guard lanes.all[rows.integer(0)] != nil else {
                throw QueueError.damaged(
                    connection.path, "event \(sequence.rawValue) is in an unknown lane")
            }
            lanes.holds(rows.integer(0))
            let isReady = rows.integer(1) == 0 && !leased.contains(sequence.rawValue)
            if isReady { lanes.ready(rows.integer(0), 1, from: sequence, at: now) }
        }
    }

    private func loadRecent() throws {
        identityCount = Int(
            try connection.integer("SELECT coalesce(sum(count), 0) FROM identity") ?? 0)
        let rows = try connection.prepare(
            "SELECT block, entries, digests FROM identity WHERE destination = ? ORDER BY id DESC")
        rows.bind(1, destination)
        var newest: [IdentityEntry] = []
        while newest.count < Limits.recentReferencesMax, try rows.step() {
            newest += rows.blob(1) { entries in
                rows.blob(2) { Self.entries(entries, digests: $0, block: rows.integer(0)) }
                    .reversed()
            }
        }
        rows.reset()
        for entry in newest.reversed() {
            recent.insert(
                entry.key, entry.sequence, entry.digest,
                id: identity.key(of: entry.id, named: .foreignID))
        }
    }

    /// Whoever waits for a name looks again: a crash may have come between the settlement of what went by
    /// it and the last step of waking.
    private func wakeAll() throws {
        let next = try connection.prepare(
            "SELECT waits_on FROM event WHERE waits_on > ? ORDER BY waits_on LIMIT 1")
        waitingCount = Int(
            try connection.integer("SELECT count(*) FROM event WHERE waits_on IS NOT NULL") ?? 0)
        var last: Int64? = try connection.integer(
            "SELECT min(waits_on) FROM event WHERE waits_on IS NOT NULL")
        while let name = last {
            wakes.append(ReferenceKey(rawValue: name))
            next.bind(1, name)
            last = try next.step() ? next.integer(0) : nil
            next.reset()
        }
    }
}

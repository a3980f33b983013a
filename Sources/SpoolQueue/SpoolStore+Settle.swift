internal import SpoolCore
internal import SpoolSQLite

/// Settling: what became of a batch, in one transaction with the ids and the ledger.
///
/// A crash before the commit leaves the lease as it was: in doubt.
extension SpoolStore {
    func settle(_ settlement: Settlement) throws -> SettleOutcome {
        guard let lease = leases[settlement.lease] else {
            preconditionFailure("lease \(settlement.lease) is settled already")
        }
        let now = clock()
        var rest = lease.events
        var held: [EventSequence: HeldEvent] = [:]
        for event in rest { held[event.sequence] = event }
        func take(_ sequence: EventSequence) -> HeldEvent {
            guard let event = held.removeValue(forKey: sequence) else {
                preconditionFailure("event \(sequence.rawValue) is not in lease \(lease.id)")
            }
            return event
        }
        if settlement.routeAnswered { try rememberAnswer(of: lease.route) }
        if let calibration = settlement.calibration { try remember(calibration) }
        var arrivals = settlement.delivered.map {
            Arrival(event: take($0.sequence), answer: $0)
        }
        var possibleDuplicates = settlement.possibleDuplicates
        if !settlement.routeAnswered {
            let doubtful = try arrivals.filter { try mayBeNamesake($0.event) }
            try arrivals.removeAll { try mayBeNamesake($0.event) }
            for arrival in doubtful {
                try release(arrival.event, .init(sequence: arrival.event.sequence), at: now)
            }
            possibleDuplicates += doubtful.count
        }
        try deliver(arrivals, at: now)
        for returned in settlement.returned {
            try release(take(returned.sequence), returned, at: now)
        }
        for group in Self.inOrder(settlement.regrouped.map { $0.map(take) }) {
            try regroup(group, lease.route)
        }
        let unburied = try bury(settlement.dead.map { (take($0.sequence), $0) }, at: now)
        if let notes = settlement.notes { try keep(notes: notes) }
        try count("possible_duplicates.\(lease.route.countName)", possibleDuplicates)
        rest.removeAll { held[$0.sequence] == nil }
        try keep(rest, of: lease)
        return unburied.isEmpty ? .committed : .withoutRoomForDead(unburied)
    }

    /// Buries what upstream refused for good; what there is no room for goes back to the queue, to be
    /// tried again alone when its turn comes after a while. Returns that.
    private func bury(
        _ deaths: [(event: HeldEvent, death: Settlement.Dead)], at now: Timestamp
    ) throws -> [EventSequence] {
        var unburied: [EventSequence] = []
        for (event, death) in deaths {
            leased.remove(event.sequence.rawValue)
            let isBuried = try bury(
                event, reason: death.reason, status: death.status, words: death.words, at: now)
            if isBuried { continue }
            unburied.append(event.sequence)
            let back = Settlement.Returned(
                sequence: event.sequence, notBefore: now + Limits.backoffMax, countsAttempt: true)
            try release(event, back, at: now)
        }
        return unburied
    }

    // MARK: Delivered

    /// Whether what upstream showed, when it was asked by reference, may be another log of the same name: one
    /// that was accepted after this one's request was on its way.
    private func mayBeNamesake(_ event: HeldEvent) throws -> Bool {
        guard event.kind.isLog, let key = event.reference else { return false }
        if event.flags & EventFlag.referenceIsMinted != 0 { return false }
        return try hasNamesake(key)
    }

    private struct Arrival {
        let event: HeldEvent
        let answer: Settlement.Delivered

        /// Whether upstream's answer names what events here may name by a provisional id.
        var hasID: Bool {
            !event.kind.isEffect || event.flags & EventFlag.targetIsElsewhere != 0
        }
    }

    private func deliver(_ delivered: [Arrival], at now: Timestamp) throws {
        guard !delivered.isEmpty else { return }
        let logs = delivered.filter(\.event.kind.isLog)
        if let last = logs.last(where: { $0.event.kind == .log }) {
            try rememberReference(of: last.event.sequence)
        }
        try rememberIDs(
            delivered.compactMap { arrival in
                guard arrival.hasID, !arrival.answer.id.isEmpty, let key = arrival.event.reference
                else { return nil }
                return IdentityEntry(
                    sequence: arrival.event.sequence, key: key, id: arrival.answer.id,
                    digest: arrival.event.digest)
            }, at: now)
        try learn(from: logs)
        try delete(delivered.map(\.event))
        ledger.held -= Int64(delivered.count)
        ledger.delivered += Int64(delivered.count)
        for arrival in delivered {
            let event = arrival.event
            leased.remove(event.sequence.rawValue)
            watches.note(event.sequence, arrival.answer.id)
            if arrival.hasID, event.kind != .session, let key = event.reference {
                recent.insert(
                    key, event.sequence, event.digest,
                    id: arrival.answer.id.isEmpty
                        ? identity.key(of: event.sequence, named: .foreignID)
                        : identity.key(of: arrival.answer.id, named: .foreignID),
                    project: lanes[event.lane].project)
            }
            try depart(event)
        }
    }

    /// Keeps the ids of projects and sessions that came with logs.
    private func learn(from logs: [Arrival]) throws {
        var projectsSeen: Set<Int64> = []
        for log in logs {
            if let session = log.event.session, let id = log.answer.sessionID {
                try learnSession(id, session, from: log.event.sequence)
            }
            let project = lanes[log.event.lane].project
            guard let id = log.answer.projectID, projectsSeen.insert(project).inserted else {
                continue
            }
            try remember(projectID: id, of: project)
        }
    }

    /// Deletes rows, neighbours together.
    func delete(_ events: [HeldEvent]) throws {
        let sequences = events.map(\.sequence.rawValue).sorted()
        var start = 0
        for place in sequences.indices {
            let isLast = place == sequences.count - 1
            guard isLast || sequences[place + 1] != sequences[place] + 1 else { continue }
            statements.deleteRange.bind(1, sequences[start])
            statements.deleteRange.bind(2, sequences[place])
            try statements.deleteRange.run()
            guard connection.changes == place - start + 1 else {
                throw QueueError.damaged(
                    connection.path,
                    "of events \(sequences[start]) to \(sequences[place]) only \(connection.changes) are there"
                )
            }
            start = place + 1
        }
        for event in events { try add(bytes: event.bodyBytes, to: event.lane, isGone: true) }
    }

    /// An event has left the queue: whoever waited for it may be looked at again.
    func depart(_ event: HeldEvent, wakingName: Bool = true) throws {
        walks.cleared.removeAll()
        if event.kind.isLog { wakeProject(of: event) }
        if let session = event.session { try wakeSession(session) }
        guard let key = event.reference else { return }
        if event.kind.isLog { try leaveName(key, event.sequence) }
        if wakingName { wake(key) }
    }

    /// A log goes by its name no more; the oldest of those that still do is the first now.
    private func leaveName(_ key: ReferenceKey, _ sequence: EventSequence) throws {
        let isFirst = references.first(of: key) == sequence
        guard references.remove(key) > 0, isFirst else { return }
        guard let next = try sharedLogs(of: key, atMost: 1).first else { return }
        references.setFirst(next, of: key)
    }

    /// Whoever waits for a name looks again; who still has to wait does so anew. Where dependents of a log of
    /// that name are being taken along, they are woken who are left then.
    func wake(_ key: ReferenceKey) {
        guard waitingCount > 0, wakes.last != key, !dooms.contains(where: { $0.key == key })
        else { return }
        wakes.append(key)
    }

    /// Whoever waits for upstream's id of a project looks again whenever a log of it has left.
    private func wakeProject(of event: HeldEvent) {
        guard waitingCount > 0 else { return }
        let number = EventSequence(rawValue: lanes[event.lane].project)
        wake(identity.key(of: number, named: .project))
    }

    // MARK: Back to the queue

    private func release(
        _ event: HeldEvent, _ returned: Settlement.Returned, at now: Timestamp
    ) throws {
        leased.remove(event.sequence.rawValue)
        if returned.countsAttempt || returned.notBefore != nil {
            let update = statements.returnCounted
            update.bind(1, returned.countsAttempt ? 1 : 0)
            // The sender may have reckoned with a clock that was set meanwhile.
            let until = returned.notBefore.map { min($0, now + Limits.retryAfterMax) }
            update.bind(2, until?.milliseconds)
            update.bind(3, until == nil ? 0 : 1)
            update.bind(4, event.sequence.rawValue)
            try update.run()
        }
        if returned.notBefore == nil { lanes.ready(event.lane, 1, from: event.sequence, at: now) }
    }

    /// The groups, with effects on a log that more than one of them has in groups of their own: one goes
    /// after the other then, and no two groups wait for each other.
    private static func inOrder(_ groups: [[HeldEvent]]) -> [[HeldEvent]] {
        var groupsWith: [ReferenceKey: Set<Int>] = [:]
        for (number, group) in groups.enumerated() {
            for event in group where event.kind.isEffect {
                if let key = event.reference { groupsWith[key, default: []].insert(number) }
            }
        }
        guard groupsWith.values.contains(where: { $0.count > 1 }) else { return groups }
        return groups.flatMap { group -> [[HeldEvent]] in
            let single = group.filter { event in
                guard event.kind.isEffect, let key = event.reference else { return false }
                return groupsWith[key, default: []].count > 1
            }
            let rest = group.filter { event in !single.contains { $0.sequence == event.sequence } }
            return (rest.isEmpty ? [] : [rest]) + single.map { [$0] }
        }
    }

    /// Events that travel in no other company from now on; their request has not begun.
    private func regroup(_ events: [HeldEvent], _ route: Route) throws {
        precondition(!events.isEmpty, "an empty group")
        let id = try insertLease(route, events.map(\.sequence), isBegun: false)
        leases[id] = OpenLease(id: id, route: route, events: events, isRegrouped: true)
        regrouped.append(id)
    }

    // MARK: The lease itself

    /// Writes down what is left of a lease; one without events is none any more.
    func keep(_ rest: [HeldEvent], of lease: OpenLease) throws {
        if rest.isEmpty {
            statements.deleteLease.bind(1, lease.id)
            try statements.deleteLease.run()
            leases[lease.id] = nil
        } else if rest.count < lease.events.count {
            statements.updateLease.bind(1, SequenceList.encode(rest.map(\.sequence)))
            statements.updateLease.bind(2, lease.id)
            try statements.updateLease.run()
            leases[lease.id]?.events = rest
        }
    }

    // MARK: What is known of the destination

    private func rememberAnswer(of route: Route) throws {
        guard answeredRoutes.insert(route).inserted else { return }
        let insert = try connection.prepare("INSERT OR IGNORE INTO route VALUES (?, ?)")
        insert.bind(1, destination)
        insert.bind(2, Int64(route.rawValue))
        try insert.run()
    }

    /// Keeps the sender's notes; longer ones than agreed are a programmer's error.
    func keep(notes: String) throws {
        precondition(
            notes.utf8.count <= Limits.senderNotesMax, "notes of \(notes.utf8.count) bytes")
        statements.storeNotes.bind(1, notes)
        statements.storeNotes.bind(2, destination)
        try statements.storeNotes.run()
    }

    private func remember(_ calibration: Calibration) throws {
        let update = try connection.prepare("UPDATE destination SET calibration = ? WHERE id = ?")
        update.bind(1, Int64(calibration.rawValue))
        update.bind(2, destination)
        try update.run()
    }

    /// Keeps the last three delivered references, by which asking is calibrated after a restart.
    private func rememberReference(of sequence: EventSequence) throws {
        statements.eventBody.bind(1, sequence.rawValue)
        guard try statements.eventBody.step() else {
            throw QueueError.damaged(
                connection.path, "delivered event \(sequence.rawValue) is gone")
        }
        let reference = statements.eventBody.blob(8) { LogFacts($0)?.referenceID }
        statements.eventBody.reset()
        // A reference with a line break would break the list; it is simply not used to calibrate.
        guard let reference, !reference.contains(where: \.isNewline) else { return }
        try keep(deliveredReferences: Array(([reference] + deliveredReferences).prefix(3)))
    }

    /// Asking is not calibrated by a log that upstream has deleted.
    func forgetDelivered(_ key: ReferenceKey) throws {
        let others = deliveredReferences.filter { identity.key(of: $0, named: .reference) != key }
        if others.count < deliveredReferences.count { try keep(deliveredReferences: others) }
    }

    private func keep(deliveredReferences list: [String]) throws {
        deliveredReferences = list
        statements.storeReferences.bind(1, list.joined(separator: "\n"))
        statements.storeReferences.bind(2, destination)
        try statements.storeReferences.run()
    }

    private func remember(projectID id: String, of number: Int64) throws {
        guard projectIDs.updateValue(id, forKey: number) != id else { return }
        let insert = try connection.prepare("INSERT OR REPLACE INTO project_id VALUES (?, ?, ?)")
        insert.bind(1, destination)
        insert.bind(2, number)
        insert.bind(3, id)
        try insert.run()
    }

    /// Adds to a counter that is no part of the balance.
    func count(_ name: String, _ more: Int) throws {
        guard more > 0 else { return }
        let add = try connection.prepare(
            """
            INSERT INTO counter VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET value = value + excluded.value
            """)
        add.bind(1, name)
        add.bind(2, Int64(more))
        try add.run()
    }
}

extension Route {
    /// The operation's name in counters.
    var countName: String {
        switch self {
        case .postLogs: "log"
        case .postFeedback: "feedback"
        case .patchLog, .patchLogByReference: "update"
        case .postSession: "session"
        case .postEvaluationLog: "evaluation_log"
        case .postEvaluationResult: "evaluation_result"
        }
    }
}

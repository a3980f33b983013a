internal import SpoolCore
internal import SpoolSQLite

/// Groups: leases whose company was fixed earlier. What was refused or in doubt together travels in smaller
/// ones.
///
/// A group begins whole where all of it may go. Where there is none, one is split: what may go begins, and
/// the rest stays a group of its own, so that a parked lane holds up nobody else's events, and a probe
/// tries with one event. That is always right: what travelled together need not do so again.
extension SpoolStore {
    /// Begins the next group whose lanes may give, or the part of one that may go; for a probe, of those whose
    /// lanes `mayBeProbed`, one event.
    func leaseRegrouped(mayBeProbed: ((Int64) -> Bool)? = nil) throws -> Lease? {
        guard let (place, ready) = try nextGroup(mayBeProbed ?? isOpen) else { return nil }
        let free = mayBeProbed == nil ? ready : [ready[0]]
        // Safety: every id of `regrouped` is a key of `leases`.
        let group = leases[regrouped[place]]!
        guard free.count == group.events.count else { return try begin(split(free, from: group)) }
        regrouped.remove(at: place)
        return try begin(group.id)
    }

    /// Whether a group, or a part of one, may go now. The first event that may has no earlier effect
    /// anywhere, so the others need not be known.
    func hasDueGroup() throws -> Bool {
        try regrouped.contains { id in
            // Safety: every id of `regrouped` is a key of `leases`.
            try leases[id]!.events.contains { try isOpen($0.lane) && priorEffect(of: $0) == nil }
        }
    }

    /// Where in ``regrouped`` the first group stands that may go whole, else the first of which a part may;
    /// and what may go.
    private func nextGroup(
        _ mayGive: (Int64) -> Bool
    ) throws -> (place: Int, free: [HeldEvent])? {
        var partly: (place: Int, free: [HeldEvent])?
        for (place, id) in regrouped.enumerated() {
            // Safety: every id of `regrouped` is a key of `leases`.
            let events = leases[id]!.events
            let free = try free(events, mayGive)
            if free.count == events.count { return (place, free) }
            if partly == nil, !free.isEmpty { partly = (place, free) }
        }
        return partly
    }

    /// The events whose lanes may give, without effects that would overtake an earlier one on the same log:
    /// what travelled together before still goes in order.
    private func free(
        _ events: [HeldEvent], _ mayGive: (Int64) -> Bool
    ) throws -> [HeldEvent] {
        var free: [HeldEvent] = []
        for event in events where mayGive(event.lane) {
            let prior = try priorEffect(of: event)
            if prior == nil || free.contains(where: { $0.sequence == prior }) { free.append(event) }
        }
        return free
    }

    /// The last effect on the same log that goes before this one.
    private func priorEffect(of event: HeldEvent) throws -> EventSequence? {
        guard event.kind.isEffect, let key = event.reference else { return nil }
        return try effect(on: key, before: event.sequence)?.sequence
    }

    /// Makes a part of a group one of its own; the rest keeps its place.
    private func split(_ part: [HeldEvent], from group: OpenLease) throws -> Int64 {
        let leaving = Set(part.map(\.sequence))
        try keep(group.events.filter { !leaving.contains($0.sequence) }, of: group)
        let id = try insertLease(group.route, part.map(\.sequence), isBegun: false)
        leases[id] = OpenLease(id: id, route: group.route, events: part, isRegrouped: true)
        return id
    }

    private func begin(_ id: Int64) throws -> Lease {
        statements.beginLease.bind(1, id)
        try statements.beginLease.run()
        return try lease(rebuilding: id)
    }

    // MARK: Giving up

    /// Whether an event's request may have begun; while its group waits, it has not.
    func isInFlight(_ sequence: EventSequence) -> Bool {
        leased.contains(sequence.rawValue) && group(of: sequence) == nil
    }

    /// Takes an event that is about to be discarded out of its group.
    func leaveGroup(_ sequence: EventSequence) throws {
        guard let group = group(of: sequence) else {
            preconditionFailure("event \(sequence.rawValue) waits in no group")
        }
        try keep(group.events.filter { $0.sequence != sequence }, of: group)
        if leases[group.id] == nil { regrouped.removeAll { $0 == group.id } }
        leased.remove(sequence.rawValue)
    }

    private func group(of sequence: EventSequence) -> OpenLease? {
        regrouped.lazy.compactMap { self.leases[$0] }.first { group in
            group.events.contains { $0.sequence == sequence }
        }
    }

    // MARK: Bodies

    /// The lease with its bodies, read from its events' rows.
    func lease(rebuilding id: Int64) throws -> Lease {
        // Safety: callers name leases they have just found in the table.
        let open = leases[id]!
        var bytes: [UInt8] = []
        var events: [LeasedEvent] = []
        for held in open.events {
            let body = statements.eventBody
            body.bind(1, held.sequence.rawValue)
            guard try body.step() else {
                throw QueueError.damaged(
                    connection.path,
                    "lease \(id) names event \(held.sequence.rawValue), which is gone")
            }
            defer { body.reset() }
            let row = try EventRow(body, column: 1, sequence: held.sequence, lane: held.lane)
            events.append(
                try leasedEvent(
                    body, column: 8, row, namesUnknownLog: try namesUnknownLog(row), bytes: &bytes))
        }
        return Lease(
            id: id, route: open.route, bytes: bytes, events: events, isRegrouped: open.isRegrouped)
    }

    /// Whether an event that was leased before names a log that upstream need not have: nobody here has
    /// heard of it, or it was accepted since and is still in the queue.
    private func namesUnknownLog(_ row: EventRow) throws -> Bool {
        let standing = try DependencyOrder.standing(
            of: row.causalFacts, at: Timestamp(milliseconds: .max / 2), batch: [], in: self)
        return standing != .ready(namesUnknownLog: false)
    }
}

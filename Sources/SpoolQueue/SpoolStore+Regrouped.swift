internal import SpoolCore
internal import SpoolSQLite

/// Leases whose company was fixed earlier: what was refused or in doubt together travels in smaller groups.
extension SpoolStore {
    /// Begins the next lease that travels in company fixed earlier, whose lanes may give.
    func leaseRegrouped(mayGive: ((Int64) -> Bool)? = nil) throws -> Lease? {
        guard let place = try regroupedPlace(mayGive: mayGive) else { return nil }
        let id = regrouped.remove(at: place)
        statements.beginLease.bind(1, id)
        try statements.beginLease.run()
        return try lease(rebuilding: id)
    }

    /// Where in ``regrouped`` the next lease stands all of whose lanes may give, and none of whose effects
    /// has an earlier one elsewhere in the queue: what travelled together before still goes in order.
    func regroupedPlace(mayGive: ((Int64) -> Bool)? = nil) throws -> Int? {
        let mayGive = mayGive ?? isOpen
        return try regrouped.firstIndex { id in
            // Safety: every id of `regrouped` is a key of `leases`.
            let events = leases[id]!.events
            return try events.allSatisfy { event in
                guard mayGive(event.lane) else { return false }
                guard event.kind.isEffect, let key = event.reference,
                    let prior = try effect(on: key, before: event.sequence)
                else { return true }
                return events.contains { $0.sequence == prior.sequence }
            }
        }
    }

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

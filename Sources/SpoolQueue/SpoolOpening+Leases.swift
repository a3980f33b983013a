internal import SpoolCore
internal import SpoolSQLite

/// The leases that the sender has been told of, whatever became of the store that gave them.
///
/// A commit that failed may be on the disk nevertheless. Then the file holds a lease whose batch nobody was
/// given, or has settled one whose settlement was answered with a refusal.
final class ToldLeases {
    /// Nil until the sender has recalled what a former run left: before, every lease is in doubt.
    private(set) var ids: Set<Int64>?

    /// The sender has recalled these.
    func recalled(_ ids: some Sequence<Int64>) { self.ids = Set(ids) }

    /// The sender was given a batch.
    func told(_ id: Int64) { ids?.insert(id) }

    /// A settlement left nothing of the lease.
    func closed(_ id: Int64) { ids?.remove(id) }
}

extension SpoolStore {
    /// Takes back the leases whose batches were never handed out, because the commit's answer was a
    /// failure: no request can have begun. A regrouped one waits again for its turn.
    func takeBack(leasesNotIn told: ToldLeases) throws {
        guard let ids = told.ids else { return }
        let rows = try connection.prepare("SELECT id, state FROM lease WHERE state <> 0")
        var unknown: [(id: Int64, state: Int64)] = []
        while try rows.step() {
            if !ids.contains(rows.integer(0)) { unknown.append((rows.integer(0), rows.integer(1))) }
        }
        for lease in unknown {
            try connection.execute(
                lease.state == 1
                    ? "DELETE FROM lease WHERE id = \(lease.id)"
                    : "UPDATE lease SET state = 0 WHERE id = \(lease.id)")
        }
    }

    /// What of a settlement is still to be done. All of it, as a rule; less where it was refused
    /// before and reached the disk all the same, nil where nothing is left.
    func remainder(of settlement: Settlement) -> Settlement? {
        guard let lease = leases[settlement.lease] else { return nil }
        let open = Set(lease.events.map(\.sequence))
        var rest = settlement
        rest.delivered.removeAll { !open.contains($0.sequence) }
        rest.returned.removeAll { !open.contains($0.sequence) }
        rest.dead.removeAll { !open.contains($0.sequence) }
        rest.regrouped = settlement.regrouped.map { $0.filter(open.contains) }
            .filter { !$0.isEmpty }
        return rest
    }
}

internal import SpoolCore
internal import SpoolSQLite

/// Finding circles: events that name each other as parents would wait for each other for ever.
extension SpoolStore {
    /// Whether a log that is about to wait for `key` is among that log's own ancestors.
    ///
    /// The last member of a circle to be looked at finds that somebody waits for it already; only then is
    /// the walk worth its reads. It ends after ``Limits/ancestorsMax`` logs.
    func isOwnAncestor(_ row: EventRow, waitingFor key: ReferenceKey) throws -> Bool {
        guard !row.kind.isEffect, let own = row.reference, try isWaitedFor(own) else {
            return false
        }
        var seen: Set<ReferenceKey> = []
        var next = [key]
        while let name = next.popLast(), seen.count < Limits.ancestorsMax {
            if name == own { return true }
            guard seen.insert(name).inserted, let log = references.first(of: name) else {
                continue
            }
            for cause in try causes(of: log) {
                switch cause {
                case .reference(let key): next.append(key)
                case .project: break
                case .session(let sequence), .event(let sequence):
                    if case .queued(let key) = try self.log(sequence) { next.append(key) }
                }
            }
        }
        return false
    }

    private func isWaitedFor(_ key: ReferenceKey) throws -> Bool {
        statements.waiter.bind(1, key.rawValue)
        defer { statements.waiter.reset() }
        return try statements.waiter.step()
    }

    private func causes(of sequence: EventSequence) throws -> [Cause] {
        statements.eventCauses.bind(1, sequence.rawValue)
        defer { statements.eventCauses.reset() }
        guard try statements.eventCauses.step(), !statements.eventCauses.isNull(0) else {
            return []
        }
        return statements.eventCauses.blob(0, CauseList.decode)
    }
}

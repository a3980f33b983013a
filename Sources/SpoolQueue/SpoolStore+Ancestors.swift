internal import SpoolCore
internal import SpoolSQLite

/// Finding circles: events that name each other would wait for each other for ever.
extension SpoolStore {
    /// Whether a log that is about to wait is among the logs it waits for.
    ///
    /// The last member of a circle to be looked at finds that somebody waits for it already; only then is
    /// the walk worth its reads. It ends after ``Limits/ancestorsMax`` logs.
    func isOwnAncestor(_ row: EventRow) throws -> Bool {
        guard !row.kind.isEffect, try isWaitedFor(row) else { return false }
        var seen: Set<EventSequence> = []
        var next = try row.causes.flatMap(blockers)
        while let log = next.popLast(), seen.count < Limits.ancestorsMax {
            if log == row.sequence { return true }
            guard seen.insert(log).inserted else { continue }
            next += try causes(of: log).flatMap(blockers)
        }
        return false
    }

    /// Whether anybody waits for the log, or for the session or project whose id it brings.
    private func isWaitedFor(_ row: EventRow) throws -> Bool {
        var keys = [
            identity.key(of: EventSequence(rawValue: lanes[row.lane].project), named: .project)
        ]
        if let own = row.reference { keys.append(own) }
        if let session = row.session { keys.append(identity.key(of: session, named: .session)) }
        return try keys.contains(where: isWaitedFor)
    }

    private func isWaitedFor(_ key: ReferenceKey) throws -> Bool {
        statements.waiter.bind(1, key.rawValue)
        defer { statements.waiter.reset() }
        return try statements.waiter.step()
    }

    /// The logs in the queue without which a cause is not there. An id that any of several logs would
    /// bring is blocked by none of them.
    private func blockers(_ cause: Cause) throws -> [EventSequence] {
        switch cause {
        case .reference(let key):
            guard let first = references.first(of: key) else { return [] }
            return references.count(of: key) == 1
                ? [first] : [first] + (try sequences(statements.sharedLogs, key.rawValue))
        case .event(let sequence): return [sequence]
        case .session(let sequence):
            let members = try members(ofSession: sequence)
            return members.count == 1 ? members : []
        case .project(let number):
            let logs = try queuedLogs(ofProject: number)
            return logs.count == 1 ? logs : []
        }
    }

    private func causes(of sequence: EventSequence) throws -> [Cause] {
        statements.eventCauses.bind(1, sequence.rawValue)
        defer { statements.eventCauses.reset() }
        guard try statements.eventCauses.step(), !statements.eventCauses.isNull(0) else {
            return []
        }
        return try statements.eventCauses.blob(0, CauseList.decode)
    }
}

internal import SpoolCore
internal import SpoolSQLite

/// Finding circles: events that name each other would wait for each other for ever.
extension SpoolStore {
    /// What an event waits for: any of these logs, one of which is enough.
    private typealias Need = [EventSequence]

    /// Whether a log that is about to wait would wait for itself, and for ever.
    ///
    /// The last member of a circle to be looked at finds that somebody waits for it already; only then is
    /// the walk worth its reads. It gives up after ``Limits/ancestorsMax`` logs.
    func isOwnAncestor(_ row: EventRow) throws -> Bool {
        guard !row.kind.isEffect, try isWaitedFor(row) else { return false }
        var walk: [(log: EventSequence, needs: [Need])] = []
        var seen: Set<EventSequence> = [row.sequence]
        var next = [row.sequence]
        var meetsItself = false
        while let log = next.popLast() {
            guard walk.count < Limits.ancestorsMax else { return false }
            let causes = log == row.sequence ? row.causes : try causes(of: log)
            let needs = try causes.flatMap(needs)
            walk.append((log, needs))
            for blocker in needs.joined() {
                if blocker == row.sequence { meetsItself = true }
                if seen.insert(blocker).inserted { next.append(blocker) }
            }
        }
        return meetsItself && !Self.canLeave(row.sequence, walk)
    }

    /// Whether a log can leave the queue when each leaves that has no unmet need: where any of several logs
    /// would do, a circle through one of them holds nobody up.
    private static func canLeave(
        _ log: EventSequence, _ walk: [(log: EventSequence, needs: [Need])]
    ) -> Bool {
        var free: Set<EventSequence> = []
        var freed = -1
        while freed != free.count {
            freed = free.count
            // What was met last is needed by what was met before.
            for step in walk.reversed() where !free.contains(step.log) {
                let isFree = step.needs.allSatisfy { $0.contains(where: free.contains) }
                if isFree { free.insert(step.log) }
            }
        }
        return free.contains(log)
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

    /// What in the queue a cause waits for: every log of a name, but any of the logs that would bring the
    /// id of a session or a project.
    private func needs(_ cause: Cause) throws -> [Need] {
        switch cause {
        case .reference(let key):
            guard let first = references.first(of: key) else { return [] }
            guard references.count(of: key) > 1 else { return [[first]] }
            let others = try sharedLogs(of: key, atMost: Limits.ancestorsMax)
            return [[first]] + others.map { [$0] }
        case .event(let sequence): return [[sequence]]
        case .session(let sequence):
            if try upstreamID(of: .session, sequence) != nil { return [] }
            return try need(bringers(ofSession: sequence, atMost: Self.bringersMax))
        case .project(let number):
            if projectIDs[number.rawValue] != nil { return [] }
            return try need(queuedLogs(ofProject: number, atMost: Self.bringersMax))
        }
    }

    /// The need of any of some logs; none where one of them waits for nothing, or where there may be more.
    private func need(_ bringers: [EventSequence]) throws -> [Need] {
        guard !bringers.isEmpty, bringers.count < Self.bringersMax,
            try bringers.allSatisfy({ try !causes(of: $0).isEmpty })
        else { return [] }
        return [bringers]
    }

    /// Logs of one session or project that are looked at; of more, some will get through.
    private static let bringersMax = 100

    private func causes(of sequence: EventSequence) throws -> [Cause] {
        statements.eventCauses.bind(1, sequence.rawValue)
        defer { statements.eventCauses.reset() }
        guard try statements.eventCauses.step(), !statements.eventCauses.isNull(0) else {
            return []
        }
        return try statements.eventCauses.blob(0, CauseList.decode)
    }
}

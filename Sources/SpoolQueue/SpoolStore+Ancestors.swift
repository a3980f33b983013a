internal import SpoolCore
internal import SpoolSQLite

/// Finding circles: events that name each other would wait for each other for ever.
extension SpoolStore {
    /// What an event waits for: any of these logs, one of which is enough.
    private typealias Need = [EventSequence]

    /// Whether a log that is about to wait would wait for itself, and for ever; nil where this transaction
    /// has walked enough, and another has to tell.
    ///
    /// The last member of a circle to be looked at finds that somebody waits for it already; only then is
    /// the walk worth its reads. It gives up after ``Limits/ancestorsMax`` logs, or where they name so many
    /// others that it costs ten times as much. A transaction's first walk is not cut short before, so
    /// that there is always one that comes to its end.
    func isOwnAncestor(_ row: EventRow) throws -> Bool? {
        guard !row.kind.isEffect, !walks.cleared.contains(row.sequence), try isWaitedFor(row) else {
            return false
        }
        let isFirst = walks.steps == 0
        var walk: [(log: EventSequence, needs: [Need])] = []
        var seen: Set<EventSequence> = [row.sequence]
        var next = [row.sequence]
        var meetsItself = false
        while let log = next.popLast() {
            guard walk.count < Limits.ancestorsMax else { return false }
            if walks.steps >= Limits.ancestorsMax {
                guard isFirst else { return nil }
                guard walks.steps < 10 * Limits.ancestorsMax else { return false }
            }
            let causes = log == row.sequence ? row.causes : try causes(of: log)
            let needs = try causes.flatMap(needs)
            walk.append((log, needs))
            walks.steps += 1
            for blocker in needs.joined() where !walks.cleared.contains(blocker) {
                if blocker == row.sequence { meetsItself = true }
                if seen.insert(blocker).inserted { next.append(blocker) }
            }
        }
        let (free, besides) = Self.sort(walk, cleared: walks.cleared)
        walks.cleared.formUnion(free)
        walks.cleared.formUnion(besides)
        return meetsItself && !free.contains(row.sequence)
    }

    /// Of the logs of a whole walk, those that can leave the queue when each leaves that has no unmet need:
    /// where any of several logs would do, a circle through one of them holds nobody up. And those that
    /// stand beside the circles: nobody who is in one waits for them.
    private static func sort(
        _ walk: [(log: EventSequence, needs: [Need])], cleared: Set<EventSequence>
    ) -> (free: Set<EventSequence>, besides: Set<EventSequence>) {
        // By their places in the walk.
        var places: [EventSequence: Int] = [:]
        for (place, step) in walk.enumerated() { places[step.log] = place }
        var unmet = [Int](repeating: 0, count: walk.count)
        var waiters = [Int](repeating: 0, count: walk.count)
        var needers: [Int: [(waiter: Int, need: Int)]] = [:]
        for (place, step) in walk.enumerated() {
            for (need, blockers) in step.needs.enumerated() {
                if !blockers.contains(where: cleared.contains) { unmet[place] += 1 }
                for blocker in blockers.compactMap({ places[$0] }) {
                    waiters[blocker] += 1
                    needers[blocker, default: []].append((place, need))
                }
            }
        }
        var free: Set<EventSequence> = []
        var met = walk.map { $0.needs.map { $0.contains(where: cleared.contains) } }
        var next = walk.indices.filter { unmet[$0] == 0 }
        while let place = next.popLast() {
            free.insert(walk[place].log)
            for (waiter, need) in needers[place, default: []] where !met[waiter][need] {
                met[waiter][need] = true
                unmet[waiter] -= 1
                if unmet[waiter] == 0 { next.append(waiter) }
            }
        }
        var besides: Set<EventSequence> = []
        next = walk.indices.filter { waiters[$0] == 0 }
        while let place = next.popLast() {
            besides.insert(walk[place].log)
            for blocker in walk[place].needs.joined().compactMap({ places[$0] }) {
                waiters[blocker] -= 1
                if waiters[blocker] == 0 { next.append(blocker) }
            }
        }
        return (free, besides)
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
            walks.steps += others.count
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
        walks.steps += bringers.count
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

/// What the walks through ancestors have cost, and what they have shown.
struct AncestorWalks {
    /// Logs that were read in this transaction, or found under a name.
    var steps = 0
    /// Logs that are in no circle that could hold them up, as long as nothing comes or leaves.
    var cleared: Set<EventSequence> = []
}

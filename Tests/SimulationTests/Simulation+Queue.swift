import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolSender

@testable import SpoolQueue

/// The queue's thread: groups of work, each in one transaction, and what befalls them.
extension Simulation {
    /// Adds work to the next group.
    func submit(_ job: SpoolJob) {
        jobs.append(job)
        guard !isCommitPlanned else { return }
        planGroup(upTo: chance(percent: 5) ? .milliseconds(800) : .milliseconds(15))
    }

    /// What befalls a group.
    private enum Fate {
        case commits
        /// The job at this place fails, or the commit behind the last.
        case isRefused(at: Int)
        /// The disk fails, now or later.
        case meets(DiskFault)
        /// The process dies before the job at this place, or before the commit.
        case dies(at: Int)
        /// The power goes before this operation on the files, or before anybody is told.
        case losesPower(at: Int)
        /// The process dies before anybody is told.
        case diesUntold
    }

    private func drawFate(of group: [SpoolJob]) -> Fate {
        if isCalm || spool.isFailing { return .commits }
        let place = Int.random(in: 0...group.count, using: &random)
        if chance(percent: climate.refusedCommits) { return .isRefused(at: place) }
        if chance(percent: climate.diskFaults) { return .meets(DiskFault(using: &random)) }
        guard chance(perMille: climate.crashesInGroups) else { return .commits }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: return .diesUntold
        case 1: return .dies(at: place)
        default: return .losesPower(at: Int.random(in: 1...40, using: &random))
        }
    }

    /// Commits a group: all that waits, or the first of it.
    func commitGroup() throws {
        isCommitPlanned = false
        guard let store = try openedStore() else { return }
        guard !jobs.isEmpty else { return rest(store) }
        let count =
            chance(percent: 70) ? jobs.count : Int.random(in: 1...jobs.count, using: &random)
        let group = Array(jobs.prefix(count))
        jobs.removeFirst(count)
        groups += 1
        let fate = drawFate(of: group)
        note("group \(groups) of \(count): \(fate)", Int64(count))
        spool.room.isFull = !isCalm && (climate.isFull?.contains(time.elapsed) ?? false)
        var deeds: [(answer: SpoolAnswer, losses: Losses)] = []
        let failures = spool.disk.failures
        do {
            if case .meets(let fault) = fate { fail(fault) }
            if case .losesPower(let operation) = fate {
                try spool.cutPower(before: operation, leaving: anyRemains(), seed: random.next())
            }
            try store.begin()
            for (place, job) in group.enumerated() {
                if try isOver(fate, at: place, group) { return }
                let before = store.ledger
                let answer = try perform(job, on: store)
                deeds.append((answer, try Losses(of: store, since: before)))
            }
            if canary == .answersBeforeCommit { try acknowledgeEarly(deeds) }
            if try isOver(fate, at: count, group) { return }
            try spool.mark(groups)
            unclear = UnclearGroup(number: groups, deeds: deeds, at: time.wall)
            try store.commit()
        } catch let error as SQLiteError where spool.disk.failures > failures {
            note("the disk fails: \(error)")
            saw(.diskFailed)
            if !spool.isFailing { spool.mend() }
            return refuse(group, after: error)
        }
        if case .meets = fate, !spool.isFailing { spool.mend() }
        if case .losesPower = fate {
            saw(.powerCutInGroup)
            return try crash(anyPowerCut())
        }
        unclear = nil
        for deed in deeds { try record(deed.answer, deed.losses, at: time.wall) }
        try books.checkBalance(of: store)
        if case .diesUntold = fate {
            saw(.crashBeforeAnswer)
            return try crash()
        }
        for deed in deeds { try tell(deed.answer) }
        rest(store)
        if jobs.isEmpty {
            plan(.upkeep, after: .milliseconds(1))
        } else {
            planGroup(upTo: .milliseconds(15))
        }
    }

    /// Whether a group ends before the job at this place.
    private func isOver(_ fate: Fate, at place: Int, _ group: [SpoolJob]) throws -> Bool {
        switch fate {
        case .isRefused(at: place): refuse(group, after: nil)
        case .dies(at: place):
            saw(.crashInTransaction)
            try crash()
        default: return false
        }
        return true
    }

    private func acknowledgeEarly(_ deeds: [(answer: SpoolAnswer, losses: Losses)]) throws {
        for case .append(.success(let receipt), let events) in deeds.map(\.answer) {
            try acknowledge(receipt, events)
        }
    }

    private func planGroup(upTo most: Duration) {
        guard !isCommitPlanned else { return }
        isCommitPlanned = true
        plan(.commitGroup, after: anyDuration(upTo: most))
    }

    /// The store, made anew where the last group was refused.
    func openedStore() throws -> SpoolStore? {
        guard spool.store == nil, machine != nil else { return spool.store }
        do {
            try spool.open()
        } catch let error as SQLiteError where spool.isFailing {
            note("the disk is still failing: \(error)")
            saw(.diskStillFailing)
            let group = jobs
            jobs = []
            refuse(group, after: nil)
            return nil
        }
        try learnWhatIsOnDisk()
        // What the sender was never told of is taken back; see `ToldLeases`.
        if let told = spool.opening?.leases.ids { books.takeBack(leasesNotIn: told) }
        return spool.store
    }

    private func rest(_ store: SpoolStore) {
        store.rest()
        guard spool.takeRing(), canary != .losesDoorbell else { return }
        plan(.event(.workArrived), after: .zero)
    }

    /// A step of what nobody waits for.
    func upkeep() throws {
        guard jobs.isEmpty, let store = spool.store else { return }
        do {
            let before = store.ledger
            let hasMore = try store.upkeep()
            try record(try Losses(of: store, since: before))
            try books.checkBalance(of: store)
            rest(store)
            if hasMore { plan(.upkeep, after: .milliseconds(1)) }
        } catch let error as SQLiteError where spool.isFailing {
            note("the disk fails: \(error)")
            isUpkeepUnclear = true
            spool.close(after: error)
            planGroup(upTo: .seconds(1))
        }
    }

    // MARK: Jobs

    private func perform(_ job: SpoolJob, on store: SpoolStore) throws -> SpoolAnswer {
        switch job {
        case .append(let submission, let events):
            return .append(try store.append(submission), events)
        case .lease(let wish, let purpose):
            return .lease(try store.lease(wish), purpose)
        case .settle(let settlement):
            let rest = store.remainder(of: settlement)
            let outcome = try rest.map { try settle($0, on: store) } ?? .committed
            return .settle(settlement, try rest.map { try asRecorded($0, in: store) }, outcome)
        case .keep(let notes):
            try store.keep(notes: notes)
            return .kept
        case .recall:
            return .recall(try store.recall())
        case .discard(let sequences):
            return .discard(try store.discard(sequences), sequences)
        case .replay(let filter, let last):
            return .replay(filter, try store.replay(filter, after: last))
        case .replayFollowers(let last, let found):
            return .replayFollowers(try store.replayFollowers(after: last), found: found)
        case .discardDead(let filter, let last):
            return .discardDead(filter, try store.discardDead(filter, after: last))
        }
    }

    /// A log that was found by asking goes back when another log got its name meanwhile, counted.
    private func asRecorded(_ settlement: Settlement, in store: SpoolStore) throws -> Settlement {
        guard !settlement.routeAnswered else { return settlement }
        var recorded = settlement
        let held = try settlement.delivered.filter { delivered in
            try store.connection.integer(
                "SELECT 1 FROM event WHERE sequence = \(delivered.sequence.rawValue)") != nil
        }
        for delivered in held {
            recorded.delivered.removeAll { $0.sequence == delivered.sequence }
            recorded.returned.append(.init(sequence: delivered.sequence))
            recorded.possibleDuplicates += 1
        }
        return recorded
    }

    private func settle(_ settlement: Settlement, on store: SpoolStore) throws -> SettleOutcome {
        guard canary == .keepsDeliveredRows, !settlement.delivered.isEmpty else {
            return try store.settle(settlement)
        }
        let list = settlement.delivered.map { "\($0.sequence.rawValue)" }.joined(separator: ",")
        try store.connection.execute(
            "CREATE TEMP TABLE kept AS SELECT * FROM event WHERE sequence IN (\(list))")
        let outcome = try store.settle(settlement)
        try store.connection.execute("INSERT INTO event SELECT * FROM kept; DROP TABLE kept")
        return outcome
    }

    // MARK: Answers

    private func tell(_ answer: SpoolAnswer) throws {
        switch answer {
        case .append(.success(let receipt), let events):
            try acknowledge(receipt, events)
        case .append(.failure, _), .discard, .kept: break
        case .lease(let answer, let purpose):
            if case .batch(let lease) = answer { spool.opening?.leases.told(lease.id) }
            plan(.event(.leased(answer, purpose)), after: .zero)
        case .settle(let settlement, _, let outcome):
            let isClosed = spool.store?.leases[settlement.lease] == nil
            if isClosed { spool.opening?.leases.closed(settlement.lease) }
            plan(.event(.settled(lease: settlement.lease, outcome)), after: .zero)
        case .recall(var recollection):
            spool.opening?.leases.recalled(recollection.leases.map(\.id))
            if canary == .forgetsLease { recollection.leases = recollection.leases.dropLast() }
            if !recollection.leases.isEmpty { saw(.restartInDoubt) }
            plan(.event(.recalled(recollection)), after: .zero)
        case .replay(let filter, let step):
            submit(
                step.last.map { .replay(filter, after: $0) }
                    ?? .replayFollowers(after: nil, found: 0))
        case .replayFollowers(let step, let found):
            let total = found + step.matches.count
            if let last = step.last {
                submit(.replayFollowers(after: last, found: total))
            } else if total > 0 {
                submit(.replayFollowers(after: nil, found: 0))
            }
        case .discardDead(let filter, let step):
            if let last = step.last { submit(.discardDead(filter, after: last)) }
        }
    }

    private func acknowledge(_ receipt: Receipt, _ events: [AppEvent]) throws {
        for sequence in receipt.sequences where books.entries[sequence] == nil {
            throw Violation("event \(sequence.rawValue) was acknowledged and is not stored")
        }
        let sessions = events.indices.map { place -> EventSequence? in
            guard place < receipt.sessionIDs.count, let id = receipt.sessionIDs[place] else {
                return nil
            }
            return spool.identity.sequence(of: .session, in: id)
        }
        apps.learn(events, receipt.sequences, sessions: sessions)
    }

    /// The group was refused, or the disk says so: the store is thrown away, everybody is told, and the
    /// file is opened again by and by.
    private func refuse(_ group: [SpoolJob], after error: SQLiteError?) {
        saw(.commitRefused)
        spool.close(after: error)
        for job in group {
            switch job {
            case .append, .keep, .discard, .replay, .replayFollowers, .discardDead: break
            case .lease(_, let purpose): plan(.event(.leased(.failing, purpose)), after: .zero)
            case .settle(let settlement):
                plan(.event(.settled(lease: settlement.lease, .failing)), after: .zero)
            case .recall: jobs.append(job)
            }
        }
        planGroup(upTo: spool.isFailing ? .seconds(5) : .milliseconds(15))
    }
}

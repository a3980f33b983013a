import SpoolCore
import SpoolSQLite
import SpoolSender

@testable import SpoolQueue

/// The queue's thread: groups of work, each in one transaction, and what befalls them.
extension Simulation {
    /// Adds work to the next group.
    func submit(_ job: SpoolJob) {
        jobs.append(job)
        guard !isCommitPlanned else { return }
        isCommitPlanned = true
        let slowest = chance(percent: 5) ? Duration.milliseconds(800) : .milliseconds(15)
        plan(.commitGroup, after: anyDuration(upTo: slowest))
    }

    /// What befalls a group.
    private enum Fate: Equatable {
        case commits
        /// The disk refuses the job at this place, or the commit behind the last.
        case isRefused(at: Int)
        /// The commit is durable, and the disk says it is not.
        case isDenied
        /// The process dies before the job at this place, or before the commit.
        case dies(at: Int)
        /// The process dies before anybody is told.
        case diesUntold
    }

    private func drawFate(of group: [SpoolJob]) -> Fate {
        if isCalm { return .commits }
        let place = Int.random(in: 0...group.count, using: &random)
        if chance(percent: climate.refusedCommits) { return .isRefused(at: place) }
        if chance(percent: climate.deniedCommits) { return .isDenied }
        guard chance(perMille: climate.crashesInGroups) else { return .commits }
        return Bool.random(using: &random) ? .diesUntold : .dies(at: place)
    }

    /// Commits a group: all that waits, or the first of it.
    func commitGroup() throws {
        isCommitPlanned = false
        guard !jobs.isEmpty else { return }
        let count =
            chance(percent: 70) ? jobs.count : Int.random(in: 1...jobs.count, using: &random)
        let group = Array(jobs.prefix(count))
        jobs.removeFirst(count)
        let fate = drawFate(of: group)
        note("group of \(count): \(fate)", Int64(count))
        spool.disk.isFull = !isCalm && (climate.isFull?.contains(time.elapsed) ?? false)
        guard let store = try openedStore() else { return }
        try store.begin()
        var answers: [SpoolAnswer] = []
        var losses: [Losses] = []
        for (place, job) in group.enumerated() {
            if fate == .isRefused(at: place) { return refuse(group) }
            if fate == .dies(at: place) { return try dieInGroup(.crashInTransaction) }
            let before = store.ledger
            answers.append(try perform(job, on: store))
            losses.append(try Losses(of: store, since: before))
        }
        if canary == .answersBeforeCommit {
            for case .append(.success(let receipt), let events) in answers where fate != .commits {
                try acknowledge(receipt, events)
            }
        }
        if fate == .isRefused(at: count) { return refuse(group) }
        if fate == .dies(at: count) { return try dieInGroup(.crashInTransaction) }
        try store.commit()
        for (answer, losses) in zip(answers, losses) { try record(answer, losses) }
        try books.checkBalance(of: store)
        if fate == .diesUntold { return try dieInGroup(.crashBeforeAnswer) }
        if fate == .isDenied {
            saw(.commitDenied)
            return refuse(group)
        }
        for answer in answers { try tell(answer) }
        rest(store)
        if jobs.isEmpty {
            plan(.upkeep, after: .milliseconds(1))
        } else if !isCommitPlanned {
            isCommitPlanned = true
            plan(.commitGroup, after: anyDuration(upTo: .milliseconds(15)))
        }
    }

    private func dieInGroup(_ sighting: Sighting) throws {
        saw(sighting)
        try crash()
    }

    /// The store, made anew where the last group was refused.
    func openedStore() throws -> SpoolStore? {
        if spool.store == nil, machine != nil {
            try spool.open()
            // What the sender was never told of is taken back; see `ToldLeases`.
            if let told = spool.opening?.leases.ids { books.takeBack(leasesNotIn: told) }
        }
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
        let hasMore = try store.upkeep()
        try books.checkBalance(of: store)
        rest(store)
        if hasMore { plan(.upkeep, after: .milliseconds(1)) }
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

    // MARK: Truth

    /// Notes what is durable now, whoever is told.
    private func record(_ answer: SpoolAnswer, _ losses: Losses) throws {
        switch answer {
        case .append(.success(let receipt), let events):
            record(events, receipt.sequences)
        case .append(.failure, _): saw(.spoolFull)
        case .lease(let answer, _):
            // What died in this look left the way free for what was leased in it.
            try record(losses)
            guard case .batch(let lease) = answer else {
                return note("nothing to lease: \(answer)")
            }
            let members = lease.events.map { "\($0.sequence.rawValue)" }.joined(separator: " ")
            note("lease \(lease.id) \(lease.route): \(members)", lease.id)
            try books.leased(lease, at: time.instant)
            return sawLease(lease)
        case .settle(_, let done, let outcome):
            if let done { try record(done, outcome) }
        case .kept: saw(.notesKept)
        case .recall(let recollection): try books.checkLeases(recollection.leases)
        case .discard(let outcome, let sequences):
            guard outcome == .discarded else { return }
            for sequence in sequences where books.entries[sequence]?.place == .held {
                note("\(sequence.rawValue) was discarded")
                try books.discarded(sequence)
                saw(.discard)
            }
        case .replay(_, let step), .replayFollowers(let step, _):
            for sequence in step.matches { try books.revived(sequence) }
            if !step.matches.isEmpty { saw(.replay) }
        case .discardDead(_, let step):
            for sequence in step.matches {
                note("\(sequence.rawValue) was dead and is discarded")
                try books.discarded(sequence)
                saw(.discardDead)
            }
        }
        try record(losses)
    }

    private func record(_ events: [AppEvent], _ sequences: [EventSequence]) {
        for (event, sequence) in zip(events, sequences) {
            note(
                "n=\(event.number) \(event.kind) accepted as \(sequence.rawValue): \(event.line ?? "")"
            )
            if !books.accepted(event, sequence, at: time.wall) { saw(.deduplicated) }
        }
    }

    private func record(_ settlement: Settlement, _ outcome: SettleOutcome) throws {
        var settlement = settlement
        if case .withoutRoomForDead(let unburied) = outcome {
            saw(.noRoomForDead)
            settlement.returned += unburied.map { Settlement.Returned(sequence: $0) }
            settlement.dead.removeAll { unburied.contains($0.sequence) }
        }
        try books.settled(settlement, at: time.instant)
        sawSettlement(settlement)
    }

    /// Notes what the queue itself let die, gave up with the log it names, or dropped for want of room.
    private func record(_ losses: Losses) throws {
        if let dead = losses.dead {
            let deaths = dead.filter { books.entries[$0.sequence]?.place == .held }
            for (sequence, reason) in deaths {
                note("\(sequence.rawValue) died by itself: \(reason)")
                saw(reason.sighting)
            }
            try books.died(deaths)
        }
        guard let left = losses.left else { return }
        for letter in books.events(.dead) where !left.contains(letter.sequence) {
            guard climate.queue.deadOnFull == .dropOldest else {
                throw Violation("dead letter \(letter.sequence.rawValue) is gone")
            }
            saw(.deadEvicted)
            try books.discarded(letter.sequence)
        }
        let given = books.events(.held).filter { !left.contains($0.sequence) }
        for entry in given {
            note("\(entry.sequence.rawValue) was given up")
            try books.discarded(entry.sequence)
            saw(.discardDependent)
        }
        let evicts = climate.queue.deadOnFull == .dropOldest
        for entry in given where !books.namesDiscarded(entry) {
            // It died, and made way for the next to die in the same transaction.
            if evicts, books.namesDead(entry) { continue }
            throw Violation("event \(entry.sequence.rawValue) was given up for nothing")
        }
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

    /// The disk has refused, or says so: the store is thrown away, and everybody is told.
    private func refuse(_ group: [SpoolJob]) {
        saw(.commitRefused)
        spool.close()
        for job in group {
            switch job {
            case .append, .keep, .discard, .replay, .replayFollowers, .discardDead: break
            case .lease(_, let purpose): plan(.event(.leased(.failing, purpose)), after: .zero)
            case .settle(let settlement):
                plan(.event(.settled(lease: settlement.lease, .failing)), after: .zero)
            case .recall: jobs.append(job)
            }
        }
        if !jobs.isEmpty, !isCommitPlanned {
            isCommitPlanned = true
            plan(.commitGroup, after: anyDuration(upTo: .milliseconds(15)))
        }
    }
}

import SpoolCore

@testable import SpoolQueue

/// What is durable now, whoever is told: noted in the books, which find what is wrong with it.
extension Simulation {
    /// Notes what is durable now, whoever is told.
    func record(_ answer: SpoolAnswer, _ losses: Losses, at now: Timestamp) throws {
        switch answer {
        case .append(.success(let receipt), let events):
            let new = receipt.sequences.filter { books.entries[$0] == nil }
            try record(events, receipt.sequences, at: now)
            // A repeat may take the place of the very log it repeats, where the oldest is dropped.
            try record(losses)
            return try checkNames(new)
        case .append(.failure(.duplicate), _): saw(.duplicateRefused)
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
            for sequence in step.matches { try books.revived(sequence, at: now) }
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

    private func record(
        _ events: [AppEvent], _ sequences: [EventSequence], at now: Timestamp
    ) throws {
        for (event, sequence) in zip(events, sequences) {
            note(
                "n=\(event.number) \(event.kind) accepted as \(sequence.rawValue): \(event.line ?? "")"
            )
            if !books.accepted(event, sequence, at: now) { saw(.deduplicated) }
        }
    }

    /// Where references are refused that are in use, no accepted log has one.
    private func checkNames(_ new: [EventSequence]) throws {
        guard climate.queue.duplicateReferences == .refuse, let first = new.first else { return }
        for entry in new.compactMap({ books.entries[$0] }) where entry.event.kind.isLog {
            let namesakes = books.logs(named: entry.chain)
            if let other = namesakes.first(where: { $0.place == .held && $0.sequence < first }) {
                throw Violation(
                    "\(entry.sequence.rawValue) has the name of \(other.sequence.rawValue)")
            }
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
    func record(_ losses: Losses) throws {
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
        }
        for entry in given { try checkGivenUp(entry) }
    }

    /// An event that nobody sent was given up for a reason.
    private func checkGivenUp(_ entry: Books.Entry) throws {
        // It died, and made way for the next to die in the same transaction.
        if climate.queue.deadOnFull == .dropOldest, books.namesDead(entry) { return }
        if let lease = entry.lease {
            throw Violation("event \(entry.sequence.rawValue) was given up in lease \(lease)")
        }
        if books.namesDiscarded(entry) { return saw(.discardDependent) }
        if let ageMax = climate.queue.ageMax, time.wall - entry.acceptedAt > ageMax,
            time.instant - startedAt >= ClockWatch.settling
        {
            return saw(.expired)
        }
        let oldest = books.events(.held).first {
            $0.lease == nil && !$0.isRegrouped && !books.holdsUpFlight($0)
        }
        if climate.queue.onFull == .dropOldest,
            oldest.map({ $0.sequence > entry.sequence }) ?? true
        {
            return saw(.droppedOldest)
        }
        throw Violation("event \(entry.sequence.rawValue) was given up for nothing")
    }
}

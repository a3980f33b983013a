internal import SpoolCore

extension SenderMachine {
    /// Hands a settlement to the queue; `remainder` is to be done about what it leaves open.
    mutating func settle(_ settlement: Settlement, then remainder: OpenLease.Remainder) {
        var settlement = settlement
        settlement.calibration = calibrator.takeNews()
        if let kind = leases[settlement.lease]?.kind {
            settlement.possibleDuplicates += takeSentUnproven(kind)
        }
        settlement.notes = takeNotes()
        leases[settlement.lease]?.phase = .settling(settlement, then: remainder)
        actions.append(.settle(settlement))
    }

    /// Logs that were sent again before asking was shown to lie, once that is known: possible duplicates.
    /// Where it was shown to tell the truth, none of them was one.
    private mutating func takeSentUnproven(_ kind: EventKind) -> Int {
        switch settings.inDoubt == .resend ? .resend : calibrator.result {
        case .undecided: return 0
        case .ask: sentUnproven = [:]
        case .resend: break
        }
        return sentUnproven.removeValue(forKey: kind) ?? 0
    }

    /// A doubt that may be resolved at once.
    func freshDoubt() -> OpenLease.Doubt { OpenLease.Doubt(believedAt: now.instant) }

    /// The queue answered a settlement.
    mutating func settled(_ id: Int64, _ outcome: SettleOutcome) {
        guard var open = leases[id], case .settling(let settlement, let remainder) = open.phase
        else {
            preconditionFailure("lease \(id) waits for no settlement")
        }
        guard outcome != .failing else {
            let again = now.instant + Limits.backoffBase
            leases[id]?.phase = .unsettled(settlement, then: remainder, again: again)
            return
        }
        judgeDeaths(settlement, open, outcome)
        for sequence in settlement.delivered.map(\.sequence) + settlement.dead.map(\.sequence) {
            graces.end(of: sequence)
        }
        tally.count(settlement, of: open.kind)
        let gone = Set(settlement.sequences)
        let events = open.lease.events
        open.open.removeAll { gone.contains(events[$0].sequence) }
        open.phase = remainder.phase
        leases[id] = open.open.isEmpty ? nil : open
        refilled()
    }

    /// Deaths for which there was no room park their lanes; deaths for which there was room show that
    /// nothing has to be parked for want of it.
    private mutating func judgeDeaths(
        _ settlement: Settlement, _ open: OpenLease, _ outcome: SettleOutcome
    ) {
        guard !settlement.dead.isEmpty else { return }
        guard case .withoutRoomForDead(let undead) = outcome else {
            return parks.release(.deadLettersFull)
        }
        tally.dead -= undead.count
        let sequences = Set(undead)
        for event in open.lease.events where sequences.contains(event.sequence) {
            lanes.died(event.lane, -1)
            parks.park(
                .lane(event.lane), of: open.lease.route, because: .deadLettersFull, saying: trouble,
                at: now.instant, using: &generator)
        }
    }

    /// Tries the settlements that the disk refused once more.
    mutating func settleAgain() {
        for id in leases.keys.sorted() {
            guard case .unsettled(let settlement, let remainder, let again)? = leases[id]?.phase,
                again <= now.instant
            else { continue }
            leases[id]?.phase = .settling(settlement, then: remainder)
            actions.append(.settle(settlement))
        }
    }
}

extension Settlement {
    /// Puts events back that were surely not applied: into the queue, or, when their company was fixed
    /// by an earlier failure, together again, so that they never meet those they were parted from.
    mutating func giveBack(
        _ sequences: [EventSequence], of lease: Lease, notBefore: Timestamp? = nil
    ) {
        if lease.isRegrouped {
            if !sequences.isEmpty { regrouped.append(sequences) }
        } else {
            returned += sequences.map { Returned(sequence: $0, notBefore: notBefore) }
        }
    }

    /// How many events it moves.
    var count: Int {
        delivered.count + returned.count + regrouped.reduce(0) { $0 + $1.count } + dead.count
    }

    /// Every event it moves.
    var sequences: [EventSequence] {
        delivered.map(\.sequence) + returned.map(\.sequence) + regrouped.flatMap { $0 }
            + dead.map(\.sequence)
    }
}

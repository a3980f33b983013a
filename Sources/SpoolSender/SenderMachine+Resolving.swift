internal import SpoolCore

/// From lease to delivery. Where effects name their log by reference, upstream is asked for the log's id
/// before anything of their lease is sent.
///
/// A reference that upstream does not know sets its effects aside, each to wait by itself; the others
/// of the lease go on without them. An answer that decides nothing ends the round: the lease goes back
/// unsent.
extension SenderMachine {
    /// Takes every lease of which nothing was sent one step further.
    mutating func sendLeases() {
        for id in leases.keys.sorted() {
            guard let open = leases[id], case .resolving(let resolving) = open.phase,
                !resolving.isAsking
            else { continue }
            if life != .running || health.mode(at: now.instant) == .closed {
                giveBackUnsent(open, but: resolving.aside)
            } else if let place = open.nextUnresolved(resolving) {
                resolve(id, open, resolving, at: place)
            } else if resolving.aside.sequences.isEmpty {
                send(id, places: open.open, ids: resolving.ids)
            } else {
                settle(resolving.aside, then: .resolving(.init(of: id, ids: resolving.ids)))
            }
        }
    }

    /// Asks about the log that the event at `place` names. While questions fail, those that need one wait
    /// by themselves, and the others go without them.
    private mutating func resolve(
        _ id: Int64, _ open: OpenLease, _ resolving: OpenLease.Resolving, at place: Int
    ) {
        if let notBefore = asking.notBefore, asking.mustWait(at: now.instant) {
            var resolving = resolving
            let again = now.wall + (notBefore - now.instant)
            resolving.aside.returned += open.unresolved(resolving).map {
                .init(sequence: open.lease.events[$0].sequence, notBefore: again)
            }
            settle(resolving.aside, then: .resolving(.init(of: id, ids: resolving.ids)))
        } else if health.mode(at: now.instant) == .open || exchanges.isEmpty {
            ask(id, resolving, about: open.lease.events[place], at: place)
        }
    }

    /// Gives a lease back whose request has not begun: no attempt is spent, but by the events that were
    /// set `aside`.
    mutating func giveBackUnsent(
        _ open: OpenLease, but aside: Settlement? = nil, notBefore: Timestamp? = nil
    ) {
        var settlement = aside ?? Settlement(lease: open.lease.id)
        let named = Set(settlement.sequences)
        let others = open.open.map { open.lease.events[$0].sequence }
        settlement.giveBack(
            others.filter { !named.contains($0) }, of: open.lease, notBefore: notBefore)
        settle(settlement, then: .inDoubt(freshDoubt()))
    }

    private mutating func ask(
        _ id: Int64, _ resolving: OpenLease.Resolving, about event: LeasedEvent, at place: Int
    ) {
        guard let reference = event.unresolvedReference else {
            preconditionFailure("\(event.kind) \(event.sequence) names no log by reference")
        }
        var resolving = resolving
        resolving.isAsking = true
        leases[id]?.phase = .resolving(resolving)
        tally.questions += 1
        exchange(
            RequestEncoder.question(about: reference, timeout: settings.answerTimeout),
            for: .resolution(lease: id, place: place))
    }

    /// A question about the log that the event at `place` names was answered, or not.
    mutating func resolved(
        _ id: Int64, place: Int, _ outcome: UpstreamOutcome, sentIn stretch: Int
    ) {
        guard let open = leases[id], case .resolving(var resolving) = open.phase,
            let reference = open.lease.events[place].unresolvedReference
        else { preconditionFailure("lease \(id) resolves nothing") }
        resolving.isAsking = false
        // The others that name the same log share its fate, each by its own time.
        let places = open.open.filter {
            open.lease.events[$0].unresolvedReference.map(ExactName.init) == ExactName(reference)
        }
        let findings = places.map {
            finding(outcome, about: reference, for: open.lease.events[$0])
        }
        let isRepeated = open.lease.events[place].attempts > 0
        judgeQuestion(
            outcome, sentIn: stretch, isRepeated: isRepeated, isBelieved: findings[0].isClear)
        if !findings[0].isFound { note(outcome, of: .patchLogByReference) }
        if case .found(let identity) = findings[0] {
            answeredRoutes.insert(.patchLogByReference)
            resolving.ids[ExactName(reference)] = identity.id
            leases[id]?.phase = .resolving(resolving)
            return
        }
        // What is unclear while the destination rests is no event's own trouble.
        let isResting = health.mode(at: now.instant) == .closed
        for (place, finding) in zip(places, findings) where finding != .unclear || !isResting {
            setAside(open.lease.events[place], finding, outcome, in: &resolving.aside)
        }
        if findings.allSatisfy(\.isClear) {
            leases[id]?.phase = .resolving(resolving)
        } else {
            let notBefore = open.open.count == 1 ? afterNextProbe(open) : nil
            giveBackUnsent(open, but: resolving.aside, notBefore: notBefore)
        }
    }

    private func finding(
        _ outcome: UpstreamOutcome, about reference: String, for event: LeasedEvent
    ) -> TargetFinding {
        TargetFinding(
            outcome, reference: reference, to: facts(about: event, by: .patchLogByReference),
            now: now.wall)
    }

    /// Whether an event that should die stays queued, which keeps its lane parked.
    private mutating func prolongsPark(_ event: LeasedEvent) -> Bool {
        guard refusesToDie(event), let entry = parks.entries[.lane(event.lane)] else {
            return false
        }
        parks.park(
            .lane(event.lane), of: entry.route, because: entry.park, saying: trouble,
            at: now.instant, using: &generator)
        return true
    }

    private mutating func setAside(
        _ event: LeasedEvent, _ finding: TargetFinding, _ outcome: UpstreamOutcome,
        in aside: inout Settlement
    ) {
        if finding == .missing { graces.begin(of: event.sequence, at: now.instant) }
        guard finding == .givenUp, !prolongsPark(event) else {
            aside.returned.append(backingOff(event))
            return
        }
        countDeath(of: event, by: event.kind.route)
        aside.dead.append(
            .init(
                sequence: event.sequence, reason: .causeUnknown, status: outcome.status,
                words: UpstreamWords.of(outcome)))
    }
}

extension OpenLease {
    /// What is known of the logs that a lease's events name by reference, before it is sent.
    struct Resolving: Sendable {
        /// Upstream's ids so far, by reference.
        var ids: [ExactName: String]
        /// What becomes of events whose log upstream does not know; settled before the others go.
        var aside: Settlement
        /// Whether a question is under way.
        var isAsking = false

        init(of lease: Int64, ids: [ExactName: String] = [:]) {
            self.ids = ids
            self.aside = Settlement(lease: lease)
        }
    }

    /// The first event whose log has to be asked about.
    fileprivate func nextUnresolved(_ resolving: Resolving) -> Int? {
        unresolved(resolving).first
    }

    /// The events whose logs have to be asked about.
    fileprivate func unresolved(_ resolving: Resolving) -> [Int] {
        let aside = Set(resolving.aside.sequences)
        return open.filter { place in
            guard let reference = lease.events[place].unresolvedReference else { return false }
            return resolving.ids[ExactName(reference)] == nil
                && !aside.contains(lease.events[place].sequence)
        }
    }
}

extension TargetFinding {
    fileprivate var isFound: Bool { if case .found = self { true } else { false } }

    /// Whether the round may go on after it.
    fileprivate var isClear: Bool {
        switch self {
        case .found, .missing, .givenUp: true
        case .failed, .unclear: false
        }
    }
}

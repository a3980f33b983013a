internal import SpoolCore

/// What a delivery's outcome changes: the events of its lease, and with ``SenderMachine`` `+Judging` the
/// destination's health and the parks.
extension SenderMachine {
    mutating func delivered(
        _ id: Int64, places: [Int], _ outcome: UpstreamOutcome, _ request: OpenExchange
    ) {
        guard let open = leases[id], case .sending(let rest) = open.phase else {
            preconditionFailure("lease \(id) is not being sent")
        }
        let first = open.lease.events[places[0]]
        let facts = facts(about: first, by: open.lease.route, count: places.count)
        let verdict = tempered(
            ReplyClassifier.verdict(on: outcome, to: facts, now: now.wall), about: first)
        if !verdict.isYes { note(outcome, of: open.lease.route) }
        // Before the settlement: a probe's event gives way until after the next probe.
        judge(verdict, open, places: places, outcome, request)
        if case .inDoubt(let ambiguity) = verdict {
            doubt(id, ambiguity, rest: rest)
        } else {
            let moved = settlement(verdict, open, places: places, outcome)
            settle(moved, then: .inDoubt(rest ?? freshDoubt()))
        }
    }

    /// What is known about a request that is sent for one event, or for it and `count` - 1 others.
    func facts(about event: LeasedEvent, by route: Route, count: Int = 1) -> RequestFacts {
        RequestFacts(
            route: route, count: count,
            // What upstream itself has given the id of is not unknown to it.
            namesUnknownLog: event.namesUnknownLog && event.unresolvedReference == nil,
            graceIsOver: graces.isOver(of: event.sequence, at: now.instant),
            routeHasAnswered: answeredRoutes.contains(route),
            destinationHasAnswered: !answeredRoutes.isEmpty, isArchive: settings.isArchive,
            acceptsBare2xx: settings.acceptsBare2xx)
    }

    // MARK: Deaths

    /// A refusal of an event whose lane is parked because of refusals keeps it parked, and the event
    /// alive.
    private func tempered(_ verdict: Verdict, about event: LeasedEvent) -> Verdict {
        guard case .refused = verdict, let park = parks.entries[.lane(event.lane)]?.park else {
            return verdict
        }
        return refusesToDie(event) ? .parked(park) : verdict
    }

    /// Whether an event that is refused stays queued, because of its lane's park.
    func refusesToDie(_ event: LeasedEvent) -> Bool {
        guard let entry = parks.entries[.lane(event.lane)] else { return false }
        switch entry.park {
        case .refusing: return true
        // Every other probe finds out whether there is room for the dead again.
        case .deadLettersFull: return !entry.failures.isMultiple(of: 2)
        case .unauthorized, .notAllowed, .misconfigured, .failing: return false
        }
    }

    /// An event dies; too many in a row, and its lane is parked.
    mutating func countDeath(of event: LeasedEvent, by route: Route) {
        guard lanes.died(event.lane) >= Limits.deathsBeforePark else { return }
        parks.park(
            .lane(event.lane), of: route, because: .refusing, saying: trouble, at: now.instant,
            using: &generator)
    }

    // MARK: Events

    private mutating func settlement(
        _ verdict: Verdict, _ open: OpenLease, places: [Int], _ outcome: UpstreamOutcome
    ) -> Settlement {
        var settlement = Settlement(lease: open.lease.id)
        let events = places.map { open.lease.events[$0] }
        let sequences = events.map(\.sequence)
        switch verdict {
        case .delivered(let identities):
            settlement.routeAnswered = true
            settlement.delivered = zip(sequences, identities).map {
                .init(
                    sequence: $0, id: $1.id, projectID: $1.projectID, sessionID: $1.sessionID)
            }
        case .accepted:
            settlement.routeAnswered = true
            settlement.delivered = sequences.map { .init(sequence: $0, id: "", projectID: nil) }
        case .notApplied where outcome.mayBeAboutEvents && events.count == 1:
            settlement.returned = [backingOff(events[0])]
        case .notApplied where outcome.mayBeAboutEvents && parts(open):
            settlement.regrouped = Regrouping.parted(events, by: \.lane)
                .map { $0.map(\.sequence) }
        case .notApplied:
            settlement.giveBack(sequences, of: open.lease)
        case .parked(let park):
            giveBack(events, of: open, because: park, in: &settlement)
        case .tooLarge:
            settlement.regrouped = Regrouping.halves(sequences)
        case .faulty(let places):
            settlement.regrouped = Regrouping.singledOut(events, places: places, by: \.lane)
                .map { $0.map(\.sequence) }
        case .causeMissing:
            for sequence in sequences { graces.begin(of: sequence, at: now.instant) }
            settlement.returned = events.map { backingOff($0) }
        case .refused(let reason):
            let words = UpstreamWords.of(outcome)
            settlement.dead = sequences.map {
                .init(sequence: $0, reason: reason, status: outcome.status, words: words)
            }
        case .inDoubt:
            preconditionFailure("what is in doubt is not settled")
        }
        return settlement
    }

    /// Whether a batch that was not applied is to be parted, in case upstream stumbles over one of its
    /// events. A fresh one, where the destination fails again and again; in a long outage no more, because
    /// what was parted travels in small requests ever after.
    private func parts(_ open: OpenLease) -> Bool {
        open.lease.isRegrouped || (2...Self.partingFailuresMax).contains(health.failures)
    }

    private static let partingFailuresMax = 6

    /// What a park leaves queued. A single event gives way to the next one. Where rights were denied to
    /// several lanes together, each goes on by itself; else the park may be about one event, so that the
    /// batch parts, unless it is the whole destination that is parked.
    private mutating func giveBack(
        _ events: [LeasedEvent], of open: OpenLease, because park: Park,
        in settlement: inout Settlement
    ) {
        let mayBeTheirs =
            health.park == nil && (park == .notAllowed || park == .misconfigured)
        if events.count == 1 {
            settlement.returned = [
                .init(
                    sequence: events[0].sequence, notBefore: afterNextProbe(open),
                    countsAttempt: mayBeTheirs)
            ]
        } else if park == .notAllowed, open.lanes.count > 1 {
            settlement.regrouped = Regrouping.apart(events, by: \.lane).map { $0.map(\.sequence) }
        } else if mayBeTheirs {
            settlement.regrouped = Regrouping.parted(events, by: \.lane)
                .map { $0.map(\.sequence) }
        } else {
            settlement.giveBack(events.map(\.sequence), of: open.lease)
        }
    }

    /// An event that goes back and waits by itself, at least until `earliest`.
    mutating func backingOff(
        _ event: LeasedEvent, until earliest: Timestamp? = nil
    ) -> Settlement.Returned {
        let delay = RetryPolicy.delay(failures: event.attempts + 1, using: &generator)
        let again = now.wall + delay
        return .init(
            sequence: event.sequence, notBefore: max(again, earliest ?? again),
            countsAttempt: true)
    }

    /// When the event that has tried a park in vain may go again, so that each probe takes another.
    func afterNextProbe(_ open: OpenLease) -> Timestamp? {
        let probe: (park: Park, failures: Int, at: Instant)
        if let park = health.park, let until = health.until {
            probe = (park, health.failures, until)
        } else if let entry = parks.entry(for: open.lease.events[0].lane, of: open.lease.route) {
            // Nothing to try with there was only until this event comes back.
            probe = (entry.park, entry.failures, entry.triableAt)
        } else {
            return nil
        }
        let wait = max(probe.at - now.instant, .zero)
        return now.wall + wait + Parks.givesWay(probe.park, failures: probe.failures)
    }

    private mutating func doubt(_ id: Int64, _ ambiguity: Ambiguity, rest: OpenLease.Doubt?) {
        let wait = InDoubt.wait(
            after: ambiguity, inDoubtWait: settings.inDoubtWait,
            answerTimeout: settings.answerTimeout)
        var doubt = rest ?? freshDoubt()
        doubt.believedAt = max(now.instant + wait, doubt.believedAt)
        doubt.resolveAt = doubt.believedAt
        doubt.splits = true
        leases[id]?.phase = .inDoubt(doubt)
        forgetBodies(id)
        // A restart must neither ask sooner, nor bring together what is to part.
        keepAt = now.instant
    }

    // MARK: Status

    /// Remembers what upstream said last when it was not yes.
    mutating func note(_ outcome: UpstreamOutcome, of route: Route) {
        trouble = SenderSnapshot.Trouble(
            at: now.wall, route: route, status: outcome.status, words: UpstreamWords.of(outcome))
    }
}

extension UpstreamOutcome {
    /// The answer's status, where there was one.
    var status: Int? {
        if case .answered(let answer) = self { answer.status } else { nil }
    }

    /// Whether an answer that says "not applied" may be about an event that it came for: it asks for no time,
    /// and speaks of no rate.
    var mayBeAboutEvents: Bool {
        guard case .answered(let answer) = self else { return false }
        return answer.retryAfter == nil && answer.status != 429
    }

    /// What a failure says about the number of requests.
    var pace: Pacer.Failure { status == 429 || status == 503 ? .busy : .failing }

    /// How long the answer asks to be left alone.
    func retryAfter(now: Timestamp) -> Duration? {
        guard case .answered(let answer) = self else { return nil }
        return RetryAfter.delay(answer.retryAfter, now: now)
    }
}

extension Verdict {
    fileprivate var isYes: Bool {
        switch self {
        case .delivered, .accepted: true
        default: false
        }
    }
}

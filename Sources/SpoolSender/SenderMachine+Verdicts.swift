internal import SpoolCore

/// What a delivery's outcome changes: the events of its lease, the destination's health, the parks.
extension SenderMachine {
    mutating func delivered(
        _ id: Int64, places: [Int], _ outcome: UpstreamOutcome, sentIn stretch: Int
    ) {
        guard let open = leases[id], case .sending(let rest) = open.phase else {
            preconditionFailure("lease \(id) is not being sent")
        }
        let first = open.lease.events[places[0]]
        let facts = facts(about: first, by: open.lease.route, count: places.count)
        let verdict = ReplyClassifier.verdict(on: outcome, to: facts, now: now.wall)
        if !verdict.isYes { note(outcome, of: open.lease.route) }
        // Before the settlement: a probe's event gives way until after the next probe.
        judge(verdict, open, places: places, sentIn: stretch)
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
            mayNameUnknownLog: event.namesUnknownLog || event.kind.isEffect,
            graceIsOver: now.wall - event.acceptedAt >= Limits.unknownCauseGrace,
            routeHasAnswered: answeredRoutes.contains(route),
            destinationHasAnswered: !answeredRoutes.isEmpty, isArchive: settings.isArchive)
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
        case .notApplied:
            settlement.giveBack(sequences, of: open.lease)
        case .parked:
            let notBefore = events.count == 1 ? afterNextProbe : nil
            settlement.giveBack(sequences, of: open.lease, notBefore: notBefore)
        case .tooLarge:
            settlement.regrouped = Regrouping.halves(sequences)
        case .faulty(let places):
            settlement.regrouped = Regrouping.singledOut(sequences, places: places)
        case .causeMissing:
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

    /// An event that goes back and waits by itself.
    mutating func backingOff(_ event: LeasedEvent) -> Settlement.Returned {
        let delay = RetryPolicy.delay(failures: event.attempts + 1, using: &generator)
        return .init(sequence: event.sequence, notBefore: now.wall + delay, countsAttempt: true)
    }

    /// When a probe's event may go again, so that each probe of a parked destination takes another.
    var afterNextProbe: Timestamp? {
        guard health.park != nil, let until = health.until else { return nil }
        return now.wall + (until - now.instant) + Limits.backoffBase
    }

    private mutating func doubt(_ id: Int64, _ ambiguity: Ambiguity, rest: OpenLease.Doubt?) {
        let wait = InDoubt.wait(
            after: ambiguity, inDoubtWait: settings.inDoubtWait,
            answerTimeout: settings.answerTimeout)
        var doubt = rest ?? freshDoubt()
        doubt.resolveAt = now.instant + wait
        doubt.splits = doubt.splits || ambiguity.splits
        leases[id]?.phase = .inDoubt(doubt)
    }

    // MARK: Destination

    private mutating func judge(
        _ verdict: Verdict, _ open: OpenLease, places: [Int], sentIn stretch: Int
    ) {
        if verdict != .parked(.notAllowed), !verdict.isSilence { allowedAt = now.instant }
        switch verdict {
        case .delivered:
            health.succeeded(sentIn: stretch)
            pacer.succeeded()
            parks.release(open.lease.route, lanes: open.lanes)
            answeredRoutes.insert(open.lease.route)
            calibrator.delivered(open, places: places, settings: settings, at: now.instant)
        case .notApplied(let retryAfter):
            failed(sentIn: stretch, isDoubtful: false, retryAfter: retryAfter)
        case .tooLarge(.some(let retryAfter)):
            failed(sentIn: stretch, isDoubtful: false, retryAfter: retryAfter)
        case .tooLarge(nil), .faulty, .refused, .causeMissing, .inDoubt(.refusedTogether):
            // A refusal says that upstream works.
            health.answered(sentIn: stretch)
        case .inDoubt(.unusableAnswer):
            if willAsk(open.kind) {
                failed(sentIn: stretch, isDoubtful: true, retryAfter: nil)
            } else {
                park(.misconfigured, open, sentIn: stretch)
            }
        case .inDoubt(.failed), .inDoubt(.lost):
            let event = open.lease.events[places[0]]
            let isAlone = places.count == 1 && event.attempts > 0 && health.failures == 0
            // One event that fails while the others succeed is its own trouble.
            if !isAlone { failed(sentIn: stretch, isDoubtful: true, retryAfter: nil) }
        case .parked(let park):
            self.park(park, open, sentIn: stretch)
        }
    }

    mutating func failed(sentIn stretch: Int, isDoubtful: Bool, retryAfter: Duration?) {
        let isNews = health.failed(
            sentIn: stretch, isDoubtful: isDoubtful, retryAfter: retryAfter, at: now.instant,
            using: &generator)
        if isNews { pacer.failed() }
    }

    private func willAsk(_ kind: EventKind) -> Bool {
        kind.isLog && settings.inDoubt == .ask && calibrator.result == .ask
    }

    private mutating func park(_ park: Park, _ open: OpenLease, sentIn stretch: Int) {
        let isForAll: Bool
        switch park {
        case .unauthorized:
            isForAll = true
        case .notAllowed:
            for lane in open.lanes.sorted() {
                parks.park(
                    .lane(lane), lanes: [lane], because: park, at: now.instant, using: &generator)
            }
            // Every lane tried in the last minute got it.
            isForAll = allowedAt.map { now.instant - $0 > .seconds(60) } ?? true
        case .misconfigured:
            isForAll = answeredRoutes.isEmpty
            if !isForAll {
                parks.park(
                    .route(open.lease.route), lanes: open.lanes, because: park, at: now.instant,
                    using: &generator)
            }
        }
        if isForAll {
            health.park(park, sentIn: stretch, at: now.instant, using: &generator)
        } else {
            health.answered(sentIn: stretch)
        }
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
}

extension Verdict {
    fileprivate var isYes: Bool {
        if case .delivered = self { true } else { false }
    }

    /// Whether it rests on no answer at all, which says nothing about rights.
    fileprivate var isSilence: Bool {
        switch self {
        case .notApplied, .inDoubt(.lost), .inDoubt(.failed): true
        default: false
        }
    }
}

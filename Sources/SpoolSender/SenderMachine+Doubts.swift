internal import SpoolCore

/// The way out of doubt: asking upstream for each reference, or sending again and counting.
extension SenderMachine {
    /// Takes every lease in doubt whose wait is over one step further.
    mutating func resolveDoubts() {
        for id in leases.keys.sorted() {
            guard let open = leases[id], case .inDoubt(let doubt) = open.phase else { continue }
            guard !doubt.isAsking, doubt.resolveAt <= now.instant else { continue }
            resolve(id, open, doubt)
        }
    }

    private mutating func resolve(_ id: Int64, _ open: OpenLease, _ doubt: OpenLease.Doubt) {
        // The events that need no question go back with the others, at the round's end.
        switch wayOut(of: open) {
        case .ask:
            guard let question = nextQuestion(open, doubt) else {
                return conclude(id, open, doubt, open.open)
            }
            if mayAsk { ask(id, question, doubt) }
        case .calibrate where calibrator.needsDelivery:
            tryOne(id, open, doubt)
        case .calibrate:
            // The examination is under way, or waits for its time.
            break
        case .sendAgain:
            conclude(id, open, doubt, open.open)
        }
    }

    /// Only where asking has not proved itself yet may an event in doubt be sent as it is, to prove it; a
    /// few leases' bodies will do for that.
    mutating func forgetBodies(_ id: Int64) {
        let mayTry = settings.inDoubt == .ask && calibrator.result == .undecided
        let kept = leases.values.reduce(0) { $0 + ($1.isInDoubt ? $1.lease.bytes.count : 0) }
        if !mayTry || kept > SenderSettings.doubtBytesMax { leases[id]?.forgetBodies() }
    }

    /// The way out that some event of the lease needs: asking, if any does.
    private func wayOut(of open: OpenLease) -> InDoubt.Resolution {
        for place in open.open {
            let way = resolution(open, place)
            if way.asks { return way }
        }
        return .sendAgain(counted: open.kind != .update)
    }

    /// Nothing delivered yet, or not enough, to show whether asking tells the truth: one event that
    /// upstream says it does not know is sent alone, and asked about again once it was delivered.
    private mutating func tryOne(_ id: Int64, _ open: OpenLease, _ doubt: OpenLease.Doubt) {
        // It is a delivery like others, so a park and a backoff hold it too.
        switch health.mode(at: now.instant) {
        case .open: break
        case .one: guard mayAsk, sending == 0 else { return }
        case .closed: return
        }
        guard !isTrying else { return }
        if doubt.findings.values.contains(.refused) {
            // All of them: while one is left, the lease takes the room of the delivery that is needed.
            conclude(id, open, doubt, open.open)
        } else if let absent = open.open.first(where: { doubt.findings[$0] == .absent }) {
            // Without bodies it can only go back, counted.
            guard open.hasBodies else { return conclude(id, open, doubt, open.open) }
            var rest = doubt
            rest.findings[absent] = nil
            // Upstream may be wrong. Written down before it is sent, to be counted if it is.
            sentUnproven[open.kind, default: 0] += 1
            if let text = takeNotes() { actions.append(.keep(notes: text)) }
            send(id, places: [absent], rest: rest)
        } else if let question = nextQuestion(open, doubt) {
            ask(id, question, doubt)
        } else {
            conclude(id, open, doubt, open.open)
        }
    }

    /// Where every lease is in doubt and no question is answered, no delivery could ever show whose fault
    /// that is: the smallest of them go back, counted, until another may be open.
    mutating func makeRoom() {
        let excess = leases.count - SenderSettings.stuckDoubtsMax + 1
        guard excess > 0, leases.values.allSatisfy(\.isInDoubt),
            health.mode(at: now.instant) != .closed
        else { return }
        var waiting: [(id: Int64, open: OpenLease, doubt: OpenLease.Doubt)] = []
        for (id, open) in leases {
            guard case .inDoubt(let doubt) = open.phase, !doubt.isAsking,
                doubt.believedAt <= now.instant
            else { continue }
            waiting.append((id, open, doubt))
        }
        guard !waiting.isEmpty, calibrator.wantsRoom(at: now.instant) else { return }
        waiting.sort { ($0.open.open.count, $0.id) < ($1.open.open.count, $1.id) }
        for (id, open, doubt) in waiting.prefix(excess) { conclude(id, open, doubt, open.open) }
    }

    /// The next event of a lease that upstream can be asked about.
    private func nextQuestion(
        _ open: OpenLease, _ doubt: OpenLease.Doubt
    ) -> (place: Int, facts: LogFacts)? {
        for place in open.open where doubt.findings[place] == nil {
            guard resolution(open, place).asks, let facts = open.facts(of: place) else { continue }
            return (place, facts)
        }
        return nil
    }

    private func resolution(_ open: OpenLease, _ place: Int) -> InDoubt.Resolution {
        InDoubt.resolution(
            kind: open.kind, isAskable: open.lease.events[place].isAskable,
            policy: settings.inDoubt, calibration: calibrator.result)
    }

    /// Whether a question may go now. While the destination is well, as many as deliveries may, but one at
    /// a time while they fail, because each may hang. Else one at a time, and only when nothing is there to deliver, so that a destination which recovers is met
    /// by one request, and a question that fails holds up no delivery. Under a park, one at a time too.
    var mayAsk: Bool {
        guard !asking.mustWait(at: now.instant) else { return false }
        switch health.mode(at: now.instant) {
        case .open: return questionsAboutDoubts < (asking.failures == 0 ? pacer.limit : 1)
        case .one: return exchanges.isEmpty && !supply.isAsked && (supply.isDry || !hasRoom)
        case .closed: return health.park != nil && questionsAboutDoubts == 0
        }
    }

    /// Questions under way beside the deliveries. One that a delivery waits for has that one's slot.
    var questionsAboutDoubts: Int {
        exchanges.values.count { exchange in
            switch exchange.purpose {
            case .question, .examination: true
            case .delivery, .resolution: false
            }
        }
    }

    /// Whether an event in doubt is being sent alone, or asked about before.
    private var isTrying: Bool {
        exchanges.values.contains { exchange in
            switch exchange.purpose {
            case .question: true
            case .delivery(let lease, _):
                if case .sending(rest: .some)? = leases[lease]?.phase { true } else { false }
            case .resolution, .examination: false
            }
        }
    }

    private mutating func ask(
        _ id: Int64, _ question: (place: Int, facts: LogFacts), _ doubt: OpenLease.Doubt
    ) {
        guard let reference = question.facts.referenceID else {
            preconditionFailure("event \(question.place) of lease \(id) names no reference")
        }
        var doubt = doubt
        doubt.isAsking = true
        leases[id]?.phase = .inDoubt(doubt)
        tally.questions += 1
        exchange(
            RequestEncoder.question(about: reference, timeout: settings.answerTimeout),
            for: .question(lease: id, place: question.place, question.facts))
    }

    /// Refusals in a row of one question before they are believed: some gateway may be in trouble.
    private static let questionRefusalsMin = 6
    /// Questions about one log that may fail in a row: at full backoff, about half an hour of them.
    private static let questionFailuresMax = 60

    /// A question was answered, or not.
    mutating func answered(
        _ id: Int64, place: Int, _ facts: LogFacts, _ outcome: UpstreamOutcome,
        sentIn stretch: Int
    ) {
        guard case .inDoubt(var doubt)? = leases[id]?.phase, let reference = facts.referenceID
        else { preconditionFailure("lease \(id) asks nothing") }
        var finding = Finding(outcome, reference: reference, createdAt: facts.createdTime)
        doubt.isAsking = false
        doubt.refusals = finding == .refused ? doubt.refusals + 1 : 0
        let isBelieved =
            calibrator.meansUnknown(outcome) || doubt.refusals >= Self.questionRefusalsMin
        if finding == .refused, !isBelieved {
            finding = .unclear
        } else if finding == .unclear, doubt.failures >= Self.questionFailuresMax,
            asking.failures == 0 || calibrator.needsDelivery
        {
            // Others have been answered since, so that upstream stumbles over this one; or nothing else
            // is known to ask about.
            finding = .refused
        }
        if finding == .unclear {
            noteQuestion(outcome)
            doubt.failures += 1
            let delay = RetryPolicy.delay(failures: doubt.failures, using: &generator)
            doubt.resolveAt = max(now.instant + delay, doubt.believedAt)
        } else {
            doubt.failures = 0
            doubt.refusals = 0
            doubt.findings[place] = finding
        }
        leases[id]?.phase = .inDoubt(doubt)
        judgeQuestion(
            outcome, sentIn: stretch, isRepeated: doubt.failures > 1, isBelieved: isBelieved)
        if case .arrived = finding {
            answeredRoutes.insert(.patchLogByReference)
            calibrator.learned(reference, settings: settings, at: now.instant)
        }
        // A failed question ends the round; what it found out before is not lost.
        if finding == .unclear || life != .running { concludeKnown(id) }
    }

    /// What a question's outcome says about the destination, and about asking. Only the first failure of
    /// a row speaks against the destination: where questions alone fail, deliveries go on. Nor does one
    /// that has failed before, while others are answered. A refusal that is believed is an answer.
    mutating func judgeQuestion(
        _ outcome: UpstreamOutcome, sentIn stretch: Int, isRepeated: Bool = false,
        isBelieved: Bool = false
    ) {
        let isFirst = asking.failures == 0 && !isRepeated
        let retryAfter = outcome.retryAfter(now: now.wall)
        switch outcome.status {
        case .some(200...299):
            asking.succeeded()
            // A yes ends a park, as every 2xx does.
            if health.park != nil { return health.succeeded(sentIn: stretch) }
            return health.answeredQuestion(sentIn: stretch)
        case 404:
            asking.succeeded()
            return health.answeredQuestion(sentIn: stretch)
        case 401, 407:
            if isFirst {
                noteQuestion(outcome)
                parkTrouble = questionTrouble
                health.park(.unauthorized, sentIn: stretch, at: now.instant, using: &generator)
            }
        case .some(let status) where Finding.isRefusal(status):
            health.answeredQuestion(sentIn: stretch)
            if isBelieved { return asking.succeeded() }
        case nil, 408, 425, 429, .some(500...599):
            if isFirst || retryAfter != nil {
                failed(
                    sentIn: stretch, isDoubtful: false, isQuestion: true, retryAfter: retryAfter,
                    outcome.pace)
            }
        default:
            health.answeredQuestion(sentIn: stretch)
        }
        noteQuestion(outcome)
        asking.failed(retryAfter: retryAfter, at: now.instant, using: &generator)
    }

    // MARK: Conclusions

    /// Settles what has been found out about a lease whose round is over or that is about to stop.
    mutating func concludeKnown(_ id: Int64) {
        guard let open = leases[id], case .inDoubt(let doubt) = open.phase else { return }
        guard !doubt.isAsking, !doubt.findings.isEmpty, calibrator.result == .ask else { return }
        conclude(id, open, doubt, doubt.findings.keys.sorted())
    }

    /// Settles the events at `places`: what arrived is delivered, the others go back, counted unless
    /// upstream surely does not have them. Findings are believed only where asking tells the truth.
    private mutating func conclude(
        _ id: Int64, _ open: OpenLease, _ doubt: OpenLease.Doubt, _ places: [Int]
    ) {
        var settlement = Settlement(lease: id)
        var back: [LeasedEvent] = []
        for place in places {
            let event = open.lease.events[place]
            switch calibrator.result == .ask ? doubt.findings[place] : nil {
            case .arrived(let identity):
                settlement.delivered.append(
                    .init(
                        sequence: event.sequence, id: identity.id,
                        projectID: identity.projectID, sessionID: identity.sessionID))
            case .absent:
                back.append(event)
            case .anotherLog, .refused, .unclear, nil:
                if event.kind != .update { settlement.possibleDuplicates += 1 }
                back.append(event)
            }
        }
        giveBack(back, of: open, splits: doubt.splits, in: &settlement)
        var rest = doubt
        for place in places { rest.findings[place] = nil }
        settle(settlement, then: .inDoubt(rest))
    }

    private mutating func giveBack(
        _ events: [LeasedEvent], of open: OpenLease, splits: Bool, in settlement: inout Settlement
    ) {
        if !splits {
            settlement.giveBack(events.map(\.sequence), of: open.lease)
        } else if open.lease.events.count == 1 {
            settlement.returned = events.map { backingOff($0, until: afterNextProbe(open)) }
        } else {
            settlement.regrouped = Regrouping.afterDoubt(events, of: open.kind, by: \.lane)
                .map { $0.map(\.sequence) }
        }
    }
}

extension InDoubt.Resolution {
    /// Whether upstream has to be asked before anything is decided.
    fileprivate var asks: Bool {
        switch self {
        case .ask, .calibrate: true
        case .sendAgain: false
        }
    }
}

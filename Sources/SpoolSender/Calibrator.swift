internal import SpoolCore

/// When the destination is examined, and what is passed on of it.
struct Calibrator: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How often a destination is examined again: what it does with questions may change.
    static let interval = Duration.seconds(3600)
    /// How soon after a round that found nothing the next one decides, by fresh deliveries.
    static let confirmingInterval = Duration.seconds(600)
    /// How often a delivery is remembered for the next examination while asking works.
    private static let learningInterval = Duration.seconds(60)
    /// How long rounds may decide nothing, while deliveries succeed, before asking is given up.
    static let patience = Duration.seconds(3600)
    /// How often room is made for a delivery where every lease is in doubt and no question is answered.
    static let roomInterval = Duration.seconds(600)
    /// Such rounds that have to follow a delivery each.
    static let servedRoundsMin = 3

    private var examination = Examination(result: .undecided, references: [])
    /// When the next round may begin; nil: not because of time alone.
    private(set) var examineAt: Instant?
    /// Whether a round is under way.
    private(set) var isAsking = false
    /// Whether no round can decide before another delivery is known.
    private(set) var needsDelivery = false
    private var failures = 0
    /// When the first of these failed rounds ended.
    private var unclearSince: Instant?
    /// Those of them that a delivery had gone before, and whether the next one will be such.
    private var servedRounds = 0
    private var isServed = false
    private var learnedAt: Instant?
    /// When room was made for a delivery last.
    private var roomMadeAt: Instant?
    /// A result that no settlement has carried yet.
    private var news: Calibration?

    /// What asking has shown so far.
    var result: Calibration { examination.result }
    /// Whether a question that is refused so means that upstream does not know the log.
    func meansUnknown(_ outcome: UpstreamOutcome) -> Bool {
        examination.statusOfUnknown.map { $0 == outcome.status } ?? false
    }

    /// Takes over what an earlier run has left; the destination is examined at every start.
    mutating func recall(_ recollection: Recollection, at now: Instant) {
        examination = Examination(
            result: recollection.calibration, references: recollection.deliveredReferences)
        examineAt = now
    }

    /// A log was delivered, so that its reference must be known upstream.
    mutating func learned(_ reference: String, settings: SenderSettings, at now: Instant) {
        guard settings.inDoubt == .ask, wants(at: now) else { return }
        learnedAt = now
        examination.learned(reference)
        needsDelivery = false
        if result == .undecided, examineAt == nil { examineAt = now }
    }

    /// A batch was delivered: its last logs are remembered.
    mutating func delivered(
        _ open: OpenLease, places: [Int], settings: SenderSettings, at now: Instant
    ) {
        isServed = true
        guard settings.inDoubt == .ask, wants(at: now), open.kind.isLog else { return }
        for place in places.suffix(Examination.deliveriesMax) {
            guard let reference = open.facts(of: place)?.referenceID else { continue }
            learned(reference, settings: settings, at: now)
        }
    }

    /// Whether another delivery would help. Once asking has been shown to work, a fresh one now and then
    /// is enough.
    private func wants(at now: Instant) -> Bool {
        guard result == .ask, !examination.isSuspicious, let learnedAt else { return true }
        return now - learnedAt >= Self.learningInterval
    }

    /// A round that waits after an unclear one begins at once.
    mutating func resume(at now: Instant) {
        if failures > 0, examineAt != nil { examineAt = now }
    }

    /// Begins a round if one is due.
    mutating func begin(at now: Instant) -> Examination.Question? {
        guard !isAsking, let examineAt, examineAt <= now else { return nil }
        self.examineAt = nil
        guard let question = examination.begin() else {
            needsDelivery = result == .undecided
            if !needsDelivery { self.examineAt = now + Self.interval }
            return nil
        }
        isAsking = true
        return question
    }

    /// Takes the answer to a round's question; returns the next one.
    mutating func take(
        _ outcome: UpstreamOutcome, at now: Instant,
        using generator: inout some RandomNumberGenerator
    ) -> Examination.Question? {
        let before = result
        let progress = examination.take(outcome)
        if case .next(let question) = progress { return question }
        isAsking = false
        if progress == .unclear, failed(at: now) {
            failures += 1
            examineAt = now + RetryPolicy.delay(failures: failures, using: &generator)
            return nil
        }
        failures = 0
        unclearSince = nil
        servedRounds = 0
        switch progress {
        case .next, .decided, .unclear:
            needsDelivery = false
            if result != before { news = result }
            examineAt = now + Self.interval
        case .needsDelivery:
            let knowsMore = examination.references.count == Examination.deliveriesMax
            needsDelivery = !knowsMore && result == .undecided
            let pause = examination.isSuspicious ? Self.confirmingInterval : Self.interval
            examineAt = knowsMore ? now : result == .undecided ? nil : now + pause
        }
        return nil
    }

    /// A round decided nothing. Returns whether to go on asking: where deliveries are answered and
    /// questions never, in-doubt logs would else wait for ever.
    private mutating func failed(at now: Instant) -> Bool {
        if unclearSince == nil { unclearSince = now }
        if isServed { servedRounds += 1 }
        isServed = false
        guard isOutOfPatience(at: now), servedRounds >= Self.servedRoundsMin else { return true }
        examination.giveUp()
        return false
    }

    /// Whether only a delivery is missing to give asking up.
    func isOutOfPatience(at now: Instant) -> Bool {
        unclearSince.map { now - $0 >= Self.patience } ?? false
    }

    /// Whether room is to be made for the delivery that is missing to give asking up.
    mutating func wantsRoom(at now: Instant) -> Bool {
        guard isOutOfPatience(at: now), !isServed else { return false }
        if let roomMadeAt, now - roomMadeAt < Self.roomInterval { return false }
        roomMadeAt = now
        return true
    }

    /// The result, once for every change, to be recorded with the next settlement.
    mutating func takeNews() -> Calibration? {
        defer { news = nil }
        return news
    }
}

extension SenderMachine {
    /// Asks the next question of an examination that is due.
    mutating func examine() {
        guard settings.inDoubt == .ask, mayAsk else { return }
        guard let question = calibrator.begin(at: now.instant) else { return }
        ask(question)
    }

    /// An examination's question was answered, or not.
    mutating func examined(_ outcome: UpstreamOutcome, sentIn stretch: Int) {
        let next = calibrator.take(outcome, at: now.instant, using: &generator)
        // An upstream that can be asked has found a log by this route.
        if calibrator.result == .ask { answeredRoutes.insert(.patchLogByReference) }
        judgeQuestion(outcome, sentIn: stretch, isBelieved: calibrator.meansUnknown(outcome))
        if let next, life == .running { ask(next) }
    }

    private mutating func ask(_ question: Examination.Question) {
        let reference =
            switch question {
            case .delivered(let reference): reference
            case .unused: unusedReference()
            }
        tally.questions += 1
        exchange(
            RequestEncoder.question(about: reference, timeout: settings.answerTimeout),
            for: .examination)
    }

    /// 128 random bits: a reference that nobody ever used.
    private mutating func unusedReference() -> String {
        let high = UInt64.random(in: .min ... .max, using: &generator)
        let low = UInt64.random(in: .min ... .max, using: &generator)
        return "unused-\(String(high, radix: 36))-\(String(low, radix: 36))"
    }
}

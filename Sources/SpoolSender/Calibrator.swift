internal import SpoolCore

/// When the destination is examined, and what is passed on of it.
struct Calibrator: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How often a destination on which asking does not work is examined again.
    static let resendInterval = Duration.seconds(3600)

    private var examination = Examination(result: .undecided, references: [])
    /// When the next round may begin; nil: not because of time alone.
    private(set) var examineAt: Instant?
    /// Whether a round is under way.
    private(set) var isAsking = false
    /// Whether no round can decide before another delivery is known.
    private(set) var needsDelivery = false
    private var failures = 0
    /// A result that no settlement has carried yet.
    private var news: Calibration?

    /// What asking has shown so far.
    var result: Calibration { examination.result }

    /// Takes over what an earlier run has left; the destination is examined at every start.
    mutating func recall(_ recollection: Recollection, at now: Instant) {
        examination = Examination(
            result: recollection.calibration, references: recollection.deliveredReferences)
        examineAt = now
    }

    /// A log was delivered, so that its reference must be known upstream. Of no interest once asking
    /// has been shown to work.
    mutating func learned(_ reference: String, settings: SenderSettings, at now: Instant) {
        guard settings.inDoubt == .ask, result != .ask else { return }
        examination.learned(reference)
        needsDelivery = false
        if result == .undecided, examineAt == nil { examineAt = now }
    }

    /// A batch was delivered: its last logs are remembered.
    mutating func delivered(
        _ open: OpenLease, places: [Int], settings: SenderSettings, at now: Instant
    ) {
        guard settings.inDoubt == .ask, result != .ask, open.kind.isLog else { return }
        for place in places.suffix(Examination.deliveriesMax) {
            guard let reference = open.facts(of: place)?.referenceID else { continue }
            learned(reference, settings: settings, at: now)
        }
    }

    /// Begins a round if one is due.
    mutating func begin(at now: Instant) -> Examination.Question? {
        guard !isAsking, let examineAt, examineAt <= now else { return nil }
        self.examineAt = nil
        guard let question = examination.begin() else {
            needsDelivery = result == .undecided
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
        switch progress {
        case .next, .decided:
            failures = 0
            needsDelivery = false
            if result != before { news = result }
            examineAt = result == .resend ? now + Self.resendInterval : nil
        case .needsDelivery:
            failures = 0
            let knowsMore = examination.references.count == Examination.deliveriesMax
            needsDelivery = !knowsMore && result == .undecided
            examineAt = knowsMore ? now : nil
        case .unclear:
            failures += 1
            examineAt = now + RetryPolicy.delay(failures: failures, using: &generator)
        }
        return nil
    }

    /// How many rounds in a row got no clear answer.
    var isRepeatedlyUnclear: Bool { failures > 1 }

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
        judgeQuestion(outcome, sentIn: stretch, isRepeated: calibrator.isRepeatedlyUnclear)
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

/// Finds out whether asking by reference tells the truth about a destination: a delivered reference must
/// be found, and one that nobody ever used must not.
///
/// Only clear answers decide. *Ask* needs a 200, and then a 404 or three refusals alike. *Resend* needs all of the
/// last three deliveries unknown upstream, or the unused reference answered by a log. Where asking has worked
/// before, three more deliveries must be unknown: somebody may have deleted the first. A question that is
/// refused for good counts as unknown, once three rounds in a row have met that: where `PATCH` is not
/// served, nothing can be asked.
public struct Examination: Equatable, Sendable {
    /// What to ask next.
    public enum Question: Hashable, Sendable {
        /// A reference that was delivered.
        case delivered(String)
        /// A reference nobody ever used.
        case unused
    }

    /// How a round went on after an answer.
    public enum Progress: Hashable, Sendable {
        /// This is the round's next question.
        case next(Question)
        /// The round decided; ``Examination/result`` holds the outcome.
        case decided
        /// Too few deliveries are known to decide: one more is needed.
        case needsDelivery
        /// The answer says nothing: the round is over, another one later.
        case unclear
    }

    /// Deliveries that must all be unknown before asking is given up.
    public static let deliveriesMax = 3

    /// Rounds in a row with refusals before these are believed: some gateway may be in trouble.
    public static let refusedRoundsMin = 3

    /// Refusals of unused references, all alike in one round, before they are taken for "no such log".
    public static let unusedRefusalsMin = 3

    /// What has been shown so far. Stays while a round decides nothing.
    public private(set) var result: Calibration
    /// The refusal by which upstream answered about references that nobody ever used, after it had answered
    /// about one that was delivered: it means that upstream knows no such log.
    public private(set) var statusOfUnknown: Int?
    /// Delivered references, newest first.
    public private(set) var references: [String]
    private var round: [Question] = []
    /// Deliveries of this round that upstream does not know.
    private var misses = 0
    /// Whether some of them were refusals, and the rounds in a row before this one that had such.
    private var isRefused = false
    private var refusedRounds = 0
    /// Whether a round has found nothing where asking had been shown to work.
    public private(set) var isSuspicious = false
    /// How unused references were refused in this round.
    private var unusedRefusals: [Int] = []

    /// Starts from what an earlier run has left.
    ///
    /// - Parameter references: delivered ones, newest first; only the first three are looked at.
    public init(result: Calibration, references: [String]) {
        self.result = result
        self.references = Array(references.prefix(Self.deliveriesMax))
    }

    /// A log with this reference was delivered.
    public mutating func learned(_ reference: String) {
        references.insert(reference, at: 0)
        if references.count > Self.deliveriesMax { references.removeLast() }
    }

    /// The first question of a new round; nil while no delivery is known.
    public mutating func begin() -> Question? {
        round = references.map(Question.delivered)
        misses = 0
        isRefused = false
        unusedRefusals = []
        return round.first
    }

    /// Takes the answer to the question asked last.
    public mutating func take(_ outcome: UpstreamOutcome) -> Progress {
        precondition(!round.isEmpty, "nothing was asked")
        guard case .answered(let answer) = outcome else { return abandon() }
        switch round.removeFirst() {
        case .unused:
            let found = UpstreamIdentity.read(answer.body, for: .patchLogByReference, count: 1)
            switch answer.status {
            case 200 where found != nil: return decide(.resend)
            case 404:
                statusOfUnknown = nil
                return decide(.ask)
            case let status where Finding.isRefusal(status): return refusedUnused(by: status)
            default: return abandon()
            }
        case .delivered(let reference):
            switch Finding(outcome, reference: reference, createdAt: nil) {
            case .absent: return missed()
            case .refused:
                isRefused = true
                return missed()
            case .arrived:
                isSuspicious = false
                round = [.unused]
                return .next(.unused)
            case .anotherLog, .unclear: return abandon()
            }
        }
    }

    /// Questions have gone unanswered for too long while deliveries were answered.
    public mutating func giveUp() { result = .resend }

    /// Each log that is refused so will be sent again and counted: one refusal may have come from a gateway
    /// in trouble.
    private mutating func refusedUnused(by status: Int) -> Progress {
        unusedRefusals.append(status)
        guard Set(unusedRefusals).count == 1 else { return abandon() }
        guard unusedRefusals.count == Self.unusedRefusalsMin else {
            round = [.unused]
            return .next(.unused)
        }
        statusOfUnknown = status
        return decide(.ask)
    }

    private mutating func missed() -> Progress {
        misses += 1
        if let next = round.first { return .next(next) }
        guard misses == Self.deliveriesMax else { return .needsDelivery }
        // They may have been deleted since: fresh deliveries decide.
        if result == .ask, !isRefused, !isSuspicious {
            isSuspicious = true
            references = []
            return .needsDelivery
        }
        refusedRounds = isRefused ? refusedRounds + 1 : 0
        guard !isRefused || refusedRounds == Self.refusedRoundsMin else { return abandon() }
        return decide(.resend)
    }

    private mutating func decide(_ result: Calibration) -> Progress {
        round = []
        refusedRounds = 0
        isSuspicious = false
        self.result = result
        return .decided
    }

    private mutating func abandon() -> Progress {
        round = []
        return .unclear
    }
}

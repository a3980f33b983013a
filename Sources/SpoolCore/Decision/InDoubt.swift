/// What to do about events that may or may not have arrived.
///
/// Upstream has no idempotency key, so sending again may duplicate. A log can be asked about by its
/// `reference_id`; an update may simply be sent again, because it sets the same values; for feedback,
/// sessions and evaluation results there is nothing to ask by, so they are sent again and counted.
public enum InDoubt {
    /// The operator's choice about asking (`in_doubt`).
    public enum Policy: String, Sendable, CaseIterable {
        /// Ask where asking has been shown to work.
        case ask
        /// Always send again and count.
        case resend
    }

    /// What is to be done with one event once its wait is over.
    public enum Resolution: Hashable, Sendable {
        /// Ask upstream for its reference.
        case ask
        /// Back to the queue; `counted` when that may duplicate it.
        case sendAgain(counted: Bool)
        /// Find out first whether asking tells the truth.
        case calibrate
    }

    /// The way out for one event.
    public static func resolution(
        kind: EventKind, isAskable: Bool, policy: Policy, calibration: Calibration
    ) -> Resolution {
        switch kind {
        case .update: return .sendAgain(counted: false)
        case .feedback, .session, .evaluationResult: return .sendAgain(counted: true)
        case .log, .evaluationLog: break
        }
        guard policy == .ask, isAskable else { return .sendAgain(counted: true) }
        switch calibration {
        case .ask: return .ask
        case .resend: return .sendAgain(counted: true)
        case .undecided: return .calibrate
        }
    }

    /// How long after the outcome nothing may be concluded from upstream's not knowing an event: the
    /// request may still lie in a buffer, or, when the answer was late, still be worked on.
    public static func wait(
        after ambiguity: Ambiguity, inDoubtWait: Duration, answerTimeout: Duration
    ) -> Duration {
        ambiguity == .lost(timedOut: true) ? max(answerTimeout, inDoubtWait) : inDoubtWait
    }
}

/// What an accepted event is.
///
/// The raw values are stored in the spool: they are never reused or renumbered.
public enum EventKind: Int, Sendable, CaseIterable {
    /// A log: `POST /logs`.
    case log = 1
    /// A change to a log: `PATCH /logs?reference_id=` or `PATCH /logs/{id}`.
    case update = 2
    /// Feedback on a log: `POST /feedback`.
    case feedback = 3
    /// A session: `POST /sessions`.
    case session = 4
    /// A log made in an evaluation: `POST /evaluations/{evaluation_id}/log`.
    case evaluationLog = 5
    /// A verdict on a log: `POST /evaluations/{evaluation_id}/result`.
    case evaluationResult = 6

    /// Whether the event changes a log that another event creates. Effects on one log go upstream in
    /// the order they were accepted; all else is free of each other.
    public var isEffect: Bool {
        switch self {
        case .update, .feedback, .evaluationResult: true
        case .log, .session, .evaluationLog: false
        }
    }

    /// Whether the event creates a log: it has a reference, and upstream can be asked about it.
    public var isLog: Bool {
        switch self {
        case .log, .evaluationLog: true
        case .update, .feedback, .session, .evaluationResult: false
        }
    }

    /// The operation that carries this kind upstream, unless a draft says otherwise.
    public var route: Route {
        switch self {
        case .log: .postLogs
        case .update: .patchLogByReference
        case .feedback: .postFeedback
        case .session: .postSession
        case .evaluationLog: .postEvaluationLog
        case .evaluationResult: .postEvaluationResult
        }
    }
}

/// An operation of the v4 API that deliveries use.
///
/// The raw values are the rows of the operation table in `docs/api.md`; they are stored in the spool and
/// never renumbered.
public enum Route: Int, Sendable, CaseIterable {
    case postEvaluationLog = 24
    case postEvaluationResult = 25
    case postFeedback = 32
    case postLogs = 36
    case patchLog = 37
    case patchLogByReference = 38
    case postSession = 58

    /// The HTTP method.
    public var method: String {
        switch self {
        case .patchLog, .patchLogByReference: "PATCH"
        case .postEvaluationLog, .postEvaluationResult, .postFeedback, .postLogs, .postSession:
            "POST"
        }
    }

    /// The path below the base URL as the documentation writes it, without a query.
    public var path: String {
        switch self {
        case .postEvaluationLog: "/evaluations/{evaluation_id}/log"
        case .postEvaluationResult: "/evaluations/{evaluation_id}/result"
        case .postFeedback: "/feedback"
        case .postLogs, .patchLogByReference: "/logs"
        case .patchLog: "/logs/{id}"
        case .postSession: "/sessions"
        }
    }

    /// Whether one request may carry an array of events. The others go one by one.
    public var takesArray: Bool { self == .postLogs || self == .postFeedback }
}

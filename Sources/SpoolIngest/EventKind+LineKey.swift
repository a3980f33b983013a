import SpoolCore

extension EventKind {
    /// The key under which a line holds such an event; a session has none.
    var lineKey: String {
        switch self {
        case .log: "log"
        case .feedback: "feedback"
        case .update: "update"
        case .evaluationLog: "evaluation_log"
        case .evaluationResult: "evaluation_result"
        case .session: "session"
        }
    }
}

/// What an accepted event is, and with it the endpoint it travels to.
///
/// The raw values are stored in the spool: they are never reused or renumbered.
public enum EventKind: Int, Sendable, CaseIterable {
    /// A log: `POST /logs`.
    case log = 1
    /// A change to a log: `PATCH /logs?reference_id=`.
    case update = 2
    /// Feedback on a log: `POST /feedback`.
    case feedback = 3

    /// Whether the event changes a log that another event creates. Effects on one log go upstream in
    /// the order they were accepted; logs are free of each other.
    public var isEffect: Bool { self != .log }

    /// The operation that carries this kind upstream.
    public var route: Route {
        switch self {
        case .log: .postLogs
        case .update: .patchLogByReference
        case .feedback: .postFeedback
        }
    }
}

/// An operation of the v4 API that deliveries use.
///
/// The raw values are the rows of the operation table in `docs/api.md`; they are stored in the spool and
/// never renumbered.
public enum Route: Int, Sendable, CaseIterable {
    case postFeedback = 32
    case postLogs = 36
    case patchLogByReference = 38

    /// The HTTP method.
    public var method: String {
        switch self {
        case .postFeedback, .postLogs: "POST"
        case .patchLogByReference: "PATCH"
        }
    }

    /// The path below the base URL, without a query.
    public var path: String {
        switch self {
        case .postFeedback: "/feedback"
        case .postLogs, .patchLogByReference: "/logs"
        }
    }

    /// Whether one request may carry an array of events. The others go one by one.
    public var takesArray: Bool { self != .patchLogByReference }
}

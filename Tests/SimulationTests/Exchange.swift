import SpoolCore

/// A request as upstream reads it.
struct Exchange {
    /// One event in it.
    struct Element {
        /// The object that says what it is; of an evaluation's log the log itself.
        let json: JSONValue
        /// The event's number; nil for what carries none.
        let event: Int?
    }

    /// The operation.
    let route: Route
    /// Whether its body is an array.
    let isArray: Bool
    /// Its events, one for a question.
    let elements: [Element]
    /// The log that its target names.
    let reference: String?
    let logID: String?
    /// Bytes of its body.
    let size: Int
    /// Whether it is an update that changes nothing.
    let isQuestion: Bool
    /// Whether the sender knew whether asking works when it sent it.
    var isCalibrated = true

    /// The numbers of its events.
    var events: [Int] { isQuestion ? [] : elements.compactMap(\.event) }

    /// Reads a request; nil when it is none of the v4 API's.
    init?(_ request: UpstreamRequest) {
        guard let (route, name) = Self.route(of: request) else { return nil }
        self.route = route
        reference = route == .patchLogByReference ? name : nil
        logID = route == .patchLog ? name : nil
        size = request.body.count
        isQuestion = route == .patchLogByReference && request.body == Array("{}".utf8)
        guard route != .postSession else {
            isArray = false
            elements = request.body.isEmpty ? [Element(json: .null, event: nil)] : []
            return
        }
        guard let body = try? JSONValue(parsing: request.body) else { return nil }
        isArray = route.takesArray
        guard let found = isArray ? body.elements : [body], !found.isEmpty else { return nil }
        elements = found.map { json in
            let inner = route == .postEvaluationLog ? json["log"] ?? .null : json
            return Element(json: inner, event: inner["n"]?.intValue)
        }
    }

    private static func route(of request: UpstreamRequest) -> (Route, name: String)? {
        let target = request.target
        switch request.method {
        case "POST" where target == "/logs": return (.postLogs, "")
        case "POST" where target == "/feedback": return (.postFeedback, "")
        case "POST" where target == "/sessions": return (.postSession, "")
        case "POST" where target == "/evaluations/ev_1/log": return (.postEvaluationLog, "")
        case "POST" where target == "/evaluations/ev_1/result": return (.postEvaluationResult, "")
        case "PATCH" where target.hasPrefix("/logs?reference_id="):
            return (.patchLogByReference, String(target.dropFirst("/logs?reference_id=".count)))
        case "PATCH" where target.hasPrefix("/logs/"):
            return (.patchLog, String(target.dropFirst("/logs/".count)))
        default: return nil
        }
    }
}

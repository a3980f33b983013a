/// What a method and a path mean at the door. Every path works at `/` and at `/v4`, and empty
/// segments collapse, because the TypeScript SDK sends `/v4//logs` when its base path ends in a
/// slash.
enum IngestRoute: Equatable {
    /// An operation whose events are spooled.
    case spooled(SpooledOperation)
    /// `GET /logs/{id}`, the id as it came.
    case log(id: String)
    /// `DELETE /logs`
    case deletion
    /// Any other operation of the v4 API.
    case live
    /// `GET /healthz`
    case health
    /// `GET /readyz`
    case readiness
    /// A path that is served, but not with this method; the text lists those that are.
    case otherMethod(allowed: String)
    /// No path of the v4 API.
    case unknown

    /// The first segments of the v4 API's paths.
    private static let firstSegments: Set<Substring> = [
        "chat", "chat-deployed", "chat-model-config", "completion", "completion-deployed",
        "completion-model-config", "datapoints", "datasets", "evaluations", "evaluators",
        "feedback", "logs", "model-configs", "projects", "sessions",
    ]

    /// The meaning of a request line; `path` ends before the `?`.
    init(method: String, path: Substring) {
        var segments = path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }[...]
        if segments.first == "v4" { segments.removeFirst() }
        guard let first = segments.popFirst() else {
            self = .unknown
            return
        }
        switch first {
        case "logs" where segments.isEmpty: self = Self.logs(method)
        case "logs": self = Self.log(segments.joined(separator: "/"), method)
        case "feedback" where segments.isEmpty:
            self = method == "POST" ? .spooled(.feedback) : .otherMethod(allowed: "POST")
        case "sessions" where segments.isEmpty: self = Self.sessions(method)
        case "evaluations": self = Self.evaluations(segments, method)
        case "healthz" where segments.isEmpty: self = Self.reading(.health, method)
        case "readyz" where segments.isEmpty: self = Self.reading(.readiness, method)
        default: self = Self.firstSegments.contains(first) ? .live : .unknown
        }
    }

    private static func logs(_ method: String) -> IngestRoute {
        switch method {
        case "POST": .spooled(.logs)
        case "PATCH": .spooled(.updateByReference)
        case "DELETE": .deletion
        case "GET": .live
        default: .otherMethod(allowed: "GET, POST, PATCH, DELETE")
        }
    }

    private static func log(_ id: String, _ method: String) -> IngestRoute {
        switch method {
        case "GET": .log(id: id)
        case "PATCH": .spooled(.update(id: id))
        default: .otherMethod(allowed: "GET, PATCH")
        }
    }

    private static func sessions(_ method: String) -> IngestRoute {
        switch method {
        case "POST": .spooled(.session)
        case "GET": .live
        default: .otherMethod(allowed: "GET, POST")
        }
    }

    /// The Python SDK leaves a slash in an id as it is: everything up to the last segment is id.
    private static func evaluations(
        _ segments: ArraySlice<Substring>, _ method: String
    ) -> IngestRoute {
        guard segments.count > 1, let last = segments.last, last == "log" || last == "result"
        else { return .live }
        guard method == "POST" else { return .otherMethod(allowed: "POST") }
        let id = segments.dropLast().joined(separator: "/")
        return .spooled(last == "log" ? .evaluationLog(id: id) : .evaluationResult(id: id))
    }

    private static func reading(_ route: IngestRoute, _ method: String) -> IngestRoute {
        method == "GET" || method == "HEAD" ? route : .otherMethod(allowed: "GET, HEAD")
    }
}

/// An operation whose events are spooled. Ids are as they came in the path, not decoded.
enum SpooledOperation: Equatable {
    /// `POST /logs`
    case logs
    /// `POST /feedback`
    case feedback
    /// `PATCH /logs?reference_id=`
    case updateByReference
    /// `PATCH /logs/{id}`
    case update(id: String)
    /// `POST /sessions`
    case session
    /// `POST /evaluations/{evaluation_id}/log`
    case evaluationLog(id: String)
    /// `POST /evaluations/{evaluation_id}/result`
    case evaluationResult(id: String)

    /// The status that the v4 API documents for success.
    var status: Int {
        switch self {
        case .logs, .feedback, .updateByReference, .update: 200
        case .session, .evaluationLog, .evaluationResult: 201
        }
    }

    /// Whether it makes logs, whose delivery a caller may wait for.
    var makesLogs: Bool {
        switch self {
        case .logs, .evaluationLog: true
        case .feedback, .updateByReference, .update, .session, .evaluationResult: false
        }
    }
}

/// What a method and a path mean at the door. Every path works at `/` and at `/v4`, and empty
/// segments collapse, because the TypeScript SDK sends `/v4//logs` when its base path ends in a
/// slash.
enum IngestRoute: Equatable {
    /// `POST /logs`
    case logs
    /// `POST /feedback`
    case feedback
    /// `PATCH /logs?reference_id=`
    case update
    /// `GET /healthz`
    case health
    /// `GET /readyz`
    case readiness
    /// A path that is served, but not with this method; the text lists those that are.
    case otherMethod(allowed: String)
    /// An operation of the v4 API that is not built yet.
    case notBuilt
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
        var segments = path.split(separator: "/")[...]
        if segments.first == "v4" { segments.removeFirst() }
        guard let first = segments.popFirst() else {
            self = .unknown
            return
        }
        switch (first, method) {
        case _ where !segments.isEmpty:
            self = Self.firstSegments.contains(first) ? .notBuilt : .unknown
        case ("logs", "POST"): self = .logs
        case ("logs", "PATCH"): self = .update
        case ("logs", "GET"), ("logs", "DELETE"): self = .notBuilt
        case ("logs", _): self = .otherMethod(allowed: "POST, PATCH")
        case ("feedback", "POST"): self = .feedback
        case ("feedback", _): self = .otherMethod(allowed: "POST")
        case ("healthz", "GET"), ("healthz", "HEAD"): self = .health
        case ("readyz", "GET"), ("readyz", "HEAD"): self = .readiness
        case ("healthz", _), ("readyz", _): self = .otherMethod(allowed: "GET, HEAD")
        default: self = Self.firstSegments.contains(first) ? .notBuilt : .unknown
        }
    }
}

/// What a request asks for, found in a table of all operations of the v4 API.
struct ArchiveRoute {
    /// What the archive does about an operation.
    enum Operation {
        case addLogs
        case addFeedback
        case updateLog
        case updateLogByReference
        case addSession
        case addEvaluationLog
        case addEvaluationResult
        case deleteLogs
        case addProject
        case getLog
        case listLogs
        case getSession
        case listSessions
        case getProject
        case listProjects
        case exportProject
        /// Only the hosted service could do it.
        case elsewhere(Elsewhere)
        /// The v4 API's own documents call it out of service.
        case outOfService
    }

    /// What came of looking a request up.
    enum Lookup {
        case found(ArchiveRoute)
        /// The path is known with these methods only.
        case otherMethods([String])
        case unknownPath
    }

    let operation: Operation
    /// What stands at the path's one placeholder, decoded; empty without one.
    let id: String

    /// Finds the operation of a request. Empty segments collapse, and a leading `v4` is optional:
    /// one SDK asks for `/v4//logs` when its base URL ends in a slash.
    static func find(method: String, path: String) -> Lookup {
        var segments = path.split(separator: "/").map(Substring.init)
        if segments.first == "v4" { segments.removeFirst() }
        var methods: [String] = []
        for row in table {
            guard let id = match(row.path, segments) else { continue }
            if row.method == method {
                return .found(ArchiveRoute(operation: row.operation, id: id))
            }
            methods.append(row.method)
        }
        return methods.isEmpty ? .unknownPath : .otherMethods(methods)
    }

    /// The text at the pattern's last placeholder, if the segments match.
    private static func match(_ pattern: [Substring], _ segments: [Substring]) -> String? {
        guard pattern.count == segments.count else { return nil }
        var id = ""
        for (expected, segment) in zip(pattern, segments) {
            if expected == "{id}" {
                id = ArchiveQuery.decoded(segment, plusIsSpace: false)
            } else if expected != segment {
                return nil
            }
        }
        return id
    }

    // MARK: The table

    /// A method and a path with `{id}` for its placeholders, and what the archive does there.
    typealias Row = (method: String, path: [Substring], operation: Operation)

    private static func row(_ method: String, _ path: String, _ operation: Operation) -> Row {
        (method, path.split(separator: "/"), operation)
    }

    /// All 60 operations. Paths that name a thing come before those with a placeholder in its
    /// place.
    static let table: [Row] = [
        row("POST", "/logs", .addLogs),
        row("PATCH", "/logs", .updateLogByReference),
        row("GET", "/logs", .listLogs),
        row("DELETE", "/logs", .deleteLogs),
        row("GET", "/logs/{id}", .getLog),
        row("PATCH", "/logs/{id}", .updateLog),
        row("POST", "/feedback", .addFeedback),
        row("POST", "/sessions", .addSession),
        row("GET", "/sessions", .listSessions),
        row("GET", "/sessions/{id}", .getSession),
        row("POST", "/evaluations/{id}/log", .addEvaluationLog),
        row("POST", "/evaluations/{id}/result", .addEvaluationResult),

        row("POST", "/chat", .elsewhere(.models)),
        row("POST", "/chat-deployed", .elsewhere(.models)),
        row("POST", "/chat-model-config", .elsewhere(.models)),
        row("POST", "/completion", .elsewhere(.models)),
        row("POST", "/completion-deployed", .elsewhere(.models)),
        row("POST", "/completion-model-config", .elsewhere(.models)),

        row("GET", "/datapoints/{id}", .elsewhere(.datasets)),
        row("DELETE", "/datapoints", .outOfService),
        row("PATCH", "/datapoints/{id}", .outOfService),
        row("GET", "/datasets", .elsewhere(.datasets)),
        row("GET", "/datasets/{id}", .elsewhere(.datasets)),
        row("PATCH", "/datasets/{id}", .elsewhere(.datasets)),
        row("DELETE", "/datasets/{id}", .elsewhere(.datasets)),
        row("GET", "/datasets/{id}/datapoints", .elsewhere(.datasets)),
        row("POST", "/datasets/{id}/datapoints", .elsewhere(.datasets)),
        row("GET", "/evaluations", .elsewhere(.evaluations)),
        row("GET", "/evaluations/{id}", .elsewhere(.evaluations)),
        row("GET", "/evaluations/{id}/datapoints", .elsewhere(.evaluations)),
        row("PATCH", "/evaluations/{id}/evaluators", .elsewhere(.evaluations)),
        row("PATCH", "/evaluations/{id}/status", .elsewhere(.evaluations)),
        row("GET", "/evaluators", .elsewhere(.evaluators)),
        row("POST", "/evaluators", .elsewhere(.evaluators)),
        row("GET", "/evaluators/{id}", .elsewhere(.evaluators)),
        row("PATCH", "/evaluators/{id}", .elsewhere(.evaluators)),
        row("DELETE", "/evaluators/{id}", .elsewhere(.evaluators)),
        row("POST", "/model-configs", .elsewhere(.configs)),
        row("POST", "/model-configs/deserialize", .elsewhere(.configs)),
        row("POST", "/model-configs/serialize", .elsewhere(.configs)),
        row("GET", "/model-configs/{id}", .elsewhere(.configs)),
        row("POST", "/model-configs/{id}/export", .elsewhere(.configs)),
        row("GET", "/projects", .listProjects),
        row("POST", "/projects", .addProject),
        row("GET", "/projects/{id}", .getProject),
        row("PATCH", "/projects/{id}", .elsewhere(.projectChanges)),
        row("DELETE", "/projects/{id}", .elsewhere(.projectChanges)),
        row("GET", "/projects/{id}/active-config", .elsewhere(.deployments)),
        row("DELETE", "/projects/{id}/active-config", .elsewhere(.deployments)),
        row("GET", "/projects/{id}/configs", .elsewhere(.configs)),
        row("GET", "/projects/{id}/datasets", .elsewhere(.datasets)),
        row("POST", "/projects/{id}/datasets", .elsewhere(.datasets)),
        row("PATCH", "/projects/{id}/deploy-config", .elsewhere(.deployments)),
        row("GET", "/projects/{id}/deployed-configs", .elsewhere(.deployments)),
        row("DELETE", "/projects/{id}/deployed-config/{id}", .elsewhere(.deployments)),
        row("GET", "/projects/{id}/evaluations", .elsewhere(.evaluations)),
        row("POST", "/projects/{id}/evaluations", .elsewhere(.evaluations)),
        row("POST", "/projects/{id}/export", .exportProject),
        row("POST", "/projects/{id}/feedback-types", .elsewhere(.feedbackTypes)),
        row("PATCH", "/projects/{id}/feedback-types", .outOfService),
    ]
}

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
        case getLog
        case listLogs
        /// It calls a model provider.
        case needsModel
        /// Not in this archive yet.
        case notBuilt
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

    private typealias Row = (method: String, path: [Substring], operation: Operation)

    private static func row(_ method: String, _ path: String, _ operation: Operation) -> Row {
        (method, path.split(separator: "/"), operation)
    }

    /// Paths that name a thing come before those with a placeholder in its place.
    private static let table: [Row] = [
        row("POST", "/logs", .addLogs),
        row("PATCH", "/logs", .updateLogByReference),
        row("GET", "/logs", .listLogs),
        row("DELETE", "/logs", .notBuilt),
        row("GET", "/logs/{id}", .getLog),
        row("PATCH", "/logs/{id}", .updateLog),
        row("POST", "/feedback", .addFeedback),
        row("POST", "/sessions", .addSession),
        row("GET", "/sessions", .notBuilt),
        row("GET", "/sessions/{id}", .notBuilt),
        row("POST", "/evaluations/{id}/log", .addEvaluationLog),
        row("POST", "/evaluations/{id}/result", .addEvaluationResult),

        row("POST", "/chat", .needsModel),
        row("POST", "/chat-deployed", .needsModel),
        row("POST", "/chat-model-config", .needsModel),
        row("POST", "/completion", .needsModel),
        row("POST", "/completion-deployed", .needsModel),
        row("POST", "/completion-model-config", .needsModel),

        row("GET", "/datapoints/{id}", .notBuilt),
        row("DELETE", "/datapoints", .outOfService),
        row("PATCH", "/datapoints/{id}", .outOfService),
        row("GET", "/datasets", .notBuilt),
        row("GET", "/datasets/{id}", .notBuilt),
        row("PATCH", "/datasets/{id}", .notBuilt),
        row("DELETE", "/datasets/{id}", .notBuilt),
        row("GET", "/datasets/{id}/datapoints", .notBuilt),
        row("POST", "/datasets/{id}/datapoints", .notBuilt),
        row("GET", "/evaluations", .notBuilt),
        row("GET", "/evaluations/{id}", .notBuilt),
        row("GET", "/evaluations/{id}/datapoints", .notBuilt),
        row("PATCH", "/evaluations/{id}/evaluators", .notBuilt),
        row("PATCH", "/evaluations/{id}/status", .notBuilt),
        row("GET", "/evaluators", .notBuilt),
        row("POST", "/evaluators", .notBuilt),
        row("GET", "/evaluators/{id}", .notBuilt),
        row("PATCH", "/evaluators/{id}", .notBuilt),
        row("DELETE", "/evaluators/{id}", .notBuilt),
        row("POST", "/model-configs", .notBuilt),
        row("POST", "/model-configs/deserialize", .notBuilt),
        row("POST", "/model-configs/serialize", .notBuilt),
        row("GET", "/model-configs/{id}", .notBuilt),
        row("POST", "/model-configs/{id}/export", .notBuilt),
        row("GET", "/projects", .notBuilt),
        row("POST", "/projects", .notBuilt),
        row("GET", "/projects/{id}", .notBuilt),
        row("PATCH", "/projects/{id}", .notBuilt),
        row("DELETE", "/projects/{id}", .notBuilt),
        row("GET", "/projects/{id}/active-config", .notBuilt),
        row("DELETE", "/projects/{id}/active-config", .notBuilt),
        row("GET", "/projects/{id}/configs", .notBuilt),
        row("GET", "/projects/{id}/datasets", .notBuilt),
        row("POST", "/projects/{id}/datasets", .notBuilt),
        row("PATCH", "/projects/{id}/deploy-config", .notBuilt),
        row("GET", "/projects/{id}/deployed-configs", .notBuilt),
        row("DELETE", "/projects/{id}/deployed-config/{id}", .notBuilt),
        row("GET", "/projects/{id}/evaluations", .notBuilt),
        row("POST", "/projects/{id}/evaluations", .notBuilt),
        row("POST", "/projects/{id}/export", .notBuilt),
        row("POST", "/projects/{id}/feedback-types", .notBuilt),
        row("PATCH", "/projects/{id}/feedback-types", .outOfService),
    ]
}

// The request bodies of the v4 API that the door accepts, as its OpenAPI document (4.0.1) types
// them.

extension Contract {
    /// LogRequest: `POST /logs`, and `log` in the event stream.
    ///
    /// That one of `project` and `project_id` is given is checked where the default project is
    /// known.
    public static let log = Contract(
        [
            Row("project", .string, role: .project),
            Row("project_id", .string, role: .projectID),
            Row("session_id", .string, role: .session),
            Row("session_reference_id", .string, .name, role: .sessionReference),
            Row("parent_id", .string, role: .parent),
            Row("parent_reference_id", .string, .name, role: .parentReference),
            Row("inputs", .object),
            Row("source", .string),
            Row("metadata", .object),
            Row("save", .boolean),
            Row("source_datapoint_id", .string),
            Row("reference_id", .string, .name, role: .reference),
            Row("messages", .array, strictly: .messages),
            Row("output", .string),
            Row("judgment", [.boolean, .number, .string, .array], strictly: .strings),
            Row("config_id", .string),
            Row("config", .object, strictly: .config),
            Row("environment", .string),
            Row("feedback", [.object, .array], .feedback, role: .feedback),
            Row("created_at", .string, .dateTime, role: .createdAt),
            Row("error", .string),
            Row("stdout", .string),
            Row("duration", .number),
            Row("output_message", .object, strictly: .message),
            Row("prompt_tokens", .integer),
            Row("output_tokens", .integer),
            Row("prompt_cost", .number),
            Row("output_cost", .number),
            Row("provider_request", .object),
            Row("provider_response", .object),
        ],
        [.notBoth(.session, .sessionReference), .notBoth(.parent, .parentReference)])

    /// Feedback inside a log: needs both its type and its value.
    public static let inlineFeedback = Contract([
        Row("type", .string, .required, role: .type, strictly: .feedbackType),
        Row(
            "value", [.boolean, .number, .string, .array], .required, role: .value,
            strictly: .strings),
        Row("data_id", .string, role: .target),
        Row("user", .string),
        Row("created_at", .string, .dateTime),
    ])

    /// FeedbackRequest: `POST /feedback`, and `feedback` in the event stream.
    public static let feedback = Contract(
        [
            Row("type", .string, .required, role: .type, strictly: .feedbackType),
            Row(
                "value", [.boolean, .number, .string, .array], role: .value, strictly: .strings),
            Row("data_id", .string, role: .target),
            Row("user", .string, role: .user),
            Row("created_at", .string, .dateTime, role: .createdAt),
            Row("unset", .boolean, role: .unset),
            Row("reference_id", .string, .name, role: .reference, from: .addition),
        ],
        [.notBoth(.target, .reference, from: .addition)])

    /// UpdateLogRequest: `PATCH /logs/{id}` and `PATCH /logs?reference_id=`.
    public static let update = Contract([
        Row("output", .string, role: .output),
        Row("error", .string, role: .error),
        Row("duration", .number, role: .duration),
    ])

    /// `update` in the event stream: the same body, and what names its log.
    public static let namedUpdate = Contract(
        update.rows + [
            Row("reference_id", .string, .name, role: .reference, from: .addition),
            Row("id", .string, .pathID, role: .id, from: .addition),
        ],
        [
            .oneNeeded(.reference, .id, from: .addition),
            .notBoth(.reference, .id, from: .addition),
        ])

    /// `POST /evaluations/{evaluation_id}/log`.
    public static let evaluationLog = Contract([
        Row("datapoint_id", .string, .required, role: .datapoint),
        Row("log", .object, .log, role: .log),
    ])

    /// `evaluation_log` in the event stream: the same body, and what stands in the request's
    /// target.
    public static let namedEvaluationLog = Contract(evaluationLog.rows + evaluationTarget)

    /// `POST /evaluations/{evaluation_id}/result`. A string is no result here.
    public static let evaluationResult = Contract(
        [
            Row("log_id", .string, role: .target),
            Row("evaluator_id", .string, .required, role: .evaluator),
            Row("result", [.boolean, .number], role: .result),
            Row("error", .string, role: .error),
            Row("reference_id", .string, .name, role: .reference, from: .addition),
        ],
        [
            .oneNeeded(.target, .reference, from: .spec),
            .notBoth(.target, .reference, from: .addition),
            .oneNeeded(.result, .error),
        ])

    /// `evaluation_result` in the event stream: the same body, and what stands in the request's
    /// target.
    public static let namedEvaluationResult = Contract(
        evaluationResult.rows + evaluationTarget, evaluationResult.pairs)

    private static let evaluationTarget = [
        Row("evaluation_id", .string, .requiredPathID, role: .evaluation, from: .addition),
        Row("evaluatee_id", .string, .name, role: .evaluatee, from: .addition),
    ]
}

// The request bodies of the v4 API that the door accepts, as its OpenAPI document (4.0.1) types
// them.

extension Contract {
    /// LogRequest: `POST /logs`, and `log` in the event stream.
    ///
    /// That one of `project` and `project_id` is given is checked where the default project is
    /// known.
    public static let log = Contract(
        [
            Field("project", .string, role: .project),
            Field("project_id", .string, role: .projectID),
            Field("session_id", .string, role: .session),
            Field("session_reference_id", .string, .name, role: .sessionReference),
            Field("parent_id", .string, role: .parent),
            Field("parent_reference_id", .string, .name, role: .parentReference),
            Field("inputs", .object),
            Field("source", .string),
            Field("metadata", .object),
            Field("save", .boolean),
            Field("source_datapoint_id", .string),
            Field("reference_id", .string, .name, role: .reference),
            Field("messages", .array),
            Field("output", .string),
            Field("judgment", [.boolean, .number, .string, .array]),
            Field("config_id", .string),
            Field("config", .object),
            Field("environment", .string),
            Field("feedback", [.object, .array], .feedback, role: .feedback),
            Field("created_at", .string, .dateTime, role: .createdAt),
            Field("error", .string),
            Field("stdout", .string),
            Field("duration", .number),
            Field("output_message", .object),
            Field("prompt_tokens", .integer),
            Field("output_tokens", .integer),
            Field("prompt_cost", .number),
            Field("output_cost", .number),
            Field("provider_request", .object),
            Field("provider_response", .object),
        ],
        [.notBoth(.session, .sessionReference), .notBoth(.parent, .parentReference)])

    /// Feedback inside a log: needs both its type and its value.
    public static let inlineFeedback = Contract([
        Field("type", .string, .required, role: .type),
        Field("value", [.boolean, .number, .string, .array], .required, role: .value),
        Field("data_id", .string, role: .target),
        Field("user", .string),
        Field("created_at", .string, .dateTime),
    ])

    /// FeedbackRequest: `POST /feedback`, and `feedback` in the event stream.
    public static let feedback = Contract(
        [
            Field("type", .string, .required, role: .type),
            Field("value", [.boolean, .number, .string, .array], role: .value),
            Field("data_id", .string, role: .target),
            Field("user", .string, role: .user),
            Field("created_at", .string, .dateTime, role: .createdAt),
            Field("unset", .boolean, role: .unset),
            Field("reference_id", .string, .name, role: .reference, from: .addition),
        ],
        [.notBoth(.target, .reference, from: .addition)])

    /// UpdateLogRequest: `PATCH /logs/{id}` and `PATCH /logs?reference_id=`.
    public static let update = Contract([
        Field("output", .string, role: .output),
        Field("error", .string, role: .error),
        Field("duration", .number, role: .duration),
    ])

    /// `update` in the event stream: the same body, and what names its log.
    public static let namedUpdate = Contract(
        update.fields + [
            Field("reference_id", .string, .name, role: .reference, from: .addition),
            Field("id", .string, .pathID, role: .id, from: .addition),
        ],
        [
            .oneNeeded(.reference, .id, from: .addition),
            .notBoth(.reference, .id, from: .addition),
        ])

    /// `POST /evaluations/{evaluation_id}/log`.
    public static let evaluationLog = Contract([
        Field("datapoint_id", .string, .required, role: .datapoint),
        Field("log", .object, .log, role: .log),
    ])

    /// `evaluation_log` in the event stream: the same body, and what stands in the request's
    /// target.
    public static let namedEvaluationLog = Contract(evaluationLog.fields + evaluationTarget)

    /// `POST /evaluations/{evaluation_id}/result`. A string is no result here.
    public static let evaluationResult = Contract(
        [
            Field("log_id", .string, role: .target),
            Field("evaluator_id", .string, .required, role: .evaluator),
            Field("result", [.boolean, .number], role: .result),
            Field("error", .string, role: .error),
            Field("reference_id", .string, .name, role: .reference, from: .addition),
        ],
        [
            .oneNeeded(.target, .reference, from: .spec),
            .notBoth(.target, .reference, from: .addition),
            .oneNeeded(.result, .error),
        ])

    /// `evaluation_result` in the event stream: the same body, and what stands in the request's
    /// target.
    public static let namedEvaluationResult = Contract(
        evaluationResult.fields + evaluationTarget, evaluationResult.pairs)

    private static let evaluationTarget = [
        Field("evaluation_id", .string, .requiredPathID, role: .evaluation, from: .addition),
        Field("evaluatee_id", .string, .name, role: .evaluatee, from: .addition),
    ]
}

/// The request bodies of the v4 API's ingest operations, as documented.
///
/// Optional members may be `null` everywhere: the API's documents speak of passing none and do not
/// tell the two apart. Members that are not listed are ignored except where an object is closed.
enum V4Contract {
    // MARK: Bodies

    /// `POST /logs`, one element.
    static let log = ObjectShape(
        [
            .optional("project", .string),
            .optional("project_id", .string),
            .optional("session_id", .string),
            .optional("session_reference_id", .string),
            .optional("parent_id", .string),
            .optional("parent_reference_id", .string),
            .optional("inputs", .freeObject),
            .optional("source", .string),
            .optional("metadata", .freeObject),
            .optional("save", .boolean),
            .optional("source_datapoint_id", .string),
            .optional("reference_id", .string),
            .optional("messages", .list(.object(message))),
            .optional("output", .string),
            .optional("judgment", verdict),
            .optional("config_id", .string),
            .optional("config", config),
            .optional("environment", .string),
            .optional("feedback", .either([inlineFeedback, .list(inlineFeedback)])),
            .optional("created_at", .dateTime),
            .optional("error", .string),
            .optional("stdout", .string),
            .optional("duration", .number),
            .optional("output_message", .object(message)),
            .optional("prompt_tokens", .integer),
            .optional("output_tokens", .integer),
            .optional("prompt_cost", .number),
            .optional("output_cost", .number),
            .optional("provider_request", .freeObject),
            .optional("provider_response", .freeObject),
        ],
        rules: [
            .oneNeeded(of: ["project", "project_id"]),
            .notBoth("session_id", "session_reference_id"),
            .notBoth("parent_id", "parent_reference_id"),
        ])

    /// What a log with `save: false` asks not to be kept.
    static let unsavedFields: [StaticString] = [
        "inputs", "messages", "output", "output_message", "provider_request", "provider_response",
    ]

    /// `PATCH /logs/{id}` and `PATCH /logs?reference_id=`. Nothing else can be changed.
    static let update = ObjectShape([
        .optional("output", .string),
        .optional("error", .string),
        .optional("duration", .number),
    ])

    /// `POST /feedback`, one element. The schema leaves `data_id` out; without it there is nothing
    /// to attach to.
    static let feedback = ObjectShape(
        [
            .required("type", .string),
            .optional("value", verdict),
            .required("data_id", .string),
            .optional("user", .string),
            .optional("created_at", .dateTime),
            .optional("unset", .boolean),
        ],
        rules: [.needed("value", unless: "unset")])

    /// `POST /evaluations/{id}/log`.
    static let evaluationLog = ObjectShape([
        .required("datapoint_id", .string),
        .required("log", .object(log)),
    ])

    /// `POST /evaluations/{id}/result`. A string is no result here.
    static let evaluationResult = ObjectShape(
        [
            .required("log_id", .string),
            .required("evaluator_id", .string),
            .optional("result", .either([.boolean, .number])),
            .optional("error", .string),
        ],
        rules: [.oneNeeded(of: ["result", "error"])])

    /// `POST /projects`.
    static let project = ObjectShape([
        .required("name", .string),
        .optional("directory_id", .string),
    ])

    // MARK: Parts of a log

    /// A judgment, or the value of a feedback.
    private static let verdict = Shape.either([.string, .boolean, .number, .list(.string)])

    /// Feedback inside a log: it attaches to that log, and cannot unset anything.
    private static let inlineFeedback = Shape.object(
        ObjectShape([
            .required("type", .string),
            .required("value", verdict),
            .optional("data_id", .string),
            .optional("user", .string),
            .optional("created_at", .dateTime),
        ]))

    private static let message = ObjectShape([
        .required("role", .oneOf(["user", "assistant", "system", "tool"])),
        .optional("content", .either([.string, .list(contentPart)])),
        .optional("name", .string),
        .optional("tool_call_id", .string),
        .optional("tool_calls", .list(.object(toolCall))),
        .optional("tool_call", .object(functionCall)),
    ])

    private static let contentPart = Shape.tagged(
        by: "type", untagged: nil,
        [
            ("text", ObjectShape([.required("text", .string)])),
            ("image_url", ObjectShape([.required("image_url", .object(imageURL))])),
        ])

    private static let imageURL = ObjectShape([
        .required("url", .string),
        .optional("detail", .oneOf(["high", "low", "auto"])),
    ])

    private static let toolCall = ObjectShape([
        .required("id", .string),
        .required("type", .oneOf(["function"])),
        .required("function", .object(functionCall)),
    ])

    /// `arguments` is JSON inside a string.
    private static let functionCall = ObjectShape([
        .required("name", .string),
        .optional("arguments", .string),
    ])

    // MARK: Config

    /// Without a `type` it is a model: the guides leave it out.
    private static let config = Shape.tagged(
        by: "type", untagged: modelConfig, [("model", modelConfig), ("tool", toolConfig)])

    private static let modelConfig = ObjectShape(
        [
            .optional("type", .oneOf(["model"])),
            .optional("name", .string),
            .optional("description", .string),
            .optional("provider", .oneOf(providers)),
            .required("model", .string),
            .optional("max_tokens", .integer),
            .optional("temperature", .number),
            .optional("top_p", .number),
            .optional("stop", .either([.string, .list(.string)])),
            .optional("presence_penalty", .number),
            .optional("frequency_penalty", .number),
            .optional("other", .freeObject),
            .optional("seed", .integer),
            .optional("response_format", .object(responseFormat)),
            .optional("endpoint", .oneOf(["complete", "chat", "edit"])),
            .optional("prompt_template", .string),
            .optional("chat_template", .list(.object(message))),
            .optional("tools", .list(.having("id", linkedTool, otherwise: inlineTool))),
        ], isClosed: true)

    private static let providers: [StaticString] = [
        "openai", "openai_azure", "mock", "anthropic", "bedrock", "cohere", "replicate", "google",
        "groq",
    ]

    private static let responseFormat = ObjectShape([
        .required("type", .oneOf(["json_object", "json_schema"])),
        .optional("json_schema", .freeObject),
    ])

    private static let linkedTool = ObjectShape([
        .required("id", .string),
        .required("source", .oneOf(["organization"])),
        .optional("name", .string),
        .optional("description", .string),
        .optional("parameters", .freeObject),
        .optional("strict", .boolean),
    ])

    private static let inlineTool = ObjectShape(toolFields(source: .string))

    private static let toolConfig = ObjectShape(
        [.required("type", .oneOf(["tool"]))]
            + toolFields(source: .oneOf(["organization", "inline"])))

    private static func toolFields(source: Shape) -> [Field] {
        [
            .required("name", .string),
            .optional("description", .string),
            .optional("parameters", .freeObject),
            .optional("strict", .boolean),
            .optional("source", source),
            .optional("source_code", .string),
            .optional("other", .freeObject),
            .optional("preset_name", .string),
        ]
    }
}

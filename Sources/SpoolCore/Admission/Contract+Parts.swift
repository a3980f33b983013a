// The objects inside a log, as the API's OpenAPI document (4.0.1) describes them. What is free form
// there (`inputs`, `metadata`, `other`, `parameters`, …) has no contract.

extension Contract.Detail {
    /// The feedback types that the document lists. It lets a project have others of its own, which
    /// the door cannot tell from a slip of the pen.
    static let feedbackType = Contract.Detail.listed([
        "rating", "action", "issue", "correction", "comment",
    ])

    /// The elements of a judgment, or of feedback's value, where it is an array.
    static let strings = Contract.Detail.elements(.string)

    /// ChatMessageWithToolCall.
    static let message = Contract.Detail.object(.message)

    /// An array of ChatMessageWithToolCall.
    static let messages = Contract.Detail.elements(.object, message)

    /// ModelConfigRequest or ToolConfigRequest. The guides leave the `type` of a model out.
    static let config = Contract.Detail.byType([("model", .model), ("tool", .tool)])
}

extension Contract {
    fileprivate static let message = Contract([
        Row(
            "role", .string, .required, strictly: .listed(["user", "assistant", "system", "tool"])),
        Row("content", [.string, .array], strictly: .elements(.object, contentPart)),
        Row("name", .string),
        Row("tool_call_id", .string),
        Row("tool_calls", .array, strictly: .elements(.object, .object(toolCall))),
        Row("tool_call", .object, strictly: .object(function)),
    ])

    private static let contentPart = Detail.byType([
        (
            "text",
            Contract([Row("type", .string, .required), Row("text", .string, .required)])
        ),
        (
            "image_url",
            Contract([
                Row("type", .string, .required),
                Row("image_url", .object, .required, strictly: .object(imageURL)),
            ])
        ),
    ])

    private static let imageURL = Contract([
        Row("url", .string, .required),
        Row("detail", .string, strictly: .listed(["high", "low", "auto"])),
    ])

    private static let toolCall = Contract([
        Row("id", .string, .required),
        Row("type", .string, .required, strictly: .listed(["function"])),
        Row("function", .object, .required, strictly: .object(function)),
    ])

    /// `arguments` is JSON inside a string.
    private static let function = Contract([
        Row("name", .string, .required),
        Row("arguments", .string),
    ])

    fileprivate static let model = Contract([
        Row("type", .string, strictly: .listed(["model"])),
        Row("name", .string),
        Row("description", .string),
        Row("provider", .string, strictly: .listed(providers)),
        Row("model", .string, .required),
        Row("max_tokens", .integer),
        Row("temperature", .number),
        Row("top_p", .number),
        Row("stop", [.string, .array], strictly: .strings),
        Row("presence_penalty", .number),
        Row("frequency_penalty", .number),
        Row("other", .object),
        Row("seed", .integer),
        Row("response_format", .object, strictly: .object(responseFormat)),
        Row("endpoint", .string, strictly: .listed(["complete", "chat", "edit"])),
        Row("prompt_template", .string),
        Row("chat_template", .array, strictly: .messages),
        Row("tools", .array, strictly: .elements(.object, modelTool)),
    ])

    private static let providers: [StaticString] = [
        "openai", "openai_azure", "mock", "anthropic", "bedrock", "cohere", "replicate", "google",
        "groq",
    ]

    private static let responseFormat = Contract([
        Row("type", .string, .required, strictly: .listed(["json_object", "json_schema"])),
        Row("json_schema", .object),
    ])

    private static let modelTool = Detail.byID(linkedTool, otherwise: Contract(toolFields()))

    private static let linkedTool = Contract([
        Row("id", .string, .required),
        Row("source", .string, .required, strictly: .listed(["organization"])),
        Row("name", .string),
        Row("description", .string),
        Row("parameters", .object),
        Row("strict", .boolean),
    ])

    fileprivate static let tool = Contract(
        [Row("type", .string, .required)] + toolFields(sources: ["organization", "inline"]))

    /// A tool's fields; inside a model's config any `source` may stand.
    private static func toolFields(sources: [StaticString]? = nil) -> [Row] {
        [
            Row("name", .string, .required),
            Row("description", .string),
            Row("parameters", .object),
            Row("strict", .boolean),
            Row("source", .string, strictly: sources.map(Detail.listed)),
            Row("source_code", .string),
            Row("other", .object),
            Row("preset_name", .string),
        ]
    }
}

import Foundation
import SpoolCore
import Testing

@Suite struct AdmissionContractTests {
    private let door = AdmissionDoor()

    /// One JSON text for each type there is.
    private static let samples: [(type: String, text: String)] = [
        ("string", "\"s\""), ("number", "1.5"), ("integer", "3"), ("boolean", "true"),
        ("object", "{}"), ("array", "[]"),
    ]

    /// The documented bodies, written down a second time: name, types besides null, and the type of
    /// the mistake that another value makes.
    private static let logFields: [(name: String, types: Set<String>, mistake: String)] = [
        ("project", ["string"], "string_type"), ("project_id", ["string"], "string_type"),
        ("session_id", ["string"], "string_type"),
        ("session_reference_id", ["string"], "string_type"),
        ("parent_id", ["string"], "string_type"),
        ("parent_reference_id", ["string"], "string_type"),
        ("inputs", ["object"], "dict_type"), ("source", ["string"], "string_type"),
        ("metadata", ["object"], "dict_type"), ("save", ["boolean"], "bool_type"),
        ("source_datapoint_id", ["string"], "string_type"),
        ("reference_id", ["string"], "string_type"), ("messages", ["array"], "list_type"),
        ("output", ["string"], "string_type"),
        ("judgment", ["boolean", "number", "integer", "string", "array"], "type_error"),
        ("config_id", ["string"], "string_type"), ("config", ["object"], "dict_type"),
        ("environment", ["string"], "string_type"), ("error", ["string"], "string_type"),
        ("stdout", ["string"], "string_type"),
        ("duration", ["number", "integer"], "float_type"),
        ("output_message", ["object"], "dict_type"),
        ("prompt_tokens", ["integer"], "int_type"), ("output_tokens", ["integer"], "int_type"),
        ("prompt_cost", ["number", "integer"], "float_type"),
        ("output_cost", ["number", "integer"], "float_type"),
        ("provider_request", ["object"], "dict_type"),
        ("provider_response", ["object"], "dict_type"),
    ]

    private static let feedbackFields: [(name: String, types: Set<String>, mistake: String)] = [
        ("value", ["boolean", "number", "integer", "string", "array"], "type_error"),
        ("data_id", ["string"], "string_type"), ("user", ["string"], "string_type"),
        ("unset", ["boolean"], "bool_type"), ("reference_id", ["string"], "string_type"),
    ]

    private static let resultFields: [(name: String, types: Set<String>, mistake: String)] = [
        ("result", ["boolean", "number", "integer"], "type_error"),
        ("reference_id", ["string"], "string_type"),
    ]

    private static let updateFields: [(name: String, types: Set<String>, mistake: String)] = [
        ("output", ["string"], "string_type"), ("error", ["string"], "string_type"),
        ("duration", ["number", "integer"], "float_type"),
    ]

    @Test func `every documented field takes its own types and null, and refuses every other`()
        throws
    {
        for field in Self.logFields { try check(.log, field, beside: "") }
        for field in Self.logFields {
            try check(
                .evaluationLog, field, beside: #""datapoint_id":"d","log":{"#, behind: "}",
                within: "log.")
        }
        for field in Self.feedbackFields { try check(.feedback, field, beside: "\"type\":\"t\",") }
        for field in Self.updateFields {
            try check(.update, field, beside: "")
            try check(.updateByID, field, beside: "")
        }
        let named = #""evaluator_id":"f","error":"e","#
        try check(.evaluationResult, Self.resultFields[0], beside: named + #""log_id":"d","#)
        try check(
            .evaluationResult, Self.resultFields[1], beside: named, isNeeded: true)
        try check(
            .evaluationResult, ("error", ["string"], "string_type"),
            beside: #""evaluator_id":"f","log_id":"d","result":1,"#)
    }

    private func check(
        _ kind: AdmissionDoor.Kind, _ field: (name: String, types: Set<String>, mistake: String),
        beside other: String, behind: String = "", within: String = "", isNeeded: Bool = false
    ) throws {
        if !isNeeded {
            #expect(throws: Never.self, "\(field.name): null") {
                try door.accept(kind, "{\(other)\"\(field.name)\":null\(behind)}")
            }
        }
        for sample in Self.samples {
            let body = "{\(other)\"\(field.name)\":\(sample.text)\(behind)}"
            if field.types.contains(sample.type) {
                #expect(throws: Never.self, "\(body)") { try door.accept(kind, body) }
            } else {
                #expect(
                    try door.mistakes(kind, body)
                        == ["body.\(within)\(field.name): \(field.mistake)"],
                    "\(body)")
            }
        }
    }

    @Test func `the table names all 30 fields of a log, and the others' too`() {
        #expect(Contract.log.fields.count == 30)
        let documented = { (contract: Contract) in
            contract.fields.count { $0.source != .addition }
        }
        #expect(documented(.feedback) == 6)
        #expect(documented(.inlineFeedback) == 5)
        #expect(documented(.update) == 3)
        #expect(documented(.namedUpdate) == 3)
        #expect(documented(.evaluationLog) == 2)
        #expect(documented(.evaluationResult) == 4)
        for contract in [
            Contract.log, .feedback, .update, .inlineFeedback, .namedUpdate, .evaluationLog,
            .namedEvaluationLog, .evaluationResult, .namedEvaluationResult,
        ] {
            for field in contract.fields {
                let found = field.name.withUTF8Buffer {
                    contract.field(named: UnsafeRawBufferPointer($0))
                }
                #expect(found?.name.description == field.name.description)
            }
        }
    }

    @Test func `names that are only nearly documented are unknown, and pass`() throws {
        for name in ["", "p", "projec", "projects", "PROJECT", "output ", "metadatb"] {
            let accepted = try door.accept(.log, "{\"\(name)\":[{}]}")
            #expect(accepted.bodies[0].hasSuffix(",\"\(name)\":[{}]}"))
        }
        let long = String(repeating: "x", count: 10_000)
        #expect(throws: Never.self) { try door.accept(.log, "{\"\(long)\":1}") }
    }

    @Test(arguments: ["1", "1.0", "0", "-7", "1e3", "1E400", "123456789012345678901234567890"])
    func `a whole number may be written in any way`(number: String) throws {
        let accepted = try door.accept(.log, "{\"prompt_tokens\":\(number)}")
        #expect(accepted.bodies[0].hasSuffix(",\"prompt_tokens\":\(number)}"))
    }

    @Test func `unlisted enum values and keys of config pass`() throws {
        #expect(throws: Never.self) {
            try door.accept(
                .log,
                """
                {"config":{"type":"soup","provider":"nobody","x":1},
                 "messages":[{"role":"function"},7]}
                """)
        }
        #expect(throws: Never.self) { try door.accept(.feedback, "{\"type\":\"anything\"}") }
    }

    @Test func `keys are compared after decoding their escapes`() throws {
        #expect(
            try door.mistakes(.log, #"{"pro\u006Aect":5}"#) == ["body.project: string_type"])
        #expect(
            try door.mistakes(.log, #"{"project":"a","\u0070roject":"b"}"#)
                == ["body.project: value_error"])
        let accepted = try door.accept(.log, #"{"re\u0066erence_id":"mine","project":"p"}"#)
        #expect(accepted.events[0].reference == door.identity.key(of: "mine", named: .reference))
        #expect(!accepted.events[0].referenceIsMinted)
    }

    @Test func `a key the daemon reads must not occur twice, any other may`() throws {
        let read = [
            "project", "project_id", "session_id", "session_reference_id", "parent_id",
            "parent_reference_id", "reference_id", "created_at",
        ]
        for name in read {
            let value = name == "created_at" ? "\"2026-01-01\"" : "\"v\""
            for pair in [(value, value), ("null", value), (value, "null"), ("null", "null")] {
                let body = "{\"\(name)\":\(pair.0),\"\(name)\":\(pair.1)}"
                #expect(try door.mistakes(.log, body) == ["body.\(name): value_error"], "\(body)")
            }
        }
        #expect(
            try door.mistakes(.log, #"{"feedback":[],"feedback":[]}"#)
                == ["body.feedback: value_error"])
        for name in ["type", "value", "data_id", "user"] {
            let body = "{\"type\":\"t\",\"\(name)\":\"a\",\"\(name)\":\"b\"}"
            #expect(try door.mistakes(.feedback, body).contains("body.\(name): value_error"))
        }
        let body = #"{"output":"a","output":"b","x":1,"x":2,"metadata":{"project":1,"project":2}}"#
        #expect(try door.accept(.log, body).bodies[0].hasSuffix(String(body.dropFirst())))
    }

    @Test func `both sessions or both parents are refused, null counting as absent`() throws {
        #expect(
            try door.mistakes(.log, #"{"session_id":"a","session_reference_id":"b"}"#)
                == ["body.session_reference_id: value_error"])
        #expect(
            try door.mistakes(.log, #"{"parent_reference_id":"a","parent_id":"b"}"#)
                == ["body.parent_reference_id: value_error"])
        #expect(throws: Never.self) {
            try door.accept(
                .log,
                """
                {"session_id":null,"session_reference_id":"b",
                 "parent_id":"a","parent_reference_id":null}
                """
            )
        }
    }

    @Test func `a log that names itself as its parent is refused, however it is written`() throws {
        for body in [
            #"{"reference_id":"a","parent_reference_id":"a"}"#,
            #"{"parent_reference_id":"\u0061","reference_id":"a"}"#,
        ] {
            #expect(try door.mistakes(.log, body) == ["body.parent_reference_id: value_error"])
        }
        #expect(throws: Never.self) {
            try door.accept(.log, #"{"reference_id":"a","parent_reference_id":"b"}"#)
        }
        #expect(throws: Never.self) { try door.accept(.log, #"{"parent_reference_id":"b"}"#) }
    }

    @Test func `a log needs a project, a project id or a default`() throws {
        let strict = AdmissionDoor(defaultProject: nil)
        for body in ["{}", #"{"project":null}"#, #"{"project":null,"project_id":null}"#] {
            #expect(try strict.mistakes(.log, body) == ["body.project: missing"])
        }
        #expect(throws: Never.self) { try strict.accept(.log, #"{"project":"p"}"#) }
        #expect(throws: Never.self) { try strict.accept(.log, #"{"project_id":"pr_1"}"#) }
        #expect(throws: Never.self) { try door.accept(.log, "{}") }
    }

    @Test func `feedback needs a type, and inside a log a value too`() throws {
        #expect(try door.mistakes(.feedback, "{}") == ["body.type: missing"])
        #expect(try door.mistakes(.feedback, #"{"type":null}"#) == ["body.type: missing"])
        #expect(try door.mistakes(.feedback, #"{"type":5}"#) == ["body.type: string_type"])
        #expect(
            try door.mistakes(.log, #"{"feedback":{}}"#)
                == ["body.feedback.type: missing", "body.feedback.value: missing"])
        #expect(
            try door.mistakes(
                .log, #"{"feedback":[{"type":"a","value":1},{"type":"b","value":null},7]}"#)
                == ["body.feedback.1.value: missing", "body.feedback.2: dict_type"])
        #expect(try door.mistakes(.log, #"{"feedback":"good"}"#) == ["body.feedback: type_error"])
        for feedback in ["[]", "null", #"{"type":"a","value":false}"#] {
            #expect(throws: Never.self) { try door.accept(.log, "{\"feedback\":\(feedback)}") }
        }
    }

    @Test func `all mistakes are reported at once, in the order of the text`() throws {
        #expect(
            try door.mistakes(
                .log,
                """
                {"save":"yes","inputs":[],"created_at":"soon","feedback":{"type":1,"value":{}},
                 "parent_id":"a","parent_reference_id":"b"}
                """) == [
                    "body.save: bool_type", "body.inputs: dict_type",
                    "body.created_at: datetime_parsing", "body.feedback.type: string_type",
                    "body.feedback.value: type_error", "body.parent_reference_id: value_error",
                ])
    }

    @Test(arguments: [
        ("\"x\"", "a string"), ("7", "a number"), ("true", "a boolean"), ("null", "null"),
    ])
    func `a body of another shape is refused`(text: String, name: String) throws {
        // A session has no body, and null says as much.
        for kind in AdmissionDoor.Kind.allCases where kind != .session || text != "null" {
            let refusal = try door.refusal(kind, text)
            #expect(try AdmissionDoor.listed(refusal.body) == ["body: dict_type"])
            let words = String(decoding: refusal.body, as: UTF8.self)
            #expect(words.contains("got \(name)"))
        }
        #expect(try door.mistakes(.update, "[{}]") == ["body: dict_type"])
        #expect(try door.mistakes(.log, "[[{}]]") == ["body.0: dict_type"])
    }

    @Test func `what is not JSON is 400 and names the byte, whatever mistakes stand before it`()
        throws
    {
        let cases: [(body: [UInt8], words: String)] = [
            ([], "empty"), (Array("{".utf8), "byte 1"), (Array("{\"save\":1,}".utf8), "byte 10"),
            (Array("{} x".utf8), "byte 3"), ([0xEF, 0xBB, 0xBF, 0x7B, 0x7D], "byte order mark"),
            (Array("{\"a\":\"".utf8) + [0xFF, 0x22, 0x7D], "byte 6"),
            (Array("{\"a\":01}".utf8), "byte 6"), (Array("[{},]".utf8), "byte 4"),
            (Array(String(repeating: "[", count: 100_000).utf8), "too deeply"),
        ]
        for (body, words) in cases {
            let refusal = try door.refusal(.log, body)
            #expect(refusal.status == 400)
            let detail = try JSONValue(parsing: refusal.body)["detail"]?.stringValue
            #expect(detail?.contains(words) == true, "\(detail ?? "") lacks \(words)")
        }
    }

    @Test func `an event may be nested 64 deep, alone and in an array, and no deeper`() throws {
        let deep = nested(64)
        #expect(throws: Never.self) { try door.accept(.log, deep) }
        #expect(throws: Never.self) { try door.accept(.log, "[\(deep)]") }
        #expect(throws: Never.self) { try door.accept(.update, deep) }
        #expect(try door.refusal(.update, nested(65)).status == 400)
        #expect(try door.refusal(.log, "[\(nested(65))]").status == 400)
        #expect(try door.refusal(.log, nested(65)).status == 400)
    }

    private func nested(_ depth: Int) -> String {
        "{\"x\":" + String(repeating: "[", count: depth - 1)
            + String(repeating: "]", count: depth - 1) + "}"
    }
}

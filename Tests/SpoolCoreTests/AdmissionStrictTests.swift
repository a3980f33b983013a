import Foundation
import SpoolCore
import Testing

/// `validation: strict`: what the API's documents do not list is refused too.
@Suite struct AdmissionStrictTests {
    private let strict = AdmissionDoor(validation: .strict)
    private let lenient = AdmissionDoor()

    /// Each is one mistake under strict validation, and none under lenient.
    private static let cases: [(kind: AdmissionDoor.Kind, body: String, mistake: String)] = [
        (.log, #"{"outptu":"x"}"#, "body.outptu: extra_forbidden"),
        (.log, #"[{},{"id":"data_1"}]"#, "body.1.id: extra_forbidden"),
        (.log, #"{"\u0075ser":1}"#, "body.user: extra_forbidden"),
        (.feedback, #"{"type":"ratign","value":"good"}"#, "body.type: enum"),
        (.feedback, #"[{"type":"rating"},{"type":"Rating"}]"#, "body.1.type: enum"),
        (.feedback, #"{"type":"issue","value":["a",1]}"#, "body.value.1: string_type"),
        (.feedback, #"{"type":"issue","value":[null]}"#, "body.value.0: string_type"),
        (.feedback, #"{"type":"issue","log_id":"data_1"}"#, "body.log_id: extra_forbidden"),
        (.log, #"{"feedback":{"type":"x","value":1}}"#, "body.feedback.type: enum"),
        (
            .log, #"{"feedback":[{"type":"issue","value":1,"unset":true}]}"#,
            "body.feedback.0.unset: extra_forbidden"
        ),
        (.update, #"{"metadata":{}}"#, "body.metadata: extra_forbidden"),
        (.updateByID, #"{"reference_id":"r"}"#, "body.reference_id: extra_forbidden"),
        (
            .evaluationLog, #"{"datapoint_id":"d","log":{"usr":"x"}}"#,
            "body.log.usr: extra_forbidden"
        ),
        (
            .evaluationLog, #"{"datapoint_id":"d","log":{},"evaluation_id":"e"}"#,
            "body.evaluation_id: extra_forbidden"
        ),
        (
            .evaluationResult, #"{"log_id":"d","evaluator_id":"f","result":1,"value":1}"#,
            "body.value: extra_forbidden"
        ),
        (.log, #"{"judgment":[true]}"#, "body.judgment.0: string_type"),
    ]

    /// The same for what stands inside a log: a member of the log, and where it is wrong.
    private static let parts: [(member: String, mistake: String)] = [
        (#""messages":[7]"#, "messages.0: dict_type"),
        (#""messages":[{"role":"user"},{"role":"function"}]"#, "messages.1.role: enum"),
        (#""messages":[{"content":"x"}]"#, "messages.0.role: missing"),
        (#""messages":[{"role":"user","x":1}]"#, "messages.0.x: extra_forbidden"),
        (#""messages":[{"role":"user","content":7}]"#, "messages.0.content: type_error"),
        (
            #""messages":[{"role":"user","content":[{"type":"audio"}]}]"#,
            "messages.0.content.0.type: enum"
        ),
        (
            #""messages":[{"role":"user","content":[{"type":"text"}]}]"#,
            "messages.0.content.0.text: missing"
        ),
        (
            """
            "messages":[{"role":"user","content":[\
            {"type":"image_url","image_url":{"url":"u","detail":"sharp"}}]}]
            """, "messages.0.content.0.image_url.detail: enum"
        ),
        (
            #""messages":[{"role":"tool","tool_calls":[{"id":"i","type":"x","function":{"name":"f"}}]}]"#,
            "messages.0.tool_calls.0.type: enum"
        ),
        (
            #""output_message":{"role":"assistant","tool_call":{"name":"f","arguments":{}}}"#,
            "output_message.tool_call.arguments: string_type"
        ),
        (#""config":{"type":"soup"}"#, "config.type: enum"),
        (#""config":{"type":"generic","id":"x"}"#, "config.type: enum"),
        (#""config":{"type":"model"}"#, "config.model: missing"),
        (#""config":{"model":"m","provider":"nobody"}"#, "config.provider: enum"),
        (#""config":{"model":"m","temprature":1}"#, "config.temprature: extra_forbidden"),
        (#""config":{"model":"m","max_tokens":1.5}"#, "config.max_tokens: int_type"),
        (#""config":{"model":"m","stop":["a",null]}"#, "config.stop.1: string_type"),
        (
            #""config":{"model":"m","response_format":{"type":"text"}}"#,
            "config.response_format.type: enum"
        ),
        (
            #""config":{"model":"m","chat_template":[{"role":"robot"}]}"#,
            "config.chat_template.0.role: enum"
        ),
        (
            #""config":{"model":"m","tools":[{"id":"oc_1","source":"inline"}]}"#,
            "config.tools.0.source: enum"
        ),
        (#""config":{"model":"m","tools":[{"description":"d"}]}"#, "config.tools.0.name: missing"),
        (#""config":{"type":"tool","name":"n","source":"here"}"#, "config.source: enum"),
        (#""config":{"type":"tool","name":"n","model":"m"}"#, "config.model: extra_forbidden"),
    ]

    @Test func `what the documents do not list is refused, and passes by default`() throws {
        for (kind, body, mistake) in Self.cases {
            #expect(try strict.mistakes(kind, body) == [mistake], "\(body)")
            #expect(throws: Never.self, "\(body)") { try lenient.accept(kind, body) }
        }
    }

    @Test func `the parts of a log are held to their own documents, in both kinds of log`() throws {
        for (member, mistake) in Self.parts {
            let log = "{\(member)}"
            #expect(try strict.mistakes(.log, log) == ["body.\(mistake)"], "\(log)")
            #expect(throws: Never.self, "\(log)") { try lenient.accept(.log, log) }
            let evaluation = #"{"datapoint_id":"d","log":\#(log)}"#
            #expect(try strict.mistakes(.evaluationLog, evaluation) == ["body.log.\(mistake)"])
        }
    }

    /// Everything that is documented, once.
    private static let complete = """
        {"project":"p","session_reference_id":"s","parent_id":"data_1","inputs":{"x":[{}]},
         "source":"anywhere","metadata":{"any":"thing"},"save":true,"source_datapoint_id":"d",
         "reference_id":"r","messages":[
          {"role":"system","content":"x","name":null},
          {"role":"user","content":[{"type":"text","text":"x"},
           {"type":"image_url","image_url":{"url":"u","detail":"auto"}}]},
          {"role":"assistant","content":null,"tool_calls":[
           {"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"tool","tool_call_id":"c","tool_call":{"name":"f"}}],
         "output":"x","judgment":["a","b"],"config_id":"config_1","environment":"production",
         "config":{"type":"model","name":"n","description":"d","provider":"openai_azure",
          "model":"m","max_tokens":-1,"temperature":0.5,"top_p":1,"stop":["a"],
          "presence_penalty":-2,"frequency_penalty":2,"other":{"x":1},"seed":7,
          "response_format":{"type":"json_schema","json_schema":{"x":1}},"endpoint":"chat",
          "prompt_template":"t","chat_template":[{"role":"user"}],"tools":[
           {"id":"oc_1","source":"organization","name":"n","parameters":{},"strict":true},
           {"name":"n","description":"d","source":"whatever","source_code":"c","preset_name":"p"}]},
         "feedback":[{"type":"rating","value":"good","data_id":"data_1","user":"u",
          "created_at":"2024-05-01"}],
         "created_at":"2024-05-01T12:00:00Z","error":null,"stdout":"x","duration":1,
         "output_message":{"role":"assistant","content":"x"},"prompt_tokens":1,"output_tokens":2.0,
         "prompt_cost":0.1,"output_cost":1e-7,"provider_request":{"x":1},
         "provider_response":{"y":[]}}
        """

    @Test func `all that is documented is accepted, byte for byte`() throws {
        #expect(try strict.accept(.log, Self.complete).bodies == [Self.complete])
        #expect(try strict.accept(.log, "[\(Self.complete)]").bodies == [Self.complete])
        let tool = #"""
            {"project":"p","config":{"type":"tool","name":"n","description":"d","parameters":{},
             "strict":false,"source":"inline","source_code":"c","other":{},"preset_name":"p"}}
            """#
        #expect(throws: Never.self) { try strict.accept(.log, tool) }
        for type in ["rating", "action", "issue", "correction", "comment"] {
            let feedback = """
                {"type":"\(type)","value":["a"],"reference_id":"r","user":"u","unset":false}
                """
            #expect(throws: Never.self) { try strict.accept(.feedback, feedback) }
        }
        let update = #"{"output":"x","error":"y","duration":1.5}"#
        #expect(throws: Never.self) { try strict.accept(.update, update) }
        let result = #"{"reference_id":"r","evaluator_id":"f","result":1,"error":null}"#
        #expect(throws: Never.self) { try strict.accept(.evaluationResult, result) }
        #expect(throws: Never.self) { try strict.accept(.session, "{}") }
    }

    @Test func `null equals absent also under a key inside a log`() throws {
        for log in [
            #"{"config":{"type":null,"model":"m","provider":null,"tools":null}}"#,
            #"{"messages":null,"output_message":{"role":"user","content":null}}"#,
        ] {
            #expect(throws: Never.self, "\(log)") { try strict.accept(.log, log) }
        }
        #expect(
            try strict.mistakes(.log, #"{"config":{"model":null}}"#)
                == ["body.config.model: missing"])
    }

    @Test func `lenient and strict mistakes are reported together, in the order of the text`()
        throws
    {
        #expect(
            try strict.mistakes(
                .log,
                """
                {"a":1,"save":"yes","messages":[{"role":"x","y":2}],"inputs":[],"z":null,
                 "parent_id":"a","parent_reference_id":"b"}
                """) == [
                    "body.a: extra_forbidden", "body.save: bool_type", "body.messages.0.role: enum",
                    "body.messages.0.y: extra_forbidden", "body.inputs: dict_type",
                    "body.z: extra_forbidden", "body.parent_reference_id: value_error",
                ])
    }

    @Test func `a mistake says what would be right, and repeats little of what was sent`() throws {
        let provider = try strict.refusal(.log, #"{"config":{"model":"m","provider":"x"}}"#)
        let words = String(decoding: provider.body, as: UTF8.self)
        #expect(words.contains("expected one of: openai, openai_azure, mock"))
        let key = String(repeating: "k", count: 1 << 20)
        #expect(try strict.refusal(.log, "{\"\(key)\":1}").body.count < 1000)
    }

    @Test func `at most 100 mistakes are listed, also inside one value`() throws {
        let messages = Array(repeating: "{}", count: 10_000).joined(separator: ",")
        #expect(try strict.mistakes(.log, "{\"messages\":[\(messages)]}").count == 100)
        let keys = (0..<10_000).map { "\"k\($0)\":0" }.joined(separator: ",")
        #expect(try strict.mistakes(.log, "{\"output_message\":{\(keys)}}").count == 100)
        #expect(try strict.mistakes(.log, "{\(keys)}").count == 100)
    }

    @Test func `a line holds nothing beside its event, and that is checked too`() throws {
        let cases: [(line: String, mistakes: [String])] = [
            (#"{"log":{},"note":1}"#, ["line.note: extra_forbidden"]),
            (#"{"log":{"x":1}}"#, ["line.log.x: extra_forbidden"]),
            (#"{"feedback":{"type":"x"}}"#, ["line.feedback.type: enum"]),
            (#"{"update":{"id":"data_1","x":1}}"#, ["line.update.x: extra_forbidden"]),
            (
                #"{"evaluation_log":{"evaluation_id":"e","datapoint_id":"d","log":{"x":1}}}"#,
                ["line.evaluation_log.log.x: extra_forbidden"]
            ),
            (
                #"{"evaluation_result":{"evaluation_id":"e","log_id":"l","evaluator_id":"f","result":1}}"#,
                []
            ),
            (#"{"update":{"reference_id":"r","output":"x"}}"#, []),
        ]
        for (line, mistakes) in cases {
            var submission = Submission(caller: "uid:1")
            let refusal = Array(line.utf8).withUnsafeBytes {
                strict.decoder.decodeLine($0, into: &submission)
            }
            let detail = try refusal.map { try JSONSerialization.jsonObject(with: Data($0.detail)) }
            #expect(try detail.map(AdmissionDoor.listed(detail:)) ?? [] == mistakes, "\(line)")
            #expect(submission.events.count == (mistakes.isEmpty ? 1 : 0))
        }
    }
}

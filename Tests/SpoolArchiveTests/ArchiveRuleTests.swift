import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// Each documented rule refuses what breaks it, at its place.
struct ArchiveRuleTests {
    @Test(arguments: [
        (#"{"output":"o"}"#, ["body.project missing"]),
        (#"{"project":null,"project_id":null}"#, ["body.project missing"]),
        (
            #"{"project":"p","session_id":"a","session_reference_id":"b"}"#,
            ["body value_error"]
        ),
        (#"{"project":"p","parent_id":"a","parent_reference_id":"b"}"#, ["body value_error"]),
        (#"[{"project":"p"},{}]"#, ["body.1.project missing"]),
        (#"{"project_id":"pr_unknown"}"#, ["body.project_id unknown_reference"]),
        (#"{"project":"p","session_id":"sesh_x"}"#, ["body.session_id unknown_reference"]),
        (#"{"project":"p","parent_id":"data_x"}"#, ["body.parent_id unknown_reference"]),
        (
            #"[{"project":"p"},{"project":"p","parent_reference_id":"nobody"}]"#,
            ["body.1.parent_reference_id unknown_reference"]
        ),
        (
            #"[{"project":"p","reference_id":"r"},{"project":"p","parent_reference_id":"r"}]"#,
            ["body.1.parent_reference_id unknown_reference"]
        ),
        (
            #"{"project":"p","reference_id":"r","parent_reference_id":"r"}"#,
            ["body.parent_reference_id unknown_reference"]
        ),
        (#"{"project":"p","feedback":{"type":"t"}}"#, ["body.feedback.value missing"]),
        (
            #"{"project":"p","feedback":[{"type":"t","value":1},{"value":1}]}"#,
            ["body.feedback.1.type missing"]
        ),
        (
            #"[{"project":"p","feedback":[{"type":"t","value":1,"data_id":"data_x"}]}]"#,
            ["body.0.feedback.0.data_id unknown_reference"]
        ),
        (#""text""#, ["body dict_type"]),
        ("null", ["body dict_type"]),
        ("[[]]", ["body.0 dict_type"]),
        (#"[{"project":"p"},3]"#, ["body.1 dict_type"]),
        (
            #"[{},{"project":1,"save":"no","metadata":[]},{"project":"p","duration":"1"}]"#,
            [
                "body.0.project missing", "body.1.project string_type", "body.1.metadata dict_type",
                "body.1.save bool_type", "body.2.duration float_type",
            ]
        ),
    ])
    func `a log that breaks a rule is refused where it does`(body: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        #expect(try await archive.mistakes("/logs", body) == expected)
        #expect(archive.archive.status.logs == 0, "nothing of the request is stored")
        await archive.remove()
    }

    @Test(arguments: [
        (#"{"role":"function"}"#, [".role literal_error"]),
        ("{}", [".role missing"]),
        (#"{"role":"user","content":[{"type":"text"}]}"#, [".content.0.text missing"]),
        (#"{"role":"user","content":[{"type":"video"}]}"#, [".content.0.type union_tag_invalid"]),
        (#"{"role":"user","content":[{}]}"#, [".content.0.type missing"]),
        (
            #"{"role":"user","content":[{"type":"image_url","#
                + #""image_url":{"url":"u","detail":"big"}}]}"#,
            [".content.0.image_url.detail literal_error"]
        ),
        (
            #"{"role":"assistant","tool_calls":[{"id":"1","type":"function","#
                + #""function":{"arguments":{}}}]}"#,
            [
                ".tool_calls.0.function.name missing",
                ".tool_calls.0.function.arguments string_type",
            ]
        ),
        (#"{"role":"assistant","tool_call":{"arguments":"{}"}}"#, [".tool_call.name missing"]),
        (#"{"role":"tool","tool_call_id":7}"#, [".tool_call_id string_type"]),
        (#"{"role":"user","content":7}"#, [".content union_error"]),
    ])
    func `a message that breaks a rule is refused where it does`(
        message: String, expected: [String]
    ) async throws {
        let archive = try ArchiveFixture()
        #expect(
            try await archive.mistakes("/logs", #"{"project":"p","messages":[\#(message)]}"#)
                == expected.map { "body.messages.0" + $0 })
        #expect(
            try await archive.mistakes("/logs", #"{"project":"p","output_message":\#(message)}"#)
                == expected.map { "body.output_message" + $0 })
        await archive.remove()
    }

    @Test func `messages as documented are stored`() async throws {
        let archive = try ArchiveFixture()
        let messages = """
            [{"role":"system","content":null},{"role":"user","content":"hi","name":"u"},
            {"role":"user","content":[{"type":"text","text":"t"},
            {"type":"image_url","image_url":{"url":"u","detail":"low"}}]},
            {"role":"assistant","tool_calls":[{"id":"1","type":"function",
            "function":{"name":"f","arguments":"{}"}}],"tool_call":{"name":"f"}},
            {"role":"tool","tool_call_id":"1","content":"r","unlisted":1}]
            """
        let id = try await archive.log(#"{"project":"p","messages":\#(messages)}"#)
        let log = try await archive.ask("GET", "/logs/\(id)")
        #expect(try log["messages"] == JSONValue(parsing: Array(messages.utf8)))
        await archive.remove()
    }

    @Test(arguments: [
        ("{}", [".model missing"]),
        (#"{"type":"model","model":"m","colour":"red"}"#, [".colour extra_forbidden"]),
        (#"{"model":"m","colour":"red","type":"model"}"#, [".colour extra_forbidden"]),
        (#"{"model":"m","id":"config_1"}"#, [".id extra_forbidden"]),
        (#"{"type":"generic","model":"m"}"#, [".type union_tag_invalid"]),
        (#"{"type":1,"model":"m"}"#, [".type union_tag_invalid"]),
        (#"{"model":"m","provider":"acme"}"#, [".provider literal_error"]),
        (#"{"model":"m","endpoint":"sing"}"#, [".endpoint literal_error"]),
        (#"{"model":"m","max_tokens":1.5}"#, [".max_tokens int_type"]),
        (#"{"model":"m","temperature":"hot"}"#, [".temperature float_type"]),
        (#"{"model":"m","stop":["a",1]}"#, [".stop.1 string_type"]),
        (
            #"{"model":"m","response_format":{"type":"xml"}}"#,
            [".response_format.type literal_error"]
        ),
        (#"{"model":"m","chat_template":[{"role":"x"}]}"#, [".chat_template.0.role literal_error"]),
        (
            #"{"model":"m","tools":[{"id":"oc_1","source":"me"}]}"#,
            [".tools.0.source literal_error"]
        ),
        (#"{"model":"m","tools":[{"source":"inline"}]}"#, [".tools.0.name missing"]),
        (#"{"type":"tool"}"#, [".name missing"]),
        (#"{"type":"tool","name":"n","source":"elsewhere"}"#, [".source literal_error"]),
        (#"{"type":"tool","name":"n","parameters":"none"}"#, [".parameters dict_type"]),
        ("[]", [" dict_type"]),
    ])
    func `a config that breaks a rule is refused where it does`(config: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        #expect(
            try await archive.mistakes("/logs", #"{"project":"p","config":\#(config)}"#)
                == expected.map { "body.config" + $0 })
        await archive.remove()
    }

    @Test(arguments: [
        ("{}", ["body.type missing", "body.data_id missing", "body.value missing"]),
        (#"{"type":"rating","data_id":"ID"}"#, ["body.value missing"]),
        (#"{"type":"rating","data_id":"ID","unset":false}"#, ["body.value missing"]),
        (#"{"type":"rating","data_id":"ID","value":null}"#, ["body.value missing"]),
        (#"{"type":"rating","data_id":"ID","value":{}}"#, ["body.value union_error"]),
        (#"{"type":"rating","data_id":"ID","value":["a",1]}"#, ["body.value.1 string_type"]),
        (#"{"type":3,"data_id":"ID","value":1}"#, ["body.type string_type"]),
        (#"{"type":"r","data_id":"data_x","value":1}"#, ["body.data_id unknown_reference"]),
        (#"{"type":"r","value":1}"#, ["body.data_id missing"]),
        (
            #"[{"type":"r","data_id":"ID","value":1},{"type":"r","data_id":"x","value":1}]"#,
            ["body.1.data_id unknown_reference"]
        ),
        (
            #"{"type":"r","data_id":"ID","value":1,"created_at":"soon"}"#,
            ["body.created_at datetime_parsing"]
        ),
    ])
    func `feedback that breaks a rule is refused where it does`(body: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p"}"#)
        #expect(
            try await archive.mistakes("/feedback", body.replacing("ID", with: id)) == expected)
        #expect(try await archive.ask("GET", "/logs/\(id)")["feedback"] == .array([]))
        await archive.remove()
    }

    @Test(arguments: [
        (#"{"output":1}"#, ["body.output string_type"]),
        (#"{"error":[],"duration":"1"}"#, ["body.error string_type", "body.duration float_type"]),
        ("[]", ["body dict_type"]),
    ])
    func `an update that breaks a rule is refused where it does`(body: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p","reference_id":"r"}"#)
        #expect(try await archive.mistakes("/logs/\(id)", body, method: "PATCH") == expected)
        #expect(
            try await archive.mistakes("/logs?reference_id=r", body, method: "PATCH") == expected)
        await archive.remove()
    }

    @Test func `an update of what is not here is 404, and without a reference 422`() async throws {
        let archive = try ArchiveFixture()
        for target in ["/logs/data_x", "/logs?reference_id=x"] {
            let answer = try await archive.ask("PATCH", target, "{}", status: 404)
            #expect(answer["detail"]?.stringValue?.contains("no log with") == true)
        }
        #expect(
            try await archive.mistakes("/logs", "{}", method: "PATCH")
                == ["query.reference_id missing"])
        await archive.remove()
    }

    @Test(arguments: [
        ("{}", ["body.datapoint_id missing", "body.log missing"]),
        (#"{"datapoint_id":"d","log":[]}"#, ["body.log dict_type"]),
        (#"{"datapoint_id":"d","log":{}}"#, ["body.log.project missing"]),
        (
            #"{"datapoint_id":"d","log":{"project":"p","parent_id":"x"}}"#,
            ["body.log.parent_id unknown_reference"]
        ),
        (#"[{"datapoint_id":"d","log":{"project":"p"}}]"#, ["body dict_type"]),
    ])
    func `an evaluation's log that breaks a rule is refused where it does`(
        body: String, expected: [String]
    ) async throws {
        let archive = try ArchiveFixture()
        #expect(try await archive.mistakes("/evaluations/ev_1/log", body) == expected)
        await archive.remove()
    }

    @Test(arguments: [
        (
            "{}", ["body.log_id missing", "body.evaluator_id missing", "body.result missing"]
        ),
        (#"{"log_id":"ID","evaluator_id":"e"}"#, ["body.result missing"]),
        (#"{"log_id":"ID","evaluator_id":"e","result":"good"}"#, ["body.result union_error"]),
        (#"{"log_id":"x","evaluator_id":"e","result":1}"#, ["body.log_id unknown_reference"]),
        (#"{"log_id":"ID","evaluator_id":"e","result":1}"#, ["body.log_id value_error"]),
    ])
    func `a result that breaks a rule is refused where it does`(body: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p"}"#)
        #expect(
            try await archive.mistakes(
                "/evaluations/ev_1/result", body.replacing("ID", with: id)) == expected)
        await archive.remove()
    }

    @Test func `a parent is found in an earlier request, by id and by reference`() async throws {
        let archive = try ArchiveFixture()
        let parent = try await archive.log(#"{"project":"p","reference_id":"r"}"#)
        _ = try await archive.log(#"{"project":"p","parent_id":"\#(parent)"}"#)
        let child = try await archive.log(#"{"project":"q","parent_reference_id":"r"}"#)
        #expect(
            try await archive.ask("GET", "/logs/\(child)")["parent_reference_id"] == .string("r"))
        // A log of this request with the same reference changes nothing: an earlier one has it.
        try await archive.ask(
            "POST", "/logs",
            #"[{"project":"p","reference_id":"r"},{"project":"p","parent_reference_id":"r"}]"#)
        await archive.remove()
    }

    @Test func `one bad log refuses its whole array`() async throws {
        let archive = try ArchiveFixture()
        let good = #"{"project":"new","session_reference_id":"s","reference_id":"g"}"#
        let bodies = ["[\(good),{}]", #"[\#(good),{"project":"p","parent_id":"data_x"}]"#]
        for body in bodies {
            #expect(await archive.send("POST", "/logs", body).status == 422)
        }
        #expect(archive.archive.status.logs == 0)
        #expect(await archive.send("PATCH", "/logs?reference_id=g", "{}").status == 404)
        await archive.remove()
    }

    @Test func `at most 100 mistakes are listed`() async throws {
        let archive = try ArchiveFixture()
        let body = "[" + Array(repeating: "{}", count: 1000).joined(separator: ",") + "]"
        let mistakes = try await archive.mistakes("/logs", body)
        #expect(mistakes.count == 100)
        #expect(mistakes.last == "body.99.project missing")
        await archive.remove()
    }
}

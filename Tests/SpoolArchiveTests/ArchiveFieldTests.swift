import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// Every documented field with every kind of value, against a list written down independently of
/// the archive's own tables.
struct ArchiveFieldTests {
    private static let samples: [(kind: String, json: String)] = [
        ("string", #""text""#), ("integer", "7"), ("fraction", "1.5"), ("boolean", "true"),
        ("object", #"{"a":1}"#), ("strings", #"["a"]"#), ("numbers", "[1]"),
    ]

    private static let fields: [(name: String, kinds: Set<String>)] = [
        ("project", ["string"]), ("source", ["string"]), ("source_datapoint_id", ["string"]),
        ("session_reference_id", ["string"]), ("reference_id", ["string"]), ("output", ["string"]),
        ("config_id", ["string"]), ("environment", ["string"]), ("error", ["string"]),
        ("stdout", ["string"]), ("inputs", ["object"]), ("metadata", ["object"]),
        ("provider_request", ["object"]), ("provider_response", ["object"]), ("save", ["boolean"]),
        ("duration", ["integer", "fraction"]), ("prompt_cost", ["integer", "fraction"]),
        ("output_cost", ["integer", "fraction"]), ("prompt_tokens", ["integer"]),
        ("output_tokens", ["integer"]), ("messages", []), ("config", []), ("feedback", []),
        ("created_at", []), ("output_message", []),
        ("judgment", ["boolean", "integer", "fraction", "string", "strings"]),
        // A string, but these samples name nothing.
        ("project_id", []), ("session_id", []), ("parent_id", []), ("parent_reference_id", []),
    ]

    @Test func `the list covers every documented field`() {
        #expect(
            Set(Self.fields.map(\.name)) == Set(V4Contract.log.fields.map(\.name.description)))
        #expect(V4Contract.log.fields.count == 30)
    }

    @Test(arguments: fields.map(\.name))
    func `a field takes its documented kinds of value and null`(name: String) async throws {
        let archive = try ArchiveFixture()
        let kinds = try #require(Self.fields.first { $0.name == name }).kinds
        let project = name == "project" ? "" : #""project":"p","#
        for (kind, json) in Self.samples {
            let answer = await archive.send("POST", "/logs", #"{\#(project)"\#(name)":\#(json)}"#)
            #expect(
                (answer.status == 200) == kinds.contains(kind),
                "\(name): \(json) is answered \(answer.text)")
            if answer.status != 200 {
                #expect(answer.status == 422)
                #expect(answer.text.contains("[\"body\",\"\(name)\""))
            }
        }
        // Without a project nothing is stored, whatever the field.
        let null = await archive.send("POST", "/logs", #"{\#(project)"\#(name)":null}"#)
        #expect(null.status == (name == "project" ? 422 : 200), "\(name): \(null.text)")
        await archive.remove()
    }

    @Test func `null in every field of every body equals absent`() async throws {
        let archive = try ArchiveFixture()
        let nulls = V4Contract.log.fields.filter { $0.name.description != "project" }
            .map { "\"\($0.name)\":null" }.joined(separator: ",")
        let id = try await archive.log(#"{"project":"p",\#(nulls)}"#)
        #expect(
            try await archive.mistakes(
                "/feedback",
                #"{"type":null,"value":null,"data_id":null,"#
                    + #""user":null,"created_at":null,"unset":null}"#
            )
                == ["body.type missing", "body.data_id missing", "body.value missing"])
        try await archive.ask(
            "PATCH", "/logs/\(id)", #"{"output":null,"error":null,"duration":null}"#)
        await archive.remove()
    }

    @Test func `values come back as they were written`() async throws {
        let archive = try ArchiveFixture()
        let members: [(String, String)] = [
            ("reference_id", #""r \u00e9\n""#),
            ("inputs", #"{ "n" : 1.50, "big":123456789012345678901234567890 }"#),
            ("metadata", #"{"a":1e400,"a":-0}"#), ("duration", "1e-07"), ("prompt_cost", "0.10"),
            ("prompt_tokens", "99999999999999999999"), ("output", #""\ud83d\ude00 \/ \u2028""#),
            ("created_at", #""2024-05-01T12:30:15.123456""#), ("judgment", "3.0"),
            ("save", "true"), ("source", #""\ud800""#),
        ]
        let body = members.map { "\"\($0)\": \($1)" }.joined(separator: " ,\n")
        let id = try await archive.log(#"{ "project":"p", \#(body) }"#)
        let text = await archive.send("GET", "/logs/\(id)").text
        for (name, value) in members {
            #expect(text.contains("\"\(name)\":\(value)"), "\(name) in \(text)")
        }
        await archive.remove()
    }

    @Test func `unknown fields are taken and escaped names are known`() async throws {
        let archive = try ArchiveFixture()
        _ = try await archive.log(#"{"project":"p","start_time":7,"user":{}}"#)
        let id = try await archive.log(#"{"pr\u006fject":"escaped","output":"a","output":"b"}"#)
        let log = try await archive.ask("GET", "/logs/\(id)")
        #expect(log["project"] == .string("escaped"))
        #expect(log.members?.filter { $0.0 == "output" }.count == 1)
        #expect(log["output"] == .string("b"), "the last of several holds")
        await archive.remove()
    }

    @Test func `the answer to a log without config holds a placeholder`() async throws {
        let archive = try ArchiveFixture()
        let bare = try await archive.ask("GET", "/logs/" + archive.log(#"{"project":"p"}"#))
        #expect(bare["config"]?["id"]?.stringValue?.wholeMatch(of: /config_[0-9A-Za-z]{21}/) != nil)
        #expect(bare["config"]?["type"] == .string("generic"))
        #expect(bare["evaluation_results"] == .array([]))
        #expect(bare["observability_status"] == .string("completed"))
        #expect(bare["updated_at"]?.stringValue.flatMap { DateTime($0) } != nil)
        #expect(bare["created_at"]?.stringValue.flatMap { DateTime($0) } != nil)
        #expect(bare["feedback"] == .array([]))
        let named = try await archive.ask(
            "GET", "/logs/" + archive.log(#"{"project":"p","config_id":"config_7"}"#))
        #expect(named["config"]?["id"] == .string("config_7"))
        await archive.remove()
    }

    @Test func `the answer to a log with a config holds it with what the schema requires`()
        async throws
    {
        let archive = try ArchiveFixture()
        let model = try await archive.ask(
            "GET",
            "/logs/" + archive.log(#"{"project":"p","config":{"model":"m","temperature":0.70}}"#))
        #expect(model["config"]?["id"]?.stringValue?.hasPrefix("config_") == true)
        #expect(model["config"]?["type"] == .string("model"))
        #expect(model["config"]?["model"] == .string("m"))
        #expect(model["config"]?["temperature"] == .number("0.70"))
        let tool = try await archive.ask(
            "GET",
            "/logs/"
                + archive.log(#"{"project":"p","config":{"type":"tool","name":"n","id":"mine"}}"#))
        #expect(tool["config"]?.members?.map(\.0) == ["id", "type", "status", "name"])
        await archive.remove()
    }
}

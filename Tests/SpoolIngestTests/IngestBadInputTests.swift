import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// Bad input among good, on one connection: a defined answer, and nothing that neighbours feel.
@Suite(.timeLimit(.minutes(2))) struct IngestBadInputTests {
    /// A request with something odd about it.
    private struct Case {
        let method: String
        let target: String
        let body: String
        let status: Int
        /// What the answer's `detail` holds.
        let words: String

        init(
            _ method: String, _ target: String, _ body: String, _ status: Int, _ words: String = ""
        ) {
            self.method = method
            self.target = target
            self.body = body
            self.status = status
            self.words = words
        }
    }

    private static let deep =
        #"{"project":"p","x":"# + String(repeating: "[", count: 100_000)
        + String(repeating: "]", count: 100_000) + "}"

    private static func array(_ element: String, with bad: String? = nil) -> String {
        var elements = Array(repeating: element, count: 10_000)
        if let bad { elements[7_777] = bad }
        return "[\(elements.joined(separator: ","))]"
    }

    private static let log = #"{"project":"p"}"#
    private static let nulls: String = {
        let fields = Contract.log.fields.map { "\"\($0.name)\":null" }.filter {
            $0 != "\"project\":null"
        }
        return "{\"project\":\"p\",\(fields.joined(separator: ","))}"
    }()

    private static let refused: [Case] = [
        Case(
            "POST", "/logs", #"{"project":"p","session_id":"a","session_reference_id":"b"}"#, 422,
            #"["body","session_reference_id"]"#),
        Case(
            "POST", "/logs", #"{"project":"p","parent_id":"a","parent_reference_id":"b"}"#, 422,
            #"["body","parent_reference_id"]"#),
        Case("POST", "/logs", #"{"output":"x"}"#, 422, #"["body","project"]"#),
        Case("POST", "/v4/feedback", #"{"value":"good"}"#, 422, #"["body","type"]"#),
        Case(
            "POST", "/evaluations/ev_1/result", #"{"log_id":"data_1","evaluator_id":"evfn_1"}"#,
            422, #"["body","result"]"#),
        Case("PATCH", "/logs/..%2Fdata_1", "{}", 422, #"["path","id"]"#),
        Case("PATCH", "/logs/%2e%2e", "{}", 422, #"["path","id"]"#),
        Case("PATCH", "/logs/%FF", "{}", 422, #"["path","id"]"#),
        Case("POST", "/evaluations/%2E./log", "{}", 422, #"["path","evaluation_id"]"#),
        Case(
            "POST", "/logs", array(log, with: #"{"project":7}"#), 422,
            #"["body",7777,"project"]"#),
        Case(
            "POST", "/feedback", array(#"{"type":"rating"}"#, with: "{}"), 422,
            #"["body",7777,"type"]"#),
        Case("POST", "/logs", array(log, with: "nul"), 400, "not JSON"),
        Case("POST", "/logs", #"{"project":"p","prompt_tokens":1.5}"#, 422, "prompt_tokens"),
        Case("POST", "/logs", #"{"project":"p","duration":1e}"#, 400, "not JSON"),
        Case("POST", "/logs", #"{"project":"p","project":"q"}"#, 422, "occurs twice"),
        Case("PATCH", "/logs?reference_id=a&reference_id=b", "{}", 422, "occurs twice"),
        Case("POST", "/logs", "\u{FEFF}" + log, 400, "byte order mark"),
        Case("POST", "/logs", deep, 400, "too deeply"),
        Case("POST", "/feedback", "[" + deep + "]", 400, "too deeply"),
        Case("POST", "/logs", "", 400, "empty"),
        Case("POST", "/logs", "null", 422, #"["body"]"#),
    ]

    private static let accepted: [Case] =
        [
            Case("POST", "/logs", nulls, 200),
            Case("POST", "/logs", array(log), 200),
            Case("POST", "/logs", #"{"project":"p","duration":1e400,"prompt_cost":-1E-999}"#, 200),
            Case("POST", "/logs", #"{"project":"p","output":"a","output":"b"}"#, 200),
            Case("PATCH", "/logs/a%2Fb%20%C3%A9%3F", "{}", 200),
            Case("PATCH", "/logs/a/b:@!$&'()*+,;=~", "{}", 200),
            Case("PATCH", "/logs/%00", "{}", 200),
        ]
        + [
            "data_", "pr_", "sesh_", "config_", "ann_", "evts_", "ev_", "evrun_", "evfn_", "evv_",
            "env_", "dir_", "usr_", "tm_", "oc_", "prv_",
        ].map { Case("PATCH", "/logs/\($0)0123456789abcdefghijk", "{}", 200) }

    private static func request(_ method: String, _ target: String, _ body: String) -> String {
        "\(method) \(target) HTTP/1.1\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    @Test func `bad requests are answered, and their neighbours on the connection are accepted`()
        async throws
    {
        let desk = IngestDesk(defaultProject: nil)
        var good = 0
        try await desk.serve { connect in
            let client = try connect()
            for bad in Self.refused {
                let neighbour = #"{"project":"p","reference_id":"n\#(good)","output":"é"}"#
                let request = Self.request("POST", "/logs", neighbour)
                let all = request + Self.request(bad.method, bad.target, bad.body) + request
                try await client.send(all)
                #expect(try await client.answer().status == 200)
                let answer = try await client.answer()
                let what = "\(bad.method) \(bad.target) \(bad.body.prefix(80))"
                #expect(answer.status == bad.status, "\(what): \(answer.body.prefix(200))")
                #expect(answer.body.contains(bad.words), "\(what): \(answer.body.prefix(200))")
                #expect(try JSONValue(parsing: Array(answer.body.utf8))["detail"] != nil)
                #expect(try await client.answer().status == 200)
                good += 1
            }
        }
        let bodies = desk.sink.bodies
        #expect(bodies.count == 2 * good)
        for (place, body) in bodies.enumerated() {
            #expect(body.hasSuffix(#""reference_id":"n\#(place / 2)","output":"é"}"#))
        }
        #expect(desk.sink.malformed.isEmpty)
    }

    @Test func `what is odd and no mistake is accepted, byte for byte`() async throws {
        let desk = IngestDesk(defaultProject: nil)
        try await desk.serve { connect in
            let client = try connect()
            for odd in Self.accepted {
                let before = desk.sink.accepted.count
                try await client.send(Self.request(odd.method, odd.target, odd.body))
                let answer = try await client.answer()
                let what = "\(odd.method) \(odd.target) \(odd.body.prefix(80))"
                #expect(answer.status == 200, "\(what): \(answer.body.prefix(200))")
                #expect(desk.sink.accepted.count == before + 1, "\(what)")
            }
        }
        #expect(
            desk.sink.bodies.contains { $0.hasSuffix(#""duration":1e400,"prompt_cost":-1E-999}"#) })
        #expect(desk.sink.accepted.map(\.submission.events.count).max() == 10_000)
    }

    /// The same mistakes as lines of the stream, and where each is.
    private static let lines: [(line: String, loc: String)] = [
        (
            #"{"log":{"session_id":"a","session_reference_id":"b"}}"#,
            #"["line","log","session_reference_id"]"#
        ),
        (
            #"{"log":{"parent_id":"a","parent_reference_id":"b"}}"#,
            #"["line","log","parent_reference_id"]"#
        ),
        (#"{"feedback":{"value":1}}"#, #"["line","feedback","type"]"#),
        (
            #"{"evaluation_result":{"evaluation_id":"e","log_id":"d","evaluator_id":"f"}}"#,
            #"["line","evaluation_result","result"]"#
        ),
        (#"{"update":{"id":"../x"}}"#, #"["line","update","id"]"#),
        (#"{"update":{"output":"x"}}"#, #"["line","update","reference_id"]"#),
        (
            #"{"log":{"project":"p","project":"q"}}"#,
            #"["line","log","project"]"#
        ),
        (#"{"log":{"duration":1e}}"#, #"["line",21]"#),
        ("\u{FEFF}{\"log\":{}}", #"["line",0]"#),
        (#"{"log":\#(deep)}"#, #"["line","#),
        (#"{"log":null}"#, #"["line","log"]"#),
        (#"{"log":[{},{}]}"#, #"["line","log"]"#),
        ("nonsense", #"["line",1]"#),
        ("[{}]", #"["line"]"#),
    ]

    @Test func `bad lines of a stream are refused one by one, and their neighbours are accepted`()
        async throws
    {
        try await EventStreamFixture.run { stream in
            let client = try stream.connect()
            try await client.send(EventStreamFixture.acks)
            for (place, bad) in Self.lines.enumerated() {
                let text =
                    EventStreamFixture.log("\(place)a") + bad.line + "\n"
                    + EventStreamFixture.log("\(place)b")
                async let sent: Void = client.send(text)
                let last = "{\"acked\":\(3 * place + 3)}"
                let refusals = try await client.receiveLines(through: last)
                    .filter { $0.hasPrefix("{\"refused\":") }
                try await sent
                #expect(refusals.count == 1)
                let start = "{\"refused\":\(3 * place + 2),\"detail\":[{\"loc\":\(bad.loc)"
                #expect(refusals.first?.hasPrefix(start) == true, "\(refusals) \(bad.loc)")
            }
            #expect(stream.outputs == Self.lines.indices.flatMap { ["\($0)a", "\($0)b"] })
        }
    }
}

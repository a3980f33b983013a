import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// The ingest operations besides logs and feedback, over HTTP.
@Suite struct IngestOperationTests {
    @Test(arguments: ["/sessions", "/v4/sessions", "/v4//sessions/"])
    func `a session is accepted without a body and answered 201`(path: String) throws {
        let desk = IngestDesk()
        for body in ["", "{}", "null"] {
            #expect(try desk.send("POST", path, body).status == 201)
        }
        let answer = try desk.send("POST", path)
        #expect(try answer.json["id"]?.stringValue == desk.id(.session, 4))
        #expect(answer.contentType?.description == "application/json")
        #expect(desk.sink.bodies == ["", "", "", ""])
        #expect(try desk.send("POST", path, "[1]").status == 422)
        let typed: HTTPHeaders = ["Content-Type": "text/plain", "Content-Length": "0"]
        #expect(desk.planned("POST", path, typed) == nil)
        #expect(desk.sink.accepted.count == 4)
    }

    @Test func `logs of one session reference are answered with one provisional session`() throws {
        let desk = IngestDesk()
        let log = #"{"session_reference_id":"s"}"#
        let first = try desk.send("POST", "/logs", log).json["session_id"]?.stringValue
        #expect(first == desk.id(.session, 1))
        let both = try desk.send("POST", "/logs", #"[{},\#(log)]"#).json
        #expect(both[0]?["session_id"]?.isNull == true)
        #expect(both[1]?["session_id"]?.stringValue == first)
    }

    @Test(arguments: [
        ("data_1", "data_1"), ("a%2Fb", "a/b"), ("a/b", "a/b"), ("%C3%A9%20+", "é +"),
        ("100%", "100%"), ("%00", "\0"), ("..a", "..a"), ("...", "..."), ("a//b/", "a/b"),
        ("reference_id=x", "reference_id=x"), ("a?b".replacing("?", with: "%3F"), "a?b"),
    ])
    func `an update by id takes any id, encoded or not`(path: String, id: String) throws {
        let desk = IngestDesk()
        let answer = try desk.send("PATCH", "/v4/logs/" + path, #"{"output":"x"}"#)
        #expect(answer.status == 200)
        #expect(try answer.json["id"]?.stringValue == id)
        #expect(try answer.json["reference_id"] == nil)
        for key in ["config", "evaluation_results", "observability_status", "updated_at"] {
            #expect(try answer.json[key] != nil)
        }
        let submission = desk.sink.accepted[0].submission
        let event = submission.events[0]
        #expect(event.route == .patchLog)
        let address = try #require(event.address)
        #expect(String(decoding: submission.bytes[address], as: UTF8.self) == id)
        #expect(event.reference == desk.sink.identity.key(of: id, named: .foreignID))
    }

    @Test func `an update by a provisional id waits for that log`() throws {
        let desk = IngestDesk()
        let id = desk.id(.log, 42)
        let answer = try desk.send("PATCH", "/logs/%64" + id.dropFirst(), "{}")
        #expect(try answer.json["id"]?.stringValue == id)
        let event = desk.sink.accepted[0].submission.events[0]
        #expect(event.causes == [.event(EventSequence(rawValue: 42))])
        #expect(event.holdsProvisionalID)
        #expect(event.reference == nil)
    }

    @Test(arguments: [".", "..", "%2E%2e", "..%2Fx", "a/../b", "a%2F.", "%FF", "a%C3"])
    func `ids that lead elsewhere, or are no text, are refused`(id: String) throws {
        let desk = IngestDesk()
        let update = try desk.send("PATCH", "/logs/" + id, "{}")
        #expect(update.status == 422)
        #expect(try update.mistake == "path.id: value_error")
        for operation in ["log", "result"] {
            let answer = try desk.send("POST", "/evaluations/\(id)/\(operation)", "{}")
            #expect(answer.status == 422)
            #expect(try answer.mistake == "path.evaluation_id: value_error")
        }
        #expect(desk.sink.accepted.isEmpty)
    }

    @Test func `names in the target are bounded`() throws {
        let desk = IngestDesk()
        let longest = String(repeating: "x", count: Limits.referenceBytesMax)
        #expect(try desk.send("PATCH", "/logs/" + longest, "{}").status == 200)
        let long = try desk.send("PATCH", "/logs/x" + longest, "{}")
        #expect(try long.mistake == "path.id: string_too_long")
        let query = try desk.send("POST", "/evaluations/e/log", query: longest, "{}")
        #expect(try query.mistake == "path.evaluation_id: string_too_long")
        let reference = try desk.send("PATCH", "/logs", query: "reference_id=x" + longest, "{}")
        #expect(try reference.mistake == "query.reference_id: string_too_long")
    }

    private static let log = #"{"datapoint_id":"d","log":{"project":"p","reference_id":"r"}}"#
    private static let result = #"{"log_id":"data_1","evaluator_id":"evfn_1","result":true}"#

    @Test(arguments: [
        ("/evaluations/ev_1/", nil, "ev_1"), ("/v4/evaluations/ev%2F1%20%3F/", nil, "ev%2F1%20%3F"),
        ("/evaluations//ev/1%20%3F/", "", "ev/1%20%3F"), ("/v4/evaluations/é/", nil, "é"),
        ("/evaluations/log/", nil, "log"),
        ("/evaluations/ev_1/", "evaluatee_id=evv%5F1&x=+", "ev_1?evaluatee_id=evv%5F1&x=+"),
    ])
    func `an evaluation's events keep its id and the query as they came`(
        path: String, query: String?, address: String
    ) throws {
        let desk = IngestDesk()
        #expect(try desk.send("POST", path + "log", query: query, Self.log).status == 201)
        #expect(try desk.send("POST", path + "result", query: query, Self.result).status == 201)
        #expect(
            desk.sink.accepted.map { $0.submission.events[0].route }
                == [.postEvaluationLog, .postEvaluationResult])
        for accepted in desk.sink.accepted {
            let range = try #require(accepted.submission.events[0].address)
            #expect(
                String(decoding: accepted.submission.bytes[range], as: UTF8.self) == address)
        }
        #expect(desk.sink.bodies[1] == Self.result)
    }

    @Test func `an evaluation's log and result are answered 201 with what the SDKs need`() throws {
        let desk = IngestDesk()
        let log = try desk.send("POST", "/v4/evaluations/ev_1/log", Self.log).json
        #expect(log["id"]?.stringValue == desk.id(.log, 1))
        #expect(log["project_id"]?.stringValue == desk.id(.project, 1))
        #expect(log["session_id"]?.isNull == true)
        #expect(log["reference_id"]?.stringValue == "r")
        let result = try desk.send("POST", "/v4/evaluations/ev_1/result", Self.result).json
        for key in [
            "id", "evaluator_id", "evaluator_version_id", "log_id", "created_at", "updated_at",
        ] {
            #expect(result[key]?.stringValue != nil, "\(key)")
        }
        #expect(result["log_id"]?.stringValue == "data_1")
        #expect(result["value"]?.boolValue == true)
    }

    @Test func `bad bodies of every operation are refused and nothing is accepted`() throws {
        let desk = IngestDesk(defaultProject: nil)
        let cases: [(String, String, String, Int)] = [
            ("POST", "/logs", "{}", 422),
            ("POST", "/logs", #"{"project":"p","session_id":"a","session_reference_id":"b"}"#, 422),
            ("POST", "/logs", #"{"project":"p","parent_id":"a","parent_reference_id":"b"}"#, 422),
            ("POST", "/feedback", #"{"value":1}"#, 422), ("POST", "/sessions", "[]", 422),
            ("POST", "/sessions", "{", 400), ("PATCH", "/logs/data_1", "[]", 422),
            ("PATCH", "/logs/data_1", "", 400), ("POST", "/evaluations/e/log", "", 400),
            ("POST", "/evaluations/e/log", #"{"datapoint_id":"d","log":{}}"#, 422),
            ("POST", "/evaluations/e/log", "[\(Self.log)]", 422),
            ("POST", "/evaluations/e/result", #"{"log_id":"d","evaluator_id":"f"}"#, 422),
            ("POST", "/evaluations/e/result", "\u{FEFF}" + Self.result, 400),
        ]
        for (method, path, body, status) in cases {
            let answer = try desk.send(method, path, body)
            #expect(answer.status == status, "\(method) \(path) \(body)")
            #expect(try answer.json["detail"] != nil)
        }
        #expect(desk.sink.accepted.isEmpty)
        #expect(desk.live.requests.isEmpty)
        #expect(try desk.send("POST", "/logs", #"{"project":"p"}"#).status == 200)
    }

    @Test func `a request that is recognised is answered as the first was`() throws {
        let desk = IngestDesk()
        let log = #"{"project":"p","reference_id":"r"}"#
        let first = try desk.send("POST", "/logs", log)
        desk.sink.recognise(as: EventSequence(rawValue: 1))
        #expect(try desk.send("POST", "/logs", log).body == first.body)
        let digests = desk.sink.accepted.map { $0.submission.events[0].digest }
        #expect(digests[0] != nil)
        #expect(digests[0] == digests[1])
    }

    // MARK: Live

    @Test(arguments: [
        ("GET", "/logs"), ("POST", "/chat"), ("GET", "/v4/sessions"), ("GET", "/sessions/sesh_1"),
        ("GET", "/v4/projects/pr_1/configs"), ("GET", "/logs/data_1"), ("GET", "/v4/logs/a%2Fb"),
        ("GET", "/evaluations"), ("POST", "/evaluations/log"), ("PATCH", "/evaluations/e/status"),
        ("GET", "/evaluations/log/datapoints"), ("DELETE", "/datapoints"),
    ])
    func `everything else of the v4 API goes to upstream as it is`(method: String, path: String)
        throws
    {
        let desk = IngestDesk()
        #expect(desk.planned(method, path, ["Content-Type": "text/plain"]) == nil)
        #expect(desk.live.planned == 1)
        let answer = try desk.send(method, path, query: "b=2&a=%20+", "x")
        #expect(answer.body == Array("\"upstream\"".utf8))
        #expect(desk.live.requests == ["\(method) \(path)?b=2&a=%20+"])
        #expect(desk.sink.accepted.isEmpty)
    }

    @Test func `pages of other sites do not reach upstream either`() {
        let desk = IngestDesk()
        #expect(desk.planned("GET", "/logs", ["Origin": "https://evil.example"])?.status == 403)
        #expect(desk.planned("GET", "/logs", ["Host": "evil"], peer: .tcp)?.status == 403)
        #expect(desk.live.planned == 0)
    }
}

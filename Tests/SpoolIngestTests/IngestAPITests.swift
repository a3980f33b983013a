import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

@Suite struct IngestAPITests {
    // MARK: Accepting

    @Test(arguments: ["/logs", "/v4/logs", "/v4//logs", "//v4/logs/", "/logs/"])
    func `a log is accepted at every mount, and answered with what the SDKs need`(path: String)
        throws
    {
        let desk = IngestDesk()
        let answer = try desk.send("POST", path, #"{"project":"p","reference_id":"r"}"#)
        #expect(answer.status == 200)
        #expect(answer.contentType?.description == "application/json")
        let body = try JSONValue(parsing: answer.body)
        let first = EventSequence(rawValue: 1)
        #expect(body["id"]?.stringValue == desk.sink.identity.id(.log, first))
        #expect(body["project_id"]?.stringValue == desk.sink.identity.id(.project, first))
        #expect(body["session_id"]?.isNull == true)
        #expect(body["reference_id"]?.stringValue == "r")
        #expect(desk.sink.accepted.count == 1)
        #expect(desk.sink.accepted[0].submission.caller == "uid:1000")
        #expect(desk.sink.bodies[0].hasSuffix(#""project":"p","reference_id":"r"}"#))
    }

    @Test func `an array is one submission and answered in its order`() throws {
        let desk = IngestDesk()
        desk.sink.know(project: "name:b", id: "pr_upstream")
        let answer = try desk.send("POST", "/logs", #"[{"project":"a"},{"project":"b"}]"#)
        let elements = try #require(try JSONValue(parsing: answer.body).elements)
        #expect(elements.count == 2)
        #expect(elements[1]["project_id"]?.stringValue == "pr_upstream")
        #expect(desk.sink.accepted.map(\.submission.events.count) == [2])
    }

    @Test func `feedback is accepted`() throws {
        let desk = IngestDesk()
        let answer = try desk.send("POST", "/v4/feedback", #"{"type":"rating","value":"good"}"#)
        let body = try JSONValue(parsing: answer.body)
        #expect(answer.status == 200)
        #expect(
            body["id"]?.stringValue
                == desk.sink.identity.id(.feedback, EventSequence(rawValue: 1)))
        #expect(body["value"]?.stringValue == "good")
    }

    @Test(arguments: [
        ("reference_id=r1", "r1"), ("a=b&reference_id=a%2Fb+c%20d&x", "a/b c d"),
        ("reference_id=%C3%A9%F0%9F%98%80", "é😀"), ("reference_id=a=b%3D", "a=b="),
        ("%72eference_id=100%25%", "100%%"), ("reference_id=%zz%4", "%zz%4"),
        ("reference_id=", ""), ("&&reference_id=x&", "x"),
    ])
    func `an update names its log in the query`(query: String, reference: String) throws {
        let desk = IngestDesk()
        desk.sink.know(target: EventSequence(rawValue: 3))
        let answer = try desk.send("PATCH", "/logs", query: query, #"{"output":"x"}"#)
        #expect(answer.status == 200)
        let body = try JSONValue(parsing: answer.body)
        #expect(body["id"]?.stringValue == desk.sink.identity.id(.log, EventSequence(rawValue: 3)))
        #expect(body["reference_id"]?.stringValue == reference)
        let submission = desk.sink.accepted[0].submission
        let address = try #require(submission.events[0].address)
        #expect(String(decoding: submission.bytes[address], as: UTF8.self) == reference)
    }

    @Test(arguments: [
        (nil, "missing"), ("", "missing"), ("reference=r", "missing"),
        ("reference_id=a&reference_id=a", "value_error"), ("reference_id=%FF", "value_error"),
    ])
    func `an update without one readable reference is refused`(query: String?, type: String) throws
    {
        let desk = IngestDesk()
        let answer = try desk.send("PATCH", "/logs", query: query, "{}")
        #expect(answer.status == 422)
        let mistake = try #require(try JSONValue(parsing: answer.body)["detail"]?[0])
        #expect(mistake["loc"] == .array([.string("query"), .string("reference_id")]))
        #expect(mistake["type"]?.stringValue == type)
        #expect(desk.sink.accepted.isEmpty)
    }

    @Test func `nothing is answered before the commit`() throws {
        let desk = IngestDesk(commits: .onCommand)
        let answers = desk.begin("POST", "/logs", "{}")
        #expect(answers.all.isEmpty)
        desk.sink.commit()
        #expect(answers.all.map(\.status) == [200])
    }

    @Test func `an empty array is answered without troubling the disk`() throws {
        let desk = IngestDesk(commits: .onCommand)
        for path in ["/logs", "/feedback"] {
            let answer = try desk.send("POST", path, "[]")
            #expect(answer.status == 200)
            #expect(answer.body == Array("[]".utf8))
        }
        #expect(desk.sink.waitingCount == 0)
    }

    // MARK: Refusing

    @Test func `bad bodies are refused and nothing is accepted`() throws {
        let desk = IngestDesk()
        let cases = [
            ("POST", "/logs", "", 400), ("POST", "/logs", "{", 400), ("POST", "/logs", "7", 422),
            ("POST", "/logs", #"[{},{"save":1}]"#, 422), ("POST", "/feedback", "{}", 422),
            ("PATCH", "/logs", "[]", 422), ("PATCH", "/logs", "", 400),
        ]
        for (method, path, body, status) in cases {
            let answer = try desk.send(method, path, query: "reference_id=r", body)
            #expect(answer.status == status, "\(method) \(path) \(body)")
            #expect(try JSONValue(parsing: answer.body)["detail"] != nil)
        }
        #expect(desk.sink.accepted.isEmpty)
    }

    @Test(arguments: [AppendRefusal.full, .busy, .failing("disk I/O error"), .stopping])
    func `what cannot be stored now is 503 with Retry-After, never 429`(refusal: AppendRefusal)
        throws
    {
        let desk = IngestDesk()
        desk.sink.refuse(refusal)
        let answer = try desk.send("POST", "/logs", "{}")
        #expect(answer.status == 503)
        #expect(answer.headers.first { $0.0 == "Retry-After" }?.1 == "1")
        let detail = try #require(try JSONValue(parsing: answer.body)["detail"]?.stringValue)
        #expect(detail.contains("nothing was accepted"))
        if case .failing(let reason) = refusal { #expect(detail.contains(reason)) }
    }

    @Test(arguments: [
        ("PUT", "/logs", 405), ("OPTIONS", "/v4/logs", 405), ("GET", "/feedback", 405),
        ("DELETE", "/healthz", 405), ("POST", "/readyz", 405), ("DELETE", "/logs/data_1", 405),
        ("DELETE", "/v4/sessions", 405), ("PATCH", "/evaluations/ev_1/log", 405),
        ("GET", "/evaluations/ev_1/result", 405),
        ("GET", "/", 404), ("GET", "/v4", 404), ("POST", "/v5/logs", 404),
        ("POST", "/v4/v4/logs", 404), ("POST", "/LOGS", 404), ("GET", "/favicon.ico", 404),
        ("GET", "/healthz/x", 404), ("POST", "/%6Cogs", 404),
    ])
    func `what is not served is told from the head`(method: String, path: String, status: Int)
        throws
    {
        let desk = IngestDesk()
        let answer = try #require(desk.planned(method, path, ["Content-Length": "7"]))
        #expect(answer.status == status)
        #expect(try JSONValue(parsing: answer.body)["detail"]?.stringValue?.isEmpty == false)
        let allowed = answer.headers.first { $0.0 == "Allow" }?.1
        #expect((allowed != nil) == (status == 405))
        if path.hasSuffix("logs"), status == 405 {
            #expect(allowed == "GET, POST, PATCH, DELETE")
        }
    }

    @Test(
        arguments: [
            ("application/json", nil), ("application/json; charset=utf-8", nil),
            ("Application/JSON ;charset=utf-8", nil), ("application/problem+json", nil),
            ("application/vnd.x+json; a=b", nil), ("", nil), (nil, nil), (nil, "identity"),
            (nil, "Identity"),
        ] as [(String?, String?)])
    func `JSON bodies without coding are read`(type: String?, encoding: String?) throws {
        let desk = IngestDesk()
        #expect(desk.planned("POST", "/logs", Self.headers(type, encoding, length: 2)) == nil)
        let chunked = Self.headers(type, encoding, length: nil)
        #expect(try desk.send("POST", "/logs", headers: chunked, "{}").status == 200)
    }

    @Test(
        arguments: [
            ("text/plain", nil), ("application/x-ndjson", nil), ("application/jsonx", nil),
            ("text/plain; a=application/json", nil), ("application/x-www-form-urlencoded", nil),
            ("application/json", "gzip"), (nil, "identity, gzip"),
        ] as [(String?, String?)])
    func `other bodies are 415, if there is one`(type: String?, encoding: String?) throws {
        let desk = IngestDesk()
        let headers = Self.headers(type, encoding, length: 2)
        #expect(desk.planned("POST", "/logs", headers)?.status == 415)
        #expect(desk.planned("POST", "/logs", Self.headers(type, encoding, length: 0)) == nil)
        let chunked = Self.headers(type, encoding, length: nil)
        #expect(desk.planned("POST", "/logs", chunked) == nil)
        #expect(try desk.send("POST", "/logs", headers: chunked, "{}").status == 415)
        #expect(try desk.send("POST", "/logs", headers: chunked, "").status == 400)
        #expect(desk.sink.accepted.isEmpty)
    }

    private static func headers(
        _ type: String?, _ encoding: String?, length: Int?
    ) -> HTTPHeaders {
        var headers = HTTPHeaders()
        if let type { headers.add(name: "Content-Type", value: type) }
        if let encoding { headers.add(name: "Content-Encoding", value: encoding) }
        if let length { headers.add(name: "Content-Length", value: "\(length)") }
        return headers
    }

    @Test func `a body may be as long as the setting says`() throws {
        let desk = IngestDesk(settings: IngestSettings(bodyBytesMax: 77))
        guard case .read(let bytesMax) = desk.plan("POST", "/logs", [:]) else {
            Issue.record("the body is not read")
            return
        }
        #expect(bytesMax == 77)
    }

    // MARK: Who may come in

    @Test(arguments: [
        "127.0.0.1", "127.0.0.1:7575", "127.255.0.9:80", "localhost", "LocalHost:7575",
        "localhost.", "[::1]", "[::1]:7575", "spool.internal", "Spool.Internal:80",
    ])
    func `loopback and listed names reach the TCP port`(host: String) {
        let desk = IngestDesk(settings: IngestSettings(hosts: ["Spool.internal"]))
        #expect(desk.planned("POST", "/logs", ["Host": host], peer: .tcp) == nil)
        let origin: HTTPHeaders = ["Origin": "http://\(host)"]
        #expect(desk.planned("POST", "/logs", origin, peer: .tcp) == nil)
    }

    @Test(arguments: [
        "evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "128.0.0.1",
        "127.0.0", "127.0.0.256", "127.0.0.+1", "127.0.0.1:80x", "localhost:80:80", "[::2]",
        "::1", "localhost.evil", "xlocalhost", "", ":80", "localhost..",
    ])
    func `other names do not, whatever the path`(host: String) {
        let desk = IngestDesk()
        for path in ["/logs", "/healthz", "/nowhere"] {
            #expect(desk.planned("POST", path, ["Host": host], peer: .tcp)?.status == 403)
        }
        #expect(desk.planned("POST", "/logs", ["Host": host]) == nil)
    }

    @Test func `a second Host is judged too`() {
        let headers: HTTPHeaders = ["Host": "localhost", "host": "evil.example"]
        #expect(IngestDesk().planned("POST", "/logs", headers, peer: .tcp)?.status == 403)
    }

    @Test(arguments: [
        ("Origin", "https://evil.example"), ("Origin", "null"), ("Origin", ""),
        ("Origin", "http://localhost.evil.example:80"), ("Origin", "localhost"),
        ("Origin", "http:/localhost"), ("Origin", "file://"),
        ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "Cross-Site"),
    ])
    func `pages of other sites are refused on every transport`(name: String, value: String) {
        let headers: HTTPHeaders = ["Host": "localhost", name: value]
        #expect(IngestDesk().planned("POST", "/logs", headers, peer: .tcp)?.status == 403)
        #expect(IngestDesk().planned("POST", "/logs", headers)?.status == 403)
    }

    @Test func `pages of this machine are let in`() {
        let headers: HTTPHeaders = [
            "Host": "localhost:7575", "Origin": "https://localhost:3000",
            "Sec-Fetch-Site": "same-site",
        ]
        #expect(IngestDesk().planned("POST", "/logs", headers, peer: .tcp) == nil)
    }

    // MARK: Health

    @Test func `health is 200 and tells the trouble, readiness is 503 for as long as there is any`()
        throws
    {
        for method in ["GET", "HEAD"] {
            for path in ["/healthz", "/readyz", "/v4/healthz"] {
                let answer = try IngestDesk().send(method, path)
                #expect(answer.status == 200)
                #expect(!String(decoding: answer.body, as: UTF8.self).contains("trouble"))
            }
        }
        let condition = DoorCondition(
            health: { $0("the disk \"hangs\"") }, readiness: { $0("the spool is full") })
        let troubled = IngestDesk(settings: IngestSettings(condition: condition))
        let health = try troubled.send("GET", "/healthz")
        #expect(health.status == 200)
        let words = try JSONValue(parsing: health.body)
        #expect(words["trouble"]?.stringValue == "the disk \"hangs\"")
        let readiness = try troubled.send("GET", "/readyz")
        #expect(readiness.status == 503)
        #expect(String(decoding: readiness.body, as: UTF8.self).contains("the spool is full"))
    }
}

import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// `Prefer: wait=N`: read your own writes.
@Suite struct IngestWaitTests {
    private let desk = IngestDesk()
    private static let evaluationLog = #"{"datapoint_id":"d","log":{"project":"p"}}"#

    private func sequence(_ number: Int64) -> EventSequence { EventSequence(rawValue: number) }

    @Test func `the answer comes with the delivery, under upstream's ids`() throws {
        let answers = desk.begin(
            "POST", "/logs", headers: ["Prefer": "wait=10"],
            #"{"project":"p","session_reference_id":"s"}"#)
        #expect(desk.sink.accepted.count == 1)
        #expect(answers.all.isEmpty)
        desk.lookup.know(.project, sequence(1), .upstream("pr_up"))
        desk.lookup.know(.session, sequence(1), .upstream("sesh_up"))
        desk.lookup.deliver(sequence(1), as: "data_\"up")
        let answer = try #require(answers.all.first)
        #expect(answer.status == 200)
        #expect(answer.header("Preference-Applied") == "wait=10")
        #expect(try answer.json["id"]?.stringValue == "data_\"up")
        #expect(try answer.json["project_id"]?.stringValue == "pr_up")
        #expect(try answer.json["session_id"]?.stringValue == "sesh_up")
        #expect(desk.time.timerCount == 0)
        desk.time.pass(.seconds(60))
        #expect(answers.all.count == 1)
    }

    @Test func `when the time is over the answer is provisional`() throws {
        let answers = desk.begin("POST", "/logs", headers: ["Prefer": "wait=10"], "{}")
        desk.time.pass(.seconds(9))
        #expect(answers.all.isEmpty)
        desk.time.pass(.seconds(1))
        let answer = try #require(answers.all.first)
        #expect(answer.header("Preference-Applied") == "wait=10")
        #expect(try answer.json["id"]?.stringValue == desk.id(.log, 1))
        #expect(try answer.json["project_id"]?.stringValue == desk.id(.project, 1))
        #expect(desk.lookup.watchCount == 0)
        desk.lookup.deliver(sequence(1), as: "data_up")
        #expect(answers.all.count == 1)
    }

    @Test func `an array waits for all of its logs`() throws {
        let answers = desk.begin("POST", "/logs", headers: ["Prefer": "wait=10"], "[{},{},{}]")
        desk.lookup.deliver(sequence(1), as: "data_a")
        desk.lookup.deliver(sequence(3), as: "data_c")
        #expect(answers.all.isEmpty)
        desk.lookup.deliver(sequence(2), as: nil)
        let ids = try #require(try answers.all.first?.json.elements).map { $0["id"]?.stringValue }
        #expect(ids == ["data_a", desk.id(.log, 2), "data_c"])
    }

    @Test func `an evaluation's log can be waited for too`() throws {
        let answers = desk.begin(
            "POST", "/evaluations/ev_1/log", headers: ["Prefer": "wait=1"], Self.evaluationLog)
        #expect(answers.all.isEmpty)
        desk.lookup.deliver(sequence(1), as: "data_up")
        #expect(answers.all.map(\.status) == [201])
        #expect(try answers.all.first?.json["id"]?.stringValue == "data_up")
    }

    @Test func `what has been delivered before is not waited for`() throws {
        desk.lookup.deliver(sequence(1), as: "data_up")
        let answer = try desk.send("POST", "/logs", headers: ["Prefer": "wait=10"], "{}")
        #expect(try answer.json["id"]?.stringValue == "data_up")
        #expect(desk.time.timerCount == 0)
        #expect(desk.lookup.watchCount == 0)
    }

    @Test func `no answer waits longer than a minute`() throws {
        for wish in ["61", "99999999999999999999999"] {
            let desk = IngestDesk()
            let answers = desk.begin("POST", "/logs", headers: ["Prefer": "wait=\(wish)"], "{}")
            desk.time.pass(.seconds(60))
            #expect(answers.all.first?.header("Preference-Applied") == "wait=60")
        }
    }

    @Test(arguments: [
        ("wait=3", 3), ("respond-async, wait=3", 3), ("WAIT = \"3\" ; x=1", 3),
        ("wait=3,wait=5", 3),
        ("x=\"a\", Wait=03", 3),
    ])
    func `the preference is read as its standard writes it`(field: String, seconds: Int) {
        let answers = desk.begin("POST", "/logs", headers: ["Prefer": field], "{}")
        desk.time.pass(.seconds(seconds) - .milliseconds(1))
        #expect(answers.all.isEmpty)
        desk.time.pass(.milliseconds(1))
        #expect(answers.all.first?.header("Preference-Applied") == "wait=\(seconds)")
    }

    @Test(arguments: ["wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "waits=3", "x;wait=3", ""])
    func `what is no wait is no preference, and answered at once`(field: String) throws {
        let answer = try desk.send("POST", "/logs", headers: ["Prefer": field], "{}")
        #expect(answer.header("Preference-Applied") == nil)
        #expect(desk.lookup.watchCount == 0)
    }

    @Test func `only what makes logs is waited for, and refusals come at once`() throws {
        let headers: HTTPHeaders = ["Prefer": "wait=10"]
        for (method, path, body) in [
            ("POST", "/feedback", #"{"type":"t"}"#), ("POST", "/sessions", ""),
            ("PATCH", "/logs/data_1", "{}"), ("POST", "/logs", "[]"), ("POST", "/logs", "7"),
        ] {
            #expect(
                try desk.send(method, path, headers: headers, body)
                    .header("Preference-Applied") == nil)
        }
        desk.sink.refuse(.full)
        #expect(try desk.send("POST", "/logs", headers: headers, "{}").status == 503)
        #expect(desk.time.timerCount == 0)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a request that waits for its delivery holds no memory of the door's`() async throws {
        let desk = IngestDesk(commits: .onCommand)
        let budget = ByteBudget(bytesMax: 1 << 20)
        try await desk.serve(budget: budget) { connect in
            let body = #"{"output":"\#(String(repeating: "x", count: 1000))"}"#
            let client = try connect()
            try await client.send(
                "POST /logs HTTP/1.1\r\nPrefer: wait=60\r\nContent-Length: \(body.utf8.count)"
                    + "\r\n\r\n\(body)")
            await desk.sink.waitForAppends(1)
            #expect(budget.reserved == body.utf8.count, "before the commit it does")
            desk.sink.commit()
            #expect(budget.reserved == 0)
            #expect(client.hasNothingToReceive)
            #expect(desk.lookup.watchCount == 1)
            desk.lookup.deliver(sequence(1), as: "data_up")
            let answer = try await client.answer()
            #expect(answer.status == 200)
            #expect(answer.body.contains("data_up"))
        }
    }

    @Test func `nobody who waits keeps the daemon from stopping`() throws {
        let answers = desk.begin("POST", "/logs", headers: ["Prefer": "wait=60"], "{}")
        desk.api.stopWaiting()
        #expect(answers.all.map(\.status) == [200])
        #expect(try answers.all.first?.json["id"]?.stringValue == desk.id(.log, 1))
        #expect(desk.time.timerCount == 0)
        #expect(desk.lookup.watchCount == 0)
        let later = try desk.send("POST", "/logs", headers: ["Prefer": "wait=60"], "{}")
        #expect(later.status == 200)
    }
}

import SpoolCore
import SpoolSender
import Testing

@Suite struct `A request` {
    private func request(
        _ route: Route, _ bodies: [String], address: String? = nil, references: [String?] = [],
        ids: [ExactName: String] = [:]
    ) -> UpstreamRequest {
        var bytes: [UInt8] = []
        let kind = EventKind.allCases.first { $0.route == route } ?? .update
        let events = bodies.enumerated().map { place, body in
            let start = bytes.count
            bytes.append(contentsOf: body.utf8)
            return LeasedEvent(
                sequence: EventSequence(rawValue: Int64(place) + 1), kind: kind, lane: 1,
                body: start..<bytes.count, address: address,
                acceptedAt: Timestamp(milliseconds: 0), attempts: 0, isAskable: true,
                namesUnknownLog: false,
                unresolvedReference: references.indices.contains(place) ? references[place] : nil)
        }
        let lease = Lease(id: 1, route: route, bytes: bytes, events: events, isRegrouped: false)
        return RequestEncoder.request(
            for: lease, places: Array(events.indices), ids: ids, timeout: .seconds(1))
    }

    private func text(_ request: UpstreamRequest) -> String {
        String(decoding: request.body, as: UTF8.self)
    }

    @Test(arguments: [Route.postLogs, .postFeedback])
    func `carries logs and feedback as an array, a single one too`(route: Route) {
        let one = request(route, [#"{"a": 1e0}"#])
        #expect(one.method == "POST")
        #expect(one.target == route.path)
        #expect(text(one) == #"[{"a": 1e0}]"#)
        #expect(text(request(route, ["{}", #"{"b":2}"#])) == #"[{},{"b":2}]"#)
    }

    @Test func `creates a session without a body, whatever was kept of it`() {
        for kept in ["", "{}"] {
            let session = request(.postSession, [kept])
            #expect(session.method == "POST")
            #expect(session.target == "/sessions")
            #expect(session.body.isEmpty)
        }
    }

    @Test(arguments: [
        ("data_1", "/logs/data_1"), ("a/b", "/logs/a%2Fb"), ("a%2Fb", "/logs/a%252Fb"),
        ("a b?c#d", "/logs/a%20b%3Fc%23d"), ("ä", "/logs/%C3%A4"), (".", "/logs/%2E"),
        ("..", "/logs/%2E%2E"), ("...", "/logs/..."), ("../..", "/logs/..%2F.."),
    ])
    func `names an updated log in one segment of its path`(id: String, target: String) {
        let update = request(.patchLog, [#"{"output":"x"}"#], address: id)
        #expect(update.method == "PATCH")
        #expect(update.target == target)
        #expect(text(update) == #"{"output":"x"}"#)
    }

    @Test func `names an updated log by its reference in the query`() {
        let update = request(.patchLogByReference, ["{}"], address: "a/b c&d")
        #expect(update.target == "/logs?reference_id=a%2Fb%20c%26d")
    }

    @Test(arguments: [
        ("ev_1", "/evaluations/ev_1/", ""), ("ev%2F1%20", "/evaluations/ev%2F1%20/", ""),
        ("ev_1?evaluatee_id=evv_1&x=%20/?", "/evaluations/ev_1/", "?evaluatee_id=evv_1&x=%20/?"),
        ("ev_1?", "/evaluations/ev_1/", "?"),
        ("ev 1\"?a=\"b\"#", "/evaluations/ev%201%22/", "?a=%22b%22%23"),
        ("100%?p=5%", "/evaluations/100%25/", "?p=5%25"), ("..", "/evaluations/%2E%2E/", ""),
        ("a/../b", "/evaluations/a%2F..%2Fb/", ""),
    ])
    func `keeps an evaluation's id and query as they came`(
        address: String, path: String, query: String
    ) {
        let log = request(.postEvaluationLog, [#"{"log":{}}"#], address: address)
        #expect(log.method == "POST")
        #expect(log.target == "\(path)log\(query)")
        #expect(text(log) == #"{"log":{}}"#)
        let result = request(.postEvaluationResult, [#"{"log_id":"a"}"#], address: address)
        #expect(result.method == "POST")
        #expect(result.target == "\(path)result\(query)")
    }

    @Test func `carries the id of a log that was named by reference`() {
        let feedback = request(
            .postFeedback, [#"{"type":"a","reference_id":"x"}"#, #"{"type":"b","data_id":"d"}"#],
            references: ["x", nil], ids: [ExactName("x"): "data_9"])
        #expect(
            text(feedback) == #"[{"data_id":"data_9","type":"a"},{"type":"b","data_id":"d"}]"#)
        let result = request(
            .postEvaluationResult, [#"{"reference_id":"x","evaluator_id":"e"}"#], address: "ev_1",
            references: ["x"], ids: [ExactName("x"): "data_9"])
        #expect(text(result) == #"{"log_id":"data_9","evaluator_id":"e"}"#)
    }

    @Test func `asks by changing nothing`() {
        let question = RequestEncoder.question(about: "a/b", timeout: .seconds(3))
        #expect(question.method == "PATCH")
        #expect(question.target == "/logs?reference_id=a%2Fb")
        #expect(question.body == Array("{}".utf8))
        #expect(question.timeout == .seconds(3))
    }
}

import SpoolCore
import Testing

@Suite struct QueuedLogAnswerTests {
    private let time = Timestamp(milliseconds: 1_767_323_045_678)

    private func answer(_ body: String, kind: EventKind = .log) throws -> JSONValue {
        let event = QueuedEvent(
            kind: kind, body: Array(body.utf8), acceptedAt: time, projectID: "pr_1",
            isInFlight: false)
        return try JSONValue(parsing: QueuedLogAnswer(id: "data_1", event).body)
    }

    private let required = [
        "id", "project_id", "config", "evaluation_results", "observability_status", "updated_at",
    ]

    @Test func `a queued log has every key that LogResponse requires`() throws {
        for body in ["{}", "[]", "", "{\"output\":"] {
            let log = try answer(body)
            #expect(log.members?.map(\.0) == required)
            #expect(log["id"]?.stringValue == "data_1")
            #expect(log["config"]?["type"]?.stringValue == "generic")
            #expect(log["evaluation_results"]?.elements?.isEmpty == true)
            #expect(log["observability_status"]?.stringValue == "pending")
            let updated = try #require(log["updated_at"]?.stringValue)
            #expect(DateTime(updated)?.time == time)
        }
    }

    @Test func `a queued log shows what it was sent with, documented keys only, as written`() throws
    {
        let log = try answer(
            #"""
            {"project":"p","project_id":"pr_x","output":"\u0061","duration":1.50,"error":null,
             "inputs":{"id":1},"config":{"model":"m"},"id":"no","prompt_cost":1e400}
            """#)
        #expect(
            log.members?.map(\.0)
                == required + ["project", "output", "duration", "inputs", "prompt_cost"])
        #expect(log["project_id"]?.stringValue == "pr_1")
        #expect(log["output"]?.stringValue == "a")
        #expect(log["duration"] == .number("1.50"))
        #expect(log["prompt_cost"] == .number("1e400"))
    }

    @Test func `of a key given twice the last counts`() throws {
        let log = try answer(#"{"output":"a","error":"x","output":"b","error":null}"#)
        #expect(log.members?.map(\.0) == required + ["output"])
        #expect(log["output"]?.stringValue == "b")
    }

    @Test(arguments: [
        #"{"feedback":{"type":"t","value":1,"user":null,"x":2}}"#,
        #"{"a":0, "feedback": [ {"type":"t","value":1} , {"type":"u","value":"é"} ]}"#,
    ])
    func `inline feedback is always an array, with ids yet to come`(body: String) throws {
        let items = try #require(try answer(body)["feedback"]?.elements)
        #expect(items.count == (body.contains("é") ? 2 : 1))
        for item in items { #expect(item.members?.map(\.0) == ["id", "type", "value"]) }
        #expect(items[0]["id"]?.stringValue == "")
        #expect(items[0]["value"] == .number("1"))
        #expect(items.last?["value"] == (items.count == 2 ? .string("é") : .number("1")))
    }

    @Test func `of an evaluation's log the inner one is shown`() throws {
        let log = try answer(
            #"{"datapoint_id":"d","output":"no","log":{"output":"yes","feedback":[]}}"#,
            kind: .evaluationLog)
        #expect(log.members?.map(\.0) == required + ["output", "feedback"])
        #expect(log["output"]?.stringValue == "yes")
        // A log may have unknown members of the same names.
        let plain = try answer(#"{"datapoint_id":"d","log":{"output":"no"},"output":"yes"}"#)
        #expect(plain["output"]?.stringValue == "yes")
    }
}

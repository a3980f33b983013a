import SpoolCore
import Testing

@Suite struct `What tells an evaluation's log from others` {
    private func facts(_ body: String, _ kind: EventKind) -> LogFacts? {
        var body = body
        return body.withUTF8 { LogFacts(UnsafeRawBufferPointer($0), of: kind) }
    }

    @Test func `is read from the log inside`() throws {
        let body = """
            {"reference_id":"outer","datapoint_id":"d","\\u006cog":
             {"reference_id":"inner","created_at":"2026-01-02T03:04:05Z","log":{}},"x":1}
            """
        let inner = try #require(facts(body, .evaluationLog))
        #expect(inner.referenceID == "inner")
        #expect(inner.createdAt == "2026-01-02T03:04:05Z")
        #expect(facts(body, .log)?.referenceID == "outer")
    }

    @Test(arguments: ["{}", "[]", #"{"log":null}"#, #"{"log":[]}"#, #"{"log":{}"#, ""])
    func `is nothing where there is no log inside`(body: String) {
        #expect(facts(body, .evaluationLog) == nil)
    }
}

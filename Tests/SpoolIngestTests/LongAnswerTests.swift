import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// Answers that wait for somebody, and the memory they hold.
@Suite struct LongAnswerTests {
    private let answers = ByteBudget(bytesMax: 250_000)
    private let queued = EventSequence(rawValue: 1)

    private func desk(_ commits: RecordingSink.Commits = .immediately) -> IngestDesk {
        let desk = IngestDesk(commits: commits, settings: IngestSettings(answers: answers))
        let text = String(repeating: "x", count: 100_000)
        let event = QueuedEvent(
            body: Array(#"{"project":"p","output":"\#(text)"}"#.utf8),
            acceptedAt: Timestamp(milliseconds: 0), projectID: "pr_1", isInFlight: false)
        desk.lookup.know(.log, queued, .queued(event))
        return desk
    }

    @Test func `a long log is shown only while there is memory for it until it is read`() throws {
        let desk = desk()
        func show() throws -> HTTPAnswer {
            try desk.send("GET", "/logs/" + desk.id(.log, queued.rawValue))
        }
        let first = try show()
        let second = try show()
        #expect([first, second].map(\.status) == [200, 200])
        #expect(answers.reserved == first.body.count + second.body.count)
        let third = try show()
        #expect(third.status == 503)
        #expect(third.header("Retry-After") == "1")
        // The client has read it.
        first.share?.release()
        #expect(try show().status == 200)
    }

    @Test func `where there is no memory for a long answer nothing is accepted, short ones are`()
        throws
    {
        let desk = desk()
        #expect(answers.tryReserve(250_000))
        let logs = "[" + Array(repeating: #"{"project":"p"}"#, count: 1_000).joined(separator: ",")
        let refused = try desk.send("POST", "/logs", logs + "]")
        #expect(refused.status == 503)
        #expect(try refused.json["detail"]?.stringValue?.contains("nothing was accepted") == true)
        #expect(desk.sink.bodies.isEmpty)
        #expect(try desk.send("POST", "/logs", #"{"project":"p"}"#).status == 200)
        answers.release(250_000)
        let accepted = try desk.send("POST", "/logs", logs + "]")
        #expect(accepted.status == 200)
        #expect(answers.reserved >= accepted.body.count)
    }

    @Test func `a long answer that waits for a delivery holds its memory, and no longer`() throws {
        let desk = desk()
        let logs = "[" + Array(repeating: #"{"project":"p"}"#, count: 1_000).joined(separator: ",")
        do {
            let waiting = desk.begin("POST", "/logs", headers: ["Prefer": "wait=60"], logs + "]")
            #expect(waiting.all.isEmpty)
            #expect(answers.reserved > 100_000)
            desk.api.stopWaiting()
            #expect(waiting.all.map(\.status) == [200])
        }
        #expect(answers.reserved == 0)
    }
}

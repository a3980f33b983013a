import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// `duplicate_references: refuse`: the queue knows another log with other bytes under a reference.
@Suite(.timeLimit(.minutes(1))) struct DuplicateReferenceTests {
    typealias Fixture = EventStreamFixture

    private static let taken = #"{"project":"p","reference_id":"taken"}"#

    private static func log(_ reference: String) -> String {
        #"{"log":{"reference_id":"\#(reference)"}}"# + "\n"
    }

    @Test(arguments: [
        ("/logs", taken, ["body", "reference_id"]),
        ("/logs", "[\(taken)]", ["body", "0", "reference_id"]),
        ("/v4/logs", #"[{},{"reference_id":"free"},\#(taken)]"#, ["body", "2", "reference_id"]),
        (
            "/evaluations/ev_1/log", #"{"datapoint_id":"d","log":\#(taken)}"#,
            ["body", "log", "reference_id"]
        ),
    ])
    func `HTTP answers 409, says where, and accepts nothing of the request`(
        path: String, body: String, loc: [String]
    ) throws {
        let desk = IngestDesk()
        desk.sink.take(reference: "taken")
        let answer = try desk.send("POST", path, headers: ["Prefer": "wait=5"], body)
        #expect(answer.status == 409)
        #expect(answer.header("Retry-After") == nil)
        #expect(try answer.json["detail"]?.elements?.count == 1)
        let mistake = try #require(try answer.json["detail"]?[0])
        let steps = try #require(mistake["loc"]?.elements)
        #expect(steps.map { $0.stringValue ?? $0.intValue.map(String.init) } == loc)
        #expect(mistake["type"]?.stringValue == "value_error")
        #expect(mistake["msg"]?.stringValue?.contains("taken") == true)
        #expect(desk.sink.accepted.isEmpty)
        #expect(try desk.send("POST", "/logs", #"{"reference_id":"free"}"#).status == 200)
        #expect(try desk.send("PATCH", "/logs", query: "reference_id=taken", "{}").status == 200)
    }

    @Test func `a long reference is not repeated in full`() throws {
        let desk = IngestDesk()
        let reference = String(repeating: "r", count: Limits.referenceBytesMax)
        desk.sink.take(reference: reference)
        let answer = try desk.send("POST", "/logs", #"{"reference_id":"\#(reference)"}"#)
        #expect(answer.status == 409)
        #expect(answer.body.count < 500)
    }

    @Test func `a stream's line is refused by itself, its neighbours are accepted in order`()
        async throws
    {
        try await Fixture.run(commits: .onCommand) { stream in
            for reference in ["x", "y", "z"] { stream.sink.take(reference: reference) }
            let client = try stream.connect()
            try await client.send(
                Fixture.acks + Self.log("x") + "\n" + Fixture.log(1) + "bad\n" + Self.log("y")
                    + Fixture.log(2)
                    + #"{"evaluation_log":{"evaluation_id":"e","datapoint_id":"d","#
                    + #""log":{"reference_id":"z"}}}"# + "\n" + Fixture.log(3))
            // Three refusals, each told at once, and a fourth try that waits for the disk.
            await stream.sink.waitForAppends(4)
            var refusals: [String] = []
            for _ in 1...4 { refusals.append(try await client.receiveLine()) }
            #expect(client.hasNothingToReceive)
            let numbers = refusals.map { $0.drop { !$0.isNumber }.prefix { $0.isNumber } }
            #expect(numbers == ["4", "1", "5", "7"])
            #expect(refusals[1].contains(#"[{"loc":["line","log","reference_id"],"msg":""#))
            #expect(
                refusals[3].contains(#""loc":["line","evaluation_log","log","reference_id"]"#))
            stream.sink.commit()
            #expect(try await client.receiveLine() == "{\"acked\":8}")
            #expect(stream.outputs == ["1", "2", "3"])
            #expect(stream.listener.counters.refusedLines == 4)
            #expect(stream.listener.counters.deferrals == 0)
            #expect(stream.sink.malformed.isEmpty)
        }
    }

    @Test func `a stream of nothing but such lines is dealt with, and goes on`() async throws {
        try await Fixture.run { stream in
            stream.sink.take(reference: "x")
            let client = try stream.connect()
            try await client.send(Fixture.acks + Self.log("x") + Self.log("x"))
            let replies = try await client.receiveLines(through: "{\"acked\":2}")
            #expect(replies.count { $0.hasPrefix("{\"refused\":") } == 2)
            #expect(stream.sink.accepted.isEmpty, "nothing at all was given to the disk")
            try await client.send(Fixture.log(3))
            #expect(try await client.receiveLine() == "{\"acked\":3}")
            #expect(stream.outputs == ["3"])
        }
    }

    @Test func `a stream without acks keeps the event among the malformed input`() async throws {
        try await Fixture.run { stream in
            stream.sink.take(reference: "x")
            let client = try stream.connect()
            try await client.send(Fixture.log(1) + Self.log("x") + Fixture.log(2))
            client.shutdownSending()
            #expect(try await client.receiveAll() == [])
            #expect(stream.outputs == ["1", "2"])
            let kept = try #require(stream.sink.malformed.first)
            #expect(stream.sink.malformed.count == 1)
            #expect(String(decoding: kept.input, as: UTF8.self).contains(#""reference_id":"x"}"#))
            #expect(kept.reason.hasPrefix("line.log.reference_id: another log"))
        }
    }

    @Test func `a full spool is still waited for after a line was refused`() async throws {
        var settings = EventStreamSettings()
        settings.retryDelay = .milliseconds(2)
        try await Fixture.run(settings: settings) { stream in
            stream.sink.take(reference: "x")
            stream.sink.refuse(.full)
            let client = try stream.connect()
            try await client.send(Fixture.acks + Fixture.log(1) + Self.log("x") + Fixture.log(2))
            await stream.sink.waitForAppends(3)
            stream.sink.refuse(nil)
            let replies = try await client.receiveLines(through: "{\"acked\":3}")
            #expect(replies.count { $0.hasPrefix("{\"refused\":2,") } == 1)
            #expect(stream.outputs == ["1", "2"])
        }
    }
}

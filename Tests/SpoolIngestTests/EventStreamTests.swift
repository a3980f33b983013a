import NIOCore
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

@Suite("The event stream", .timeLimit(.minutes(2)))
struct EventStreamTests {
    typealias Fixture = EventStreamFixture

    @Test("events are accepted without a word by default")
    func silent() async throws {
        try await Fixture.run { stream in
            for option in ["", "{\"acks\":false}\n"] {
                let client = try stream.connect()
                try await client.send(option + Fixture.log(1) + Fixture.log(2))
                client.shutdownSending()
                #expect(try await client.receiveAll() == [])
            }
            #expect(stream.outputs == ["1", "2", "1", "2"])
            #expect(stream.sink.malformed == [])
            #expect(stream.sink.accepted[0].submission.caller.hasPrefix("uid:"))
        }
    }

    @Test("all lines of one read are one submission, and an ack counts blank lines")
    func acks() async throws {
        try await Fixture.run { stream in
            let client = try stream.connect()
            try await client.send(
                Fixture.acks + Fixture.log(1) + "\n \t\r\n" + Fixture.log(2) + "\n")
            #expect(try await client.receiveLine() == "{\"acked\":5}")
            #expect(stream.sink.accepted.count == 1)
            try await client.send("\n")
            #expect(try await client.receiveLine() == "{\"acked\":6}")
            try await client.send(Fixture.log(3))
            #expect(try await client.receiveLine() == "{\"acked\":7}")
            #expect(stream.outputs == ["1", "2", "3"])
        }
    }

    @Test(
        "only the option itself is one: every other first line is an event line",
        arguments: [
            ("{\"acks\":1}", false), ("{\"acks\":true,\"x\":1}", false), ("{\"ack\":true}", false),
            ("{\"acks\":true}{}", false), (" { \"acks\" : true } \r", true),
            ("{\"\\u0061cks\":true}", true),
        ])
    func options(line: String, isOption: Bool) async throws {
        try await Fixture.run { stream in
            let client = try stream.connect()
            try await client.send(line + "\n" + Fixture.log(1))
            client.shutdownSending()
            let replies = try await client.receiveRemainingLines()
            #expect(replies == (isOption ? ["{\"acked\":1}"] : []))
            #expect(stream.sink.malformed.count == (isOption ? 0 : 1))
            #expect(stream.outputs == ["1"])
        }
    }

    @Test("a stream cut at any byte is the same stream, with CRLF and without a last newline")
    func cuts() async throws {
        let text = Array(
            (Fixture.acks + Fixture.log(1) + "\r\n" + Fixture.log("é") + Fixture.log(3).dropLast()
                + "\r").utf8)
        try await Fixture.run { stream in
            for cut in 0...text.count {
                let client = try stream.connect()
                try await client.send(Array(text[..<cut]))
                try await client.send(Array(text[cut...]))
                client.shutdownSending()
                #expect(try await client.receiveRemainingLines().last == "{\"acked\":4}")
            }
            let client = try stream.connect()
            for byte in text { try await client.send([byte]) }
            client.shutdownSending()
            #expect(try await client.receiveRemainingLines().last == "{\"acked\":4}")
            let all = Array(repeating: ["1", "é", "3"], count: text.count + 2)
            #expect(stream.outputs == all.flatMap { $0 })
        }
    }

    @Test("long lines come through whole")
    func longLines() async throws {
        try await Fixture.run { stream in
            let client = try stream.connect()
            let outputs = (0..<4).map { String(repeating: "\($0)", count: 1 << 20) }
            try await client.send(Fixture.acks + outputs.map(Fixture.log).joined())
            client.shutdownSending()
            #expect(try await client.receiveRemainingLines().last == "{\"acked\":4}")
            #expect(stream.outputs == outputs)
        }
    }

    @Test("a line that is too long is skipped and refused; the stream goes on")
    func overlong() async throws {
        var settings = EventStreamSettings()
        settings.lineBytesMax = 100_000
        let long = Fixture.log(String(repeating: "x", count: 200_000))
        try await Fixture.run(settings: settings) { stream in
            let client = try stream.connect()
            try await client.send(Fixture.acks + Fixture.log(1) + long + Fixture.log(3))
            let replies = try await client.receiveLines(through: "{\"acked\":3}")
            let refusals = replies.filter { $0.hasPrefix("{\"refused\":2,\"detail\":[{\"loc\":") }
            #expect(refusals.count == 1)
            #expect(stream.outputs == ["1", "3"])

            let silent = try stream.connect()
            try await silent.send(long + Fixture.log(4))
            silent.shutdownSending()
            #expect(try await silent.receiveAll() == [])
            #expect(stream.outputs == ["1", "3", "4"])
            let kept = try #require(stream.sink.malformed.first)
            #expect(kept.input == Array(long.utf8.prefix(Limits.malformedBytesMax)))
            #expect(kept.reason.contains("100000"))
            #expect(kept.source.hasPrefix("stream uid:"))
            #expect(stream.listener.counters.refusedLines == 2)
        }
    }

    @Test("refused lines are told with their number before the ack that covers them")
    func refused() async throws {
        try await Fixture.run { stream in
            let client = try stream.connect()
            let bad: [[UInt8]] = [
                Array("nonsense\n".utf8), Array("{\"log\":{\"output\":7}}\n".utf8),
                Array("{\"log\":{\"output\":\"".utf8) + [0xFF, 0xC0] + Array("\"}}\n".utf8),
                Array("{\"log\":{},\"feedback\":{}}\n".utf8), Array("[]\n".utf8),
            ]
            var text = Array(Fixture.acks.utf8)
            for line in bad { text += Array("\n".utf8) + line + Array(Fixture.log(1).utf8) }
            try await client.send(text)
            let replies = try await client.receiveLines(through: "{\"acked\":15}")
            let refusals = replies.filter { $0.hasPrefix("{\"refused\"") }
            let numbers = refusals.map { $0.drop { !$0.isNumber }.prefix { $0.isNumber } }
            #expect(numbers == ["2", "5", "8", "11", "14"])
            #expect(refusals.allSatisfy { $0.contains(",\"detail\":[{\"loc\":[") })
            #expect(refusals.allSatisfy { $0.hasSuffix("]}") })
            #expect(stream.outputs == Array(repeating: "1", count: 5))
            #expect(stream.sink.malformed == [])
        }
    }

    @Test("an ack comes after the commit; what is read meanwhile is one submission, and in order")
    func ackAfterCommit() async throws {
        try await Fixture.run(commits: .onCommand) { stream in
            let client = try stream.connect()
            try await client.send(Fixture.acks + Fixture.log(0))
            await stream.sink.waitForAppends(1)
            for number in 1...50 { try await client.send(Fixture.log(number) + "\nbad\n") }
            // Its first refusal is read and told although nothing is on disk yet.
            for _ in 1...50 { #expect(try await client.receiveLine().hasPrefix("{\"refused\"")) }
            #expect(client.hasNothingToReceive)
            stream.sink.commit()
            #expect(try await client.receiveLine() == "{\"acked\":1}")
            await stream.sink.waitForAppends(2)
            #expect(client.hasNothingToReceive)
            stream.sink.commit()
            #expect(try await client.receiveLine() == "{\"acked\":151}")
            #expect(stream.sink.accepted.count == 2)
            #expect(stream.outputs == (0...50).map(String.init))
        }
    }

    @Test("a client that leaves within a line: complete lines are kept, a partial one if it parses")
    func disconnect() async throws {
        try await Fixture.run { stream in
            let first = try stream.connect()
            try await first.send(Fixture.log(1) + Fixture.log(2) + "{\"log\":{\"out")
            first.disconnect()
            try await eventually { stream.outputs == ["1", "2"] }
            let second = try stream.connect()
            try await second.send(Fixture.log(3) + String(Fixture.log(4).dropLast()))
            second.disconnect()
            try await eventually { stream.outputs == ["1", "2", "3", "4"] }
        }
    }

    @Test("a stream is not read while too much of it is on its way, and loses nothing")
    func backpressure() async throws {
        try await Fixture.run(commits: .onCommand) { stream in
            let client = try stream.connect()
            let padding = String(repeating: "x", count: 1000)
            let count = 16_000
            let text = (1...count).map { Fixture.log("\($0)-\(padding)") }.joined()
            async let sent: Void = client.send(Fixture.acks + text)
            var acked = ""
            var appends = 1
            // Enough is on its way. A server that read on would do so now; one that does not can only
            // be watched for a while.
            try await eventually { stream.budget.reserved >= 1 << 20 }
            try await Task.sleep(for: .milliseconds(200))
            while acked != "{\"acked\":\(count)}" {
                await stream.sink.waitForAppends(appends)
                appends += 1
                // One submission under way and one gathering, each up to a mebibyte and one read.
                #expect(stream.budget.reserved <= 2 * (1 << 20) + 4 * (1 << 16))
                stream.sink.commit()
                acked = try await client.receiveLine()
            }
            try await sent
            #expect(stream.outputs == (1...count).map { "\($0)-\(padding)" })
        }
    }

    @Test(
        "what the sink cannot take now is tried again until it can, in order",
        arguments: [AppendRefusal.full, .busy, .failing("no disk")])
    func retries(refusal: AppendRefusal) async throws {
        var settings = EventStreamSettings()
        settings.retryDelay = .milliseconds(2)
        try await Fixture.run(settings: settings) { stream in
            stream.sink.refuse(refusal)
            let client = try stream.connect()
            try await client.send(Fixture.acks + Fixture.log(1))
            await stream.sink.waitForAppends(1)
            try await client.send(Fixture.log(2))
            await stream.sink.waitForAppends(4)
            #expect(client.hasNothingToReceive)
            #expect(stream.listener.counters.deferrals >= 2)
            stream.sink.refuse(nil)
            #expect(try await client.receiveLines(through: "{\"acked\":2}").count <= 2)
            #expect(stream.outputs == ["1", "2"])
        }
    }

    @Test("what a client leaves behind is tried again too, and a drain waits for it")
    func retriesAfterLeaving() async throws {
        var settings = EventStreamSettings()
        settings.retryDelay = .milliseconds(2)
        try await Fixture.run(settings: settings) { stream in
            stream.sink.refuse(.full)
            let client = try stream.connect()
            try await client.send(Fixture.log(1))
            await stream.sink.waitForAppends(1)
            try await client.send(Fixture.log(2))
            client.disconnect()
            try await eventually { stream.connections.open == 0 }
            #expect(stream.budget.reserved > 0)
            async let drained: Void = stream.listener.drain()
            let appends = stream.listener.counters.deferrals
            await stream.sink.waitForAppends(appends + 2)
            stream.sink.refuse(nil)
            await drained
            #expect(stream.outputs == ["1", "2"])
        }
    }
}

import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

@Suite("The event stream at the end and at its limits", .timeLimit(.minutes(2)))
struct EventStreamDrainTests {
    typealias Fixture = EventStreamFixture

    @Test("a drain reads and accepts what the kernel holds, acks it, and closes")
    func drain() async throws {
        for _ in 1...20 {
            try await Fixture.run { stream in
                let client = try stream.connect()
                let text = (1...500).map(Fixture.log).joined()
                // Nobody waits for the server to see any of this.
                try await client.send(Fixture.acks + text + Fixture.log(501).dropLast())
                await stream.listener.drain()
                #expect(try await client.receiveRemainingLines().last == "{\"acked\":501}")
                #expect(stream.outputs == (1...501).map(String.init))
            }
        }
    }

    @Test("a drain waits for the commit, and for clients that are silent it does not wait")
    func drainWaitsForCommit() async throws {
        try await Fixture.run(commits: .onCommand) { stream in
            let silent = try stream.connect()
            let client = try stream.connect()
            try await client.send(Fixture.acks + Fixture.log(1) + "{\"log\":{\"outp")
            await stream.sink.waitForAppends(1)
            async let drained: Void = stream.listener.drain()
            #expect(try await silent.receiveAll() == [])
            #expect(client.hasNothingToReceive)
            stream.sink.commit()
            await drained
            // The partial line is neither acked nor refused: it is the client's to send again.
            #expect(try await client.receiveRemainingLines() == ["{\"acked\":1}"])
            #expect(stream.sink.malformed == [])
        }
    }

    @Test("clients that came and went before they were accepted are heard")
    func backlog() async throws {
        try await Fixture.run { stream in
            let clients = try (1...30).map { _ in try stream.connect() }
            for client in clients {
                try await client.send(Fixture.log(1))
                client.disconnect()
            }
            await stream.listener.drain()
            #expect(stream.outputs.count == clients.count)
        }
    }

    @Test("a sink that stops ends the stream without an ack, and the loss is counted")
    func stopping() async throws {
        try await Fixture.run { stream in
            stream.sink.refuse(.stopping)
            let client = try stream.connect()
            try await client.send(Fixture.acks + Fixture.log(1) + Fixture.log(2))
            #expect(try await client.receiveAll() == [])
            #expect(stream.listener.counters.lostLines == 2)
        }
    }

    @Test("cancelling a drain does not wait for a sink that takes nothing")
    func cancelledDrain() async throws {
        var settings = EventStreamSettings()
        settings.retryDelay = .milliseconds(1)
        try await Fixture.run(settings: settings) { stream in
            stream.sink.refuse(.full)
            let client = try stream.connect()
            try await client.send(Fixture.acks + Fixture.log(1))
            await stream.sink.waitForAppends(2)
            let drain = Task { await stream.listener.drain() }
            drain.cancel()
            await drain.value
            #expect(try await client.receiveAll() == [])
            stream.sink.refuse(nil)
        }
    }

    @Test("while the budget is spent streams are not read; then they go on")
    func budget() async throws {
        let budget = ByteBudget(bytesMax: 1 << 20)
        #expect(budget.tryReserve(1 << 20))
        try await Fixture.run(commits: .onCommand, budget: budget) { stream in
            let client = try stream.connect()
            let padding = String(repeating: "x", count: 1000)
            async let sent: Void = client.send(
                Fixture.acks + (1...2000).map { Fixture.log("\($0)-\(padding)") }.joined())
            await stream.sink.waitForAppends(1)
            try await eventually { budget.waiting == 1 }
            // No more than one read, and what its events cost, beyond what the budget has.
            #expect(budget.reserved <= (1 << 20) + (1 << 16) + (1 << 14))
            budget.release(1 << 20)
            var appends = 1
            var acked = ""
            while acked != "{\"acked\":2000}" {
                await stream.sink.waitForAppends(appends)
                appends += 1
                stream.sink.commit()
                acked = try await client.receiveLine()
            }
            try await sent
            #expect(stream.outputs.count == 2000)
        }
    }

    @Test("a short line counts in the budget as what its event costs, too")
    func shortLines() async throws {
        try await Fixture.run(commits: .onCommand) { stream in
            let client = try stream.connect()
            try await client.send(String(repeating: "{\"log\":{}}\n", count: 1_000))
            try await eventually { stream.budget.reserved >= 1_000 * (10 + 200) }
            try await eventually {
                stream.sink.commit()
                return stream.sink.bodies.count == 1_000
            }
            try await eventually { stream.budget.reserved == 0 }
        }
    }

    @Test("a long line whose rest does not come, or too slowly, is given up; a short one may pause")
    func unfinishedLine() async throws {
        var settings = EventStreamSettings()
        settings.readTimeout = .milliseconds(50)
        // Nothing earns more time.
        settings.readBytesPerSecondMin = .max
        try await Fixture.run(settings: settings) { stream in
            let short = try stream.connect()
            let half = String(repeating: "s", count: 30_000)
            try await short.send(Fixture.acks + "{\"log\":{\"output\":\"\(half)")
            let long = try stream.connect()
            for hasPauses in [true, false] {
                try await long.send(hasPauses ? Fixture.acks : "")
                try await long.send(String(repeating: "x", count: 300_000))
                // Byte after byte, at the latest until the line has a length of its own to be refused for.
                for _ in 0..<1_000_000 where stream.budget.reserved > 200_000 {
                    if hasPauses { try await Task.sleep(for: .milliseconds(1)) }
                    try await long.send(hasPauses ? "" : "x")
                }
                try await eventually { stream.budget.reserved < 200_000 }
                try await long.send("\n" + Fixture.log("long"))
                let number = hasPauses ? 1 : 3
                let replies = try await long.receiveLines(through: "{\"acked\":\(number + 1)}")
                let refusal = try #require(replies.first { $0.contains("refused") })
                #expect(refusal.hasPrefix("{\"refused\":\(number),"))
                #expect(refusal.contains("did not come in time"))
            }
            try await short.send("\"}}\n")
            #expect(try await short.receiveLine() == "{\"acked\":1}")
            #expect(stream.outputs == ["long", "long", half])
        }
    }

    @Test("a long line for which there is no memory is given up, so that none waits forever")
    func longLineWithoutMemory() async throws {
        var settings = EventStreamSettings()
        settings.budgetWait = .milliseconds(20)
        let budget = ByteBudget(bytesMax: 1 << 20)
        #expect(budget.tryReserve(768 << 10))
        try await Fixture.run(budget: budget, settings: settings) { stream in
            let client = try stream.connect()
            let long = Fixture.log(String(repeating: "x", count: 1 << 20))
            try await client.send(Fixture.acks)
            async let sent: Void = client.send(long + Fixture.log(2))
            let replies = try await client.receiveLines(through: "{\"acked\":2}")
            #expect(replies.filter { $0.hasPrefix("{\"refused\":1,") }.count == 1)
            #expect(stream.outputs == ["2"])
            try await sent
            budget.release(768 << 10)
        }
    }

    @Test("a client that does not read its replies is not read either, and nothing is lost")
    func unreadReplies() async throws {
        try await Fixture.run { stream in
            let client = try stream.connect()
            let count = 10_000
            async let sent: Void = client.send(
                Fixture.acks + String(repeating: "bad\n", count: count) + Fixture.log(1))
            let replies = try await client.receiveLines(through: "{\"acked\":\(count + 1)}")
            try await sent
            #expect(replies.filter { $0.hasPrefix("{\"refused\"") }.count == count)
        }
    }
}

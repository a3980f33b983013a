import NIOCore
import NIOHTTP1
import SpoolServer
import SpoolTestKit
import Testing

@Suite("Bodies, limits and the budget", .timeLimit(.minutes(2)))
struct HTTPBodyTests {
    private static let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test("100 Continue comes after the plan and the budget, then the answer")
    func expectContinue() async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            for framing in ["Content-Length: 2", "Transfer-Encoding: chunked"] {
                try await client.send(
                    "POST / HTTP/1.1\r\nExpect: 100-Continue\r\n\(framing)\r\n\r\n")
                let invitation = try await client.receive(through: "\r\n\r\n")
                #expect(invitation == Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
                let isChunked = framing.hasPrefix("T")
                try await client.send(isChunked ? "2\r\nok\r\n0\r\n\r\n" : "ok")
                #expect(try await Response.receive(from: client).body == "POST / ok")
            }
        }
    }

    @Test("a refusal by the head comes without 100 Continue and without reading the body")
    func refusedByHead() async throws {
        let application = ScriptedApplication { head in
            head.uri == "/no" ? .answer(.detail(status: 404, "no")) : .read(bytesMax: 10)
        }
        try await ServerFixture.run(application) { server in
            let expecting = try server.connect()
            let refused = try await expecting.exchange(
                "POST /no HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            #expect(refused.status == 404)
            #expect(refused.body == "{\"detail\":\"no\"}")
            #expect(refused.headers["connection"] == "close")
            #expect(try await expecting.receiveAll() == [])

            let bodyless = try server.connect()
            #expect(try await bodyless.exchange("GET /no HTTP/1.1\r\n\r\n").status == 404)
            #expect(try await bodyless.exchange("GET /yes HTTP/1.1\r\n\r\n").status == 200)
        }
    }

    @Test("a body of the greatest length is read, one byte more is 413")
    func bodyLimit() async throws {
        let application = ScriptedApplication { _ in .read(bytesMax: 100_000) }
        try await ServerFixture.run(application) { server in
            let body = String(repeating: "b", count: 100_000)
            let client = try server.connect()
            let taken = try await client.exchange(
                "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n\(body)")
            #expect(taken.body == "POST / \(body)")
            let chunked = try await client.exchange(
                "\(Self.chunked)186A0\r\n\(body)\r\n0\r\n\r\n")
            #expect(chunked.body == "POST / \(body)")
            let refused = try await client.exchange(
                "POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n")
            #expect(refused.status == 413)
            let other = try server.connect()
            let refusedChunked = try await other.exchange(
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n186A1\r\n\(body)b\r\n")
            #expect(refusedChunked.status == 413)
        }
    }

    @Test("a client that sends its whole oversized body still reads the 413")
    func lingering() async throws {
        var settings = HTTPSettings()
        settings.lingerTimeout = .seconds(60)
        try await ServerFixture.run(onTCP: true, settings: settings) { server in
            let client = try server.connect()
            let bytes = [UInt8](repeating: 1, count: 6 << 20)
            try await client.send("POST / HTTP/1.1\r\nContent-Length: \(bytes.count)\r\n\r\n")
            #expect(try await client.sendAsMuchAsPossible(bytes) == bytes.count)
            #expect(try await Response.receive(from: client).status == 413)
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("lingering ends after its bytes")
    func lingeringIsBounded() async throws {
        var settings = HTTPSettings()
        settings.lingerBytesMax = 1 << 20
        try await ServerFixture.run(settings: settings) { server in
            let client = try server.connect()
            try await client.send("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
            let bytes = [UInt8](repeating: 1, count: 16 << 20)
            #expect(try await client.sendAsMuchAsPossible(bytes) < bytes.count)
        }
    }

    @Test("lingering ends after its time")
    func lingeringIsShort() async throws {
        var settings = HTTPSettings()
        settings.lingerTimeout = .milliseconds(50)
        let connections = ConnectionLimit(max: 1)
        try await ServerFixture.run(connections: connections, settings: settings) { server in
            let first = try server.connect()
            #expect(try await first.exchange("rubbish\r\n\r\n").status == 400)
            // The only place is free again although the first client has not closed.
            let second = try server.connect()
            #expect(try await second.exchange("GET / HTTP/1.1\r\n\r\n").status == 200)
            _ = first
        }
    }

    @Test("a request holds its share of the budget until its answer, and no longer")
    func budgetIsHeld() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application) { server in
            let client = try server.connect()
            var requests = application.requests.makeAsyncIterator()
            try await client.send("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
            try await client.send([UInt8](repeating: 1, count: 1000))
            let request = await requests.next()
            #expect(server.budget.reserved == 1000)
            request?.reply(HTTPAnswer(status: 200))
            #expect(server.budget.reserved == 0)
            #expect(try await Response.receive(from: client).status == 200)
        }
    }

    @Test("an application may give a request's share back before it answers, once")
    func budgetIsGivenBack() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application) { server in
            var requests = application.requests.makeAsyncIterator()
            for framing in ["Content-Length: 4\r\n\r\nbody", "Content-Length: 0\r\n\r\n"] {
                let client = try server.connect()
                try await client.send("POST / HTTP/1.1\r\n\(framing)")
                let request = try #require(await requests.next())
                request.request.share?.release()
                #expect(server.budget.reserved == 0)
                request.request.share?.release()
                #expect(client.hasNothingToReceive)
                request.reply(HTTPAnswer(status: 200))
                #expect(try await Response.receive(from: client).status == 200)
            }
        }
    }

    @Test("an answer holds its share until its client has read it, or has left")
    func answerHoldsShare() async throws {
        let answers = ByteBudget(bytesMax: 32 << 20)
        let application = ScriptedApplication(respond: { _ in
            let body = [UInt8](repeating: 1, count: 8 << 20)
            #expect(answers.tryReserve(body.count))
            return HTTPAnswer(
                status: 200, body: body, share: BudgetShare(body.count, of: answers))
        })
        try await ServerFixture.run(application) { server in
            let clients = [try server.connect(), try server.connect()]
            for client in clients { try await client.send("GET / HTTP/1.1\r\n\r\n") }
            for client in clients { _ = try await client.receive(through: "\r\n\r\n") }
            #expect(answers.reserved == 16 << 20)
            #expect(try await clients[0].receive(exactly: 8 << 20).count == 8 << 20)
            try await eventually { answers.reserved == 8 << 20 }
            clients[1].disconnect()
            try await eventually { answers.reserved == 0 }
        }
    }

    @Test("a request that finds the budget spent is read when bytes become free")
    func budgetIsAwaited() async throws {
        let application = ScriptedApplication(holds: true)
        let budget = ByteBudget(bytesMax: 1000)
        try await ServerFixture.run(application, budget: budget) { server in
            var requests = application.requests.makeAsyncIterator()
            let first = try server.connect()
            try await first.send("POST /1 HTTP/1.1\r\nContent-Length: 600\r\n\r\n")
            try await first.send([UInt8](repeating: 1, count: 600))
            let held = await requests.next()
            let second = try server.connect()
            try await second.send(
                "POST /2 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 600\r\n\r\n")
            try await eventually { budget.waiting == 1 }
            #expect(second.hasNothingToReceive)
            held?.reply(HTTPAnswer(status: 200))
            let invitation = try await second.receive(through: "\r\n\r\n")
            #expect(invitation == Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
            try await second.send([UInt8](repeating: 1, count: 600))
            await requests.next()?.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: second).status == 200)
        }
    }

    @Test("a request that waits too long for the budget is answered 503 with Retry-After")
    func budgetTimesOut() async throws {
        var settings = HTTPSettings()
        settings.budgetWait = .milliseconds(30)
        let budget = ByteBudget(bytesMax: 1000)
        #expect(budget.tryReserve(500))
        try await ServerFixture.run(budget: budget, settings: settings) { server in
            let client = try server.connect()
            let answer = try await client.exchange(
                "POST / HTTP/1.1\r\nContent-Length: 600\r\n\r\n")
            #expect(answer.status == 503)
            #expect(answer.headers["retry-after"] == "1")
            #expect(budget.reserved == 500)
            let chunked = try server.connect()
            #expect(budget.tryReserve(400))
            let refused = try await chunked.exchange(
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            #expect(refused.status == 503)
            budget.release(900)
        }
    }

    @Test("who says that a long body follows holds 64 KiB until it does")
    func lengthAloneHoldsLittle() async throws {
        let budget = ByteBudget(bytesMax: 1 << 20)
        try await ServerFixture.run(budget: budget) { server in
            let head = "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"
            let silent = try server.connect()
            try await silent.send(head)
            try await eventually { budget.reserved == 64 << 10 }
            let other = try server.connect()
            let body = String(repeating: "b", count: 900_000)
            #expect(
                try await other.exchange("POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n" + body)
                    .body == "POST / " + body)
            #expect(budget.reserved == 64 << 10)
        }
    }

    @Test(
        "long bodies that do not fit together are read one after the other, none for ever",
        arguments: [(count: 8, length: 1_000_000), (32, 70_000)])
    func longBodiesTogether(count: Int, length: Int) async throws {
        let budget = ByteBudget(bytesMax: 2 << 20)
        try await ServerFixture.run(budget: budget) { server in
            let body = String(repeating: "b", count: length - 1)
            let clients = try (0..<count).map { _ in try server.connect() }
            // All have begun before the first one can end.
            for client in clients {
                try await client.send("POST / HTTP/1.1\r\nContent-Length: \(length)\r\n\r\nb")
            }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for client in clients {
                    group.addTask { try await client.exchange(body).status }
                }
                for try await status in group { #expect(status == 200) }
            }
        }
    }

    @Test("a small request finds memory when long bodies hold all that they may")
    func smallPart() async throws {
        var settings = HTTPSettings()
        settings.budgetWait = .milliseconds(30)
        let budget = ByteBudget(bytesMax: 1 << 20, smallBytes: 64 << 10)
        #expect(budget.tryReserve(budget.largeBytesMax))
        try await ServerFixture.run(budget: budget, settings: settings) { server in
            let small = try server.connect()
            let answer = try await small.exchange("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok")
            #expect(answer.body == "POST / ok")
            for framing in ["Content-Length: 65537", "Transfer-Encoding: chunked"] {
                let large = try server.connect()
                #expect(
                    try await large.exchange("POST / HTTP/1.1\r\n\(framing)\r\n\r\n").status == 503)
            }
            budget.release(budget.largeBytesMax)
        }
    }

    @Test("a chunked body takes the budget in steps and waits in the middle")
    func chunkedSteps() async throws {
        let application = ScriptedApplication(holds: true)
        let budget = ByteBudget(bytesMax: 256 << 10)
        #expect(budget.tryReserve(128 << 10))
        try await ServerFixture.run(application, budget: budget) { server in
            let client = try server.connect()
            let chunk = [UInt8](repeating: 1, count: 0x10000)
            try await client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 1...3 {
                try await client.send(Array("10000\r\n".utf8) + chunk + Array("\r\n".utf8))
            }
            try await eventually { budget.waiting == 1 }
            #expect(budget.reserved == 256 << 10)
            budget.release(128 << 10)
            try await client.send("0\r\n\r\n")
            var requests = application.requests.makeAsyncIterator()
            let request = await requests.next()
            #expect(request?.request.body.readableBytes == 3 << 16)
            #expect(budget.reserved == 3 << 16)
            request?.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: client).status == 200)
        }
    }

    @Test("a chunked body's waits for the budget count together, and then it gives back its share")
    func chunkedWaitsCountTogether() async throws {
        var settings = HTTPSettings()
        settings.budgetWait = .milliseconds(300)
        let share = 64 << 10
        let budget = ByteBudget(bytesMax: 32 * share)
        #expect(budget.tryReserve(31 * share))
        try await ServerFixture.run(budget: budget, settings: settings) { server in
            let client = try server.connect()
            try await client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 1, count: share)
            let body = [[UInt8]](repeating: chunk + Array("\r\n".utf8), count: 14).joined()
            async let sent = client.sendAsMuchAsPossible(Array(body) + Array("0\r\n\r\n".utf8))
            // One share at a time, each long before the bound: what adds up to it is the time that passes.
            var left = 31
            while client.hasNothingToReceive, left > 0 {
                guard budget.waiting == 1 else {
                    try await Task.sleep(for: .milliseconds(1))
                    continue
                }
                try await Task.sleep(for: .milliseconds(60))
                budget.release(share)
                left -= 1
            }
            #expect(try await Response.receive(from: client).status == 503)
            _ = try await sent
            #expect(budget.reserved == left * share)
            budget.release(left * share)
        }
    }

    @Test("a client that leaves while it waits for the budget takes nothing with it")
    func disconnectWhileWaiting() async throws {
        var settings = HTTPSettings()
        settings.budgetWait = .seconds(3600)
        let budget = ByteBudget(bytesMax: 1000)
        #expect(budget.tryReserve(900))
        try await ServerFixture.run(budget: budget, settings: settings) { server in
            let client = try server.connect()
            try await client.send("POST / HTTP/1.1\r\nContent-Length: 600\r\n\r\n")
            try await eventually { budget.waiting == 1 }
            client.reset()
            try await eventually { budget.waiting == 0 }
            budget.release(900)
        }
    }

    @Test("a client that leaves within its body is dropped, and the application hears nothing")
    func disconnectWithinBody() async throws {
        for onTCP in [false, true] {
            try await ServerFixture.run(onTCP: onTCP) { server in
                for halfClosed in [true, false] {
                    let client = try server.connect()
                    try await client.send("POST / HTTP/1.1\r\nContent-Length: 600\r\n\r\nabc")
                    try await eventually { server.budget.reserved == 600 }
                    if halfClosed {
                        client.shutdownSending()
                        #expect(try await client.receiveAll() == [])
                    } else {
                        client.reset()
                    }
                    try await eventually { server.budget.reserved == 0 }
                }
            }
        }
    }
}

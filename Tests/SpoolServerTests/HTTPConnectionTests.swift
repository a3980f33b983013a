import NIOCore
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@Suite("Connections that do not behave", .timeLimit(.minutes(2)))
struct HTTPConnectionTests {
    @Test("a client that shuts its sending side still gets its answers", arguments: [false, true])
    func halfClose(onTCP: Bool) async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application, onTCP: onTCP) { server in
            let client = try server.connect()
            try await client.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
            client.shutdownSending()
            var requests = application.requests.makeAsyncIterator()
            for path in ["/1", "/2"] {
                let held = await requests.next()
                #expect(held?.request.path == path)
                held?.reply(HTTPAnswer(status: 200, body: Array(path.utf8)))
                #expect(try await Response.receive(from: client).body == path)
            }
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("the answer to a client that has left is dropped", arguments: [false, true])
    func disconnectBeforeAnswer(onTCP: Bool) async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application, onTCP: onTCP) { server in
            var requests = application.requests.makeAsyncIterator()
            for _ in 1...5 {
                let client = try server.connect()
                try await client.send("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
                let held = await requests.next()
                client.reset()
                try await eventually { server.connections.open == 0 }
                #expect(server.budget.reserved == 2)
                held?.reply(HTTPAnswer(status: 200))
                #expect(server.budget.reserved == 0)
            }
        }
    }

    @Test("a client that reads slowly gets a large answer whole, and no further request is begun")
    func slowReader() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application) { server in
            let client = try server.connect()
            let body = [UInt8](repeating: 0x61, count: 8 << 20)
            try await client.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
            var requests = application.requests.makeAsyncIterator()
            await requests.next()?.reply(HTTPAnswer(status: 200, body: body))
            let head = try await client.receive(through: "\r\n\r\n")
            #expect(head.starts(with: Array("HTTP/1.1 200".utf8)))
            #expect(application.planned.withLock { $0 } == ["/1"])
            #expect(try await client.receive(exactly: body.count) == body)
            await requests.next()?.reply(HTTPAnswer(status: 204))
            #expect(try await Response.receive(from: client).status == 204)
        }
    }

    @Test("a client that reads nothing is let go after the idle time")
    func neverReader() async throws {
        var settings = HTTPSettings()
        settings.idleTimeout = .milliseconds(500)
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application, settings: settings) { server in
            let client = try server.connect()
            try await client.send("GET /1 HTTP/1.1\r\n\r\n")
            var requests = application.requests.makeAsyncIterator()
            await requests.next()?.reply(
                HTTPAnswer(status: 200, body: [UInt8](repeating: 0, count: 8 << 20)))
            try await eventually { server.connections.open == 0 }
            _ = client
        }
    }

    @Test("reading stops while too much is queued behind a request, and goes on after it")
    func readsAreHeld() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application) { server in
            let client = try server.connect()
            let body = String(repeating: "b", count: 1000)
            let request = "POST /x HTTP/1.1\r\nContent-Length: 1000\r\n\r\n\(body)"
            let count = 2000
            let isSent = Mutex(false)
            async let sent: Void = {
                try await client.send(String(repeating: request, count: count))
                isSent.withLock { $0 = true }
            }()
            var requests = application.requests.makeAsyncIterator()
            for number in 1...count {
                let held = await requests.next()
                #expect(server.budget.reserved == 1000, "request \(number) alone has a share")
                // A megabyte is far more than kernel and server together hold.
                let isAllSent = isSent.withLock { $0 }
                if number == count / 2 { #expect(!isAllSent) }
                held?.reply(HTTPAnswer(status: 204))
                #expect(try await Response.receive(from: client).status == 204)
            }
            try await sent
        }
    }

    @Test("a silent connection is closed after the idle time, without a word")
    func idle() async throws {
        var settings = HTTPSettings()
        settings.idleTimeout = .milliseconds(500)
        try await ServerFixture.run(settings: settings) { server in
            let silent = try server.connect()
            #expect(try await silent.receiveAll() == [])
            let used = try server.connect()
            #expect(try await used.exchange("GET / HTTP/1.1\r\n\r\n").status == 200)
            #expect(try await used.receiveAll() == [])
        }
    }

    @Test(
        "a request that stops within is answered 408 and the connection closed",
        arguments: [
            "GET / HT", "GET / HTTP/1.1\r\nA: b\r\n", "\r\nGET / HTTP/1.1\r", "\nGET",
            "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n",
        ])
    func readTimeout(request: String) async throws {
        var settings = HTTPSettings()
        settings.readTimeout = .milliseconds(30)
        try await ServerFixture.run(settings: settings) { server in
            let client = try server.connect()
            let answer = try await client.exchange(request)
            #expect(answer.status == 408)
            #expect(answer.headers["connection"] == "close")
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("a request that never pauses, but comes too slowly, is answered 408")
    func drip() async throws {
        var settings = HTTPSettings()
        settings.readTimeout = .milliseconds(50)
        // Nothing earns more time.
        settings.readBytesPerSecondMin = .max
        try await ServerFixture.run(settings: settings) { server in
            let client = try server.connect()
            try await client.send("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
            // Byte after byte, at the latest until the body ends.
            for _ in 0..<1_000_000 where client.hasNothingToReceive {
                try await client.send("x")
            }
            let answer = try await Response.receive(from: client)
            #expect(answer.status == 408)
        }
    }

    @Test("the application may take its time: neither timeout runs while it has the request")
    func patientWithApplication() async throws {
        var settings = HTTPSettings()
        settings.idleTimeout = .milliseconds(500)
        settings.readTimeout = .milliseconds(500)
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application, settings: settings) { server in
            let client = try server.connect()
            try await client.send("GET / HTTP/1.1\r\n\r\n")
            var requests = application.requests.makeAsyncIterator()
            let held = await requests.next()
            // A second connection's idle time passes meanwhile.
            #expect(try await server.connect().receiveAll() == [])
            held?.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: client).status == 200)
        }
    }
}

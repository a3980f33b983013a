import NIOCore
import NIOHTTP1
import SpoolServer
import SpoolTestKit
import Testing

@Suite("Requests over a socket", .timeLimit(.minutes(2)))
struct HTTPRequestTests {
    private static let coding = "Transfer-Encoding: chunked\r\n\r\n"
    private static let chunked = "POST / HTTP/1.1\r\n\(coding)"

    @Test("a request is answered and the connection kept", arguments: [false, true])
    func keepAlive(onTCP: Bool) async throws {
        try await ServerFixture.run(onTCP: onTCP) { server in
            let client = try server.connect()
            for round in 1...3 {
                let answer = try await client.exchange(
                    "POST /logs?a=\(round) HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
                #expect(answer.status == 200)
                #expect(answer.body == "POST /logs?a=\(round) hello")
                #expect(answer.headers["connection"] == nil)
            }
        }
    }

    @Test("the application learns who asks")
    func peer() async throws {
        try await ServerFixture.run { server in
            let answer = try await server.connect().exchange("GET / HTTP/1.1\r\n\r\n")
            #expect(answer.headers["x-peer"]?.hasPrefix("uid:") == true)
        }
        try await ServerFixture.run(onTCP: true) { server in
            let answer = try await server.connect().exchange("GET / HTTP/1.1\r\n\r\n")
            #expect(answer.headers["x-peer"] == "tcp")
        }
    }

    @Test("a response arrives whole in one read")
    func oneWrite() async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            for _ in 1...20 {
                try await client.send("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
                let response = String(decoding: try await client.receive(), as: UTF8.self)
                #expect(response.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(response.hasSuffix("\r\n\r\nPOST /a hi"))
            }
        }
    }

    @Test("pipelined requests are answered in order")
    func pipelined() async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            let count = 300
            let requests = (0..<count).map {
                "POST /\($0) HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
            }
            async let sent: Void = client.send(requests.joined())
            try await sent
            for number in 0..<count {
                let answer = try await Response.receive(from: client)
                #expect(answer.body == "POST /\(number) body")
            }
        }
    }

    @Test("a request in pieces of any size is the same request")
    func pieces() async throws {
        let request = Array(
            "POST /x HTTP/1.1\r\nA: b\r\n\(Self.coding)3\r\nabc\r\n0\r\n\r\n".utf8)
        try await ServerFixture.run { server in
            let client = try server.connect()
            for byte in request { try await client.send([byte]) }
            #expect(try await Response.receive(from: client).body == "POST /x abc")
            for cut in request.indices.dropFirst() {
                try await client.send(Array(request[..<cut]))
                try await client.send(Array(request[cut...]))
                #expect(try await Response.receive(from: client).body == "POST /x abc")
            }
        }
    }

    @Test(
        "framing that is allowed",
        arguments: [
            ("GET / HTTP/1.1\r\nX-Empty:\r\n\r\n", "GET / "),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "POST / "),
            ("\(Self.chunked)0\r\n\r\n", "POST / "),
            ("\(Self.chunked)2;a=b;c\r\nok\r\n0\r\n\r\n", "POST / ok"),
            ("\(Self.chunked)2\r\nok\r\n0\r\nTrailer: x\r\n\r\n", "POST / ok"),
            ("GET http://example.com/a?b=c HTTP/1.1\r\nHost: other\r\n\r\n", "GET /a?b=c "),
            ("GET http://example.com HTTP/1.1\r\n\r\n", "GET / "),
            ("GET /%2F//x?y?z=http://q HTTP/1.1\r\n\r\n", "GET /%2F//x?y?z=http://q "),
            ("OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS * "),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / "),
            ("PROPFIND /z HTTP/1.1\r\n\r\n", "PROPFIND /z "),
            ("DELETE /z HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "DELETE /z ab"),
            ("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", "POST / "),
        ])
    func allowed(request: String, body: String) async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            for _ in 1...2 {
                let answer = try await client.exchange(request)
                #expect(answer.status == 200)
                #expect(answer.body == body)
            }
        }
    }

    @Test(
        "what is not HTTP is refused with a detail, and the connection closed",
        arguments: [
            ("nonsense\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n: no name\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\n\r\n", 505),
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\(Self.coding)0\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            ("\(Self.chunked)zz\r\nok\r\n", 400),
            ("\(Self.chunked)2\r\nokX\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\nx", 417),
            ("GET /\(String(repeating: "a", count: 20_000)) HTTP/1.1\r\n\r\n", 431),
            ("GET / HTTP/1.1\r\nA: \(String(repeating: "a", count: 20_000))\r\n\r\n", 431),
            ("GET / HTTP/1.1\r\n\(String(repeating: "A: b\r\n", count: 5_000))\r\n", 431),
        ])
    func refused(request: String, status: Int) async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            let answer = try await client.exchange(request)
            #expect(answer.status == status)
            #expect(answer.body.hasPrefix("{\"detail\":\""))
            #expect(answer.headers["connection"] == "close")
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("requests before a malformed one are answered first")
    func malformedAfterGood() async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            try await client.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nrubbish\r\n\r\n")
            #expect(try await Response.receive(from: client).body == "GET /1 ")
            #expect(try await Response.receive(from: client).body == "GET /2 ")
            #expect(try await Response.receive(from: client).status == 400)
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("HTTP/1.0 is closed after its answer unless it asks to be kept")
    func version10() async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            let kept = try await client.exchange(
                "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(kept.headers["connection"] == "keep-alive")
            let closed = try await client.exchange("GET /a HTTP/1.0\r\n\r\n")
            #expect(closed.body == "GET /a ")
            #expect(closed.headers["connection"] == "close")
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("an answer to HEAD has the length and no body")
    func head() async throws {
        try await ServerFixture.run { server in
            let client = try server.connect()
            try await client.send("HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
            let answer = try await Response.receive(from: client, hasBody: false)
            #expect(answer.headers["content-length"] == "8")
            #expect(try await Response.receive(from: client).body == "GET /b ")
        }
    }

    @Test("a request to upgrade is answered in HTTP/1.1 and the connection closed")
    func upgrade() async throws {
        try await ServerFixture.run { server in
            for request in [
                "GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nmore",
                "CONNECT a:1 HTTP/1.1\r\n\r\nmore",
            ] {
                let client = try server.connect()
                let answer = try await client.exchange(request)
                #expect(answer.status == 200)
                #expect(answer.headers["connection"] == "close")
                #expect(try await client.receiveAll() == [])
            }
        }
    }

    @Test("an application may close the connection, add fields, and leave the body out")
    func answers() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application) { server in
            let client = try server.connect()
            var requests = application.requests.makeAsyncIterator()
            try await client.send("GET / HTTP/1.1\r\n\r\n")
            await requests.next()?.reply(
                HTTPAnswer(status: 204, headers: [("X-A", "b\r\nEvil: c")]))
            let empty = try await Response.receive(from: client)
            #expect(empty.status == 204)
            #expect(empty.headers["content-length"] == nil)
            #expect(empty.headers["evil"] == nil)
            try await client.send("GET / HTTP/1.1\r\n\r\n")
            await requests.next()?.reply(HTTPAnswer(status: 503, closesConnection: true))
            let last = try await Response.receive(from: client)
            #expect(last.status == 503)
            #expect(last.headers["connection"] == "close")
            #expect(try await client.receiveAll() == [])
        }
    }

    @Test("the second of two answers is ignored, a reply that is dropped is answered 500")
    func repliesOnce() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application) { server in
            let client = try server.connect()
            var requests = application.requests.makeAsyncIterator()
            try await client.send("POST /1 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")
            let first = await requests.next()
            first?.reply(HTTPAnswer(status: 201))
            first?.reply(HTTPAnswer(status: 202))
            #expect(try await Response.receive(from: client).status == 201)
            try await client.send("POST /2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")
            _ = await requests.next()
            #expect(try await Response.receive(from: client).status == 500)
        }
    }
}

import Dispatch
import NIOPosix
import SpoolCore
import SpoolSender
import SpoolTestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct `A live call that fails`: LiveTransportSuite {
    // MARK: Broken off

    @Test func `a cancelled call closes upstream's connection, before and after the head`()
        async throws
    {
        for writesHead in [false, true] {
            let (events, happened) = AsyncStream<String>.makeStream()
            let upstream = try RawUpstream { connection in
                _ = connection.request()
                if writesHead {
                    connection.write(Self.head + "Transfer-Encoding: chunked\r\n\r\n")
                }
                happened.yield("begun")
                connection.waitForClose()
                happened.yield("closed")
            }
            try await with(upstream) { transport in
                var seen = events.makeAsyncIterator()
                if writesHead {
                    let answer = try await answer(transport, Self.get)
                    #expect(await seen.next() == "begun")
                    answer.body.bytes.cancel()
                } else {
                    let call = transport.begin(Self.get) { outcome in
                        Issue.record("an outcome of a cancelled call: \(outcome)")
                    }
                    #expect(await seen.next() == "begun")
                    call.cancel()
                }
                #expect(await seen.next() == "closed")
            }
        }
    }

    @Test func `a client that breaks off its request breaks off upstream's`() async throws {
        let (events, happened) = AsyncStream<String>.makeStream()
        let upstream = try RawUpstream { connection in
            connection.read(through: "half")
            happened.yield("half")
            connection.waitForClose()
            happened.yield("closed")
        }
        try await with(upstream) { transport in
            let body = ScriptedStream()
            body.send("half")
            async let outcome = outcome(
                transport,
                LiveRequest(
                    method: "POST", target: "/evaluators",
                    body: .stream(StreamedBody(body, length: 10))))
            var seen = events.makeAsyncIterator()
            #expect(await seen.next() == "half")
            body.send(.broken(reason: "the client has left"))
            #expect(await seen.next() == "closed")
            guard case .unreachable = await outcome else {
                Issue.record("half a request was answered")
                return
            }
        }
    }

    @Test func `an answer before the end of the request is passed on, and the rest not asked for`()
        async throws
    {
        let upstream = try RawUpstream { connection in
            connection.read(through: "half")
            connection.answer(413, "enough", headers: "Connection: close\r\n")
        }
        try await with(upstream) { transport in
            let body = ScriptedStream()
            body.send("half")
            let answer = try await answer(
                transport,
                LiveRequest(
                    method: "POST", target: "/evaluators",
                    body: .stream(StreamedBody(body, length: 10))))
            #expect(answer.status == 413)
            #expect(await answer.body.bytes.all().bytes == Array("enough".utf8))
            await body.waitForCancel()
        }
    }

    // MARK: No answer

    @Test func `a refused connection, a missing socket and an unknown host are unreachable`()
        async throws
    {
        let upstream = try RawUpstream { _ in }
        upstream.close()
        for address in [
            "http://\(upstream.address)", "unix:/nowhere/at-all.sock", "http://host.invalid",
        ] {
            try await with(address) { transport in
                let outcome = await outcome(transport, Self.get)
                guard case .unreachable(let reason) = outcome else {
                    Issue.record("\(outcome)")
                    return
                }
                #expect(!reason.isEmpty)
                #expect(transport.upstream == address)
            }
        }
    }

    @Test func `a request that was not sent has not asked for its body's rest`() async throws {
        try await with("unix:/nowhere/at-all.sock") { transport in
            let body = ScriptedStream()
            let request = LiveRequest(
                method: "POST", target: "/x", body: .stream(StreamedBody(body, length: 1)))
            guard case .unreachable = await outcome(transport, request) else {
                Issue.record("answered by nobody")
                return
            }
            await body.waitForCancel()
        }
    }

    @Test func `a reset before the head is no answer, one after it breaks the body`() async throws {
        for writesHead in [false, true] {
            let mayReset = DispatchSemaphore(value: 0)
            let upstream = try RawUpstream { connection in
                _ = connection.request()
                if writesHead {
                    connection.write(Self.head + "Content-Length: 10\r\n\r\nhalf")
                    mayReset.wait()
                }
                connection.reset()
            }
            try await with(upstream) { transport in
                let outcome = await outcome(transport, Self.get)
                switch outcome {
                case .answered(let answer) where writesHead:
                    #expect(text(await answer.body.bytes.next()) == "half")
                    mayReset.signal()
                    #expect(isBroken(await answer.body.bytes.next()))
                case .unreachable where !writesHead: break
                default: Issue.record("\(outcome)")
                }
            }
        }
    }

    @Test(arguments: ["000", "001", "050", "099"])
    func `a status that HTTP does not know is no answer`(status: String) async throws {
        for rest in ["\r\n", "Content-Length: 2\r\n\r\n{}"] {
            let upstream = try RawUpstream { connection in
                _ = connection.request()
                connection.write("HTTP/1.1 \(status) X\r\n" + rest)
                connection.waitForClose()
            }
            try await with(upstream) { transport in
                guard case .unreachable(let reason) = await outcome(transport, Self.get) else {
                    Issue.record("\(status) was taken for an answer")
                    return
                }
                #expect(reason.contains("no HTTP status"))
            }
        }
    }

    @Test func `an answer that does not begin in time is too slow`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.waitForClose()
        }
        try await with(upstream) { transport in
            for body in [LiveRequest.Body.none, .bytes([1])] {
                let outcome = await outcome(
                    transport,
                    LiveRequest(
                        method: "POST", target: "/x", body: body,
                        firstByteTimeout: .milliseconds(50)))
                guard case .tooSlow(let reason) = outcome else {
                    Issue.record("\(outcome)")
                    return
                }
                #expect(reason.contains("begin its answer"))
            }
        }
    }

    @Test func `an answer that pauses too long breaks; a reader that does may`() async throws {
        let mayGoOn = DispatchSemaphore(value: 0)
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.write(Self.head + "Content-Length: 10\r\n\r\nhalf")
            mayGoOn.wait()
            connection.waitForClose()
        }
        try await with(upstream) { transport in
            let answer = try await answer(
                transport,
                LiveRequest(method: "GET", target: "/x", idleTimeout: .milliseconds(50)))
            #expect(text(await answer.body.bytes.next()) == "half")
            mayGoOn.signal()
            guard case .broken(let reason) = await answer.body.bytes.next() else {
                Issue.record("a body that never came")
                return
            }
            #expect(reason.contains("go on"))
        }
    }

    @Test func `no reason repeats the key`() async throws {
        let upstream = try RawUpstream { connection in
            _ = connection.request()
            connection.reset()
        }
        try await with(upstream) { transport in
            let outcome = await outcome(
                transport,
                LiveRequest(
                    method: "GET", target: "/x", headers: [("X-API-KEY", "hl_sk_secret")]))
            #expect(!"\(outcome)".contains("hl_sk_secret"))
        }
    }
}

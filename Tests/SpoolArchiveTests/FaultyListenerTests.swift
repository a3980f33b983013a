import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SpoolCore
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@testable import SpoolArchive

/// The misbehaving archive over real sockets: what a client sees, and what was really handled.
struct FaultyListenerTests {
    private static let log = #"{"project":"p","reference_id":"r"}"#

    /// An archive with a record, behind a listener with faults.
    private struct World {
        let fixture: ArchiveFixture
        let application: FaultyApplication
        let port: Int

        /// One request on a connection of its own: everything that comes back.
        func ask(_ line: String, _ body: String = "") async throws -> String {
            let client = try RawClient(port: port)
            try await client.send(
                "\(line) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            return String(decoding: try await client.receiveAll(), as: UTF8.self)
        }

        /// The status that a request is answered with; nil when nothing comes back.
        func status(_ line: String, _ body: String = "") async throws -> Int? {
            let words = try await ask(line, body).split(separator: " ", maxSplits: 2)
            return words.count > 1 ? Int(words[1]) : nil
        }

        var logs: Int64 { fixture.archive.status.logs }

        /// The statuses of all requests that were handled.
        func recorded() throws -> [Int] {
            let lines = try String(contentsOfFile: fixture.directory + "/record", encoding: .utf8)
            return try lines.split(separator: "\n").map {
                try #require(try JSONValue(parsing: Array($0.utf8))["status"]?.intValue)
            }
        }
    }

    private static func serve(
        _ faults: String, _ body: (World) async throws -> Void
    ) async throws {
        let directory = try TestFolder.make("archive")
        let fixture = try ArchiveFixture(in: directory) { $0.recordPath = directory + "/record" }
        let application = FaultyApplication(
            fixture.archive.application, faults: try Fault.list(faults), seed: 1)
        let listener = try await FaultyListener.start(
            application, on: .tcp(host: "127.0.0.1", port: 0),
            group: MultiThreadedEventLoopGroup.singleton, connections: ConnectionLimit(max: 64))
        guard case .tcp(_, let port) = listener.boundAddress else {
            preconditionFailure("a TCP listener is bound to a port")
        }
        do {
            try await body(World(fixture: fixture, application: application, port: port))
        } catch {
            Issue.record(error)
        }
        await listener.drain()
        await fixture.remove()
    }

    @Test func `without faults it answers as the archive does, and keeps the connection`()
        async throws
    {
        try await Self.serve("") { world in
            let client = try RawClient(port: world.port)
            let request =
                "POST /logs HTTP/1.1\r\nHost: x\r\nContent-Length: \(Self.log.utf8.count)\r\n\r\n"
                + Self.log
            // The second request is sent ahead.
            try await client.send(request + request)
            for _ in 0..<2 {
                let head = try await client.receive(through: "\r\n\r\n")
                #expect(String(decoding: head, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK"))
                let body = try await client.receive(through: "}")
                #expect(try JSONValue(parsing: body)["id"] != nil)
            }
            #expect(world.logs == 2)
        }
    }

    @Test func `a status is answered in the archive's place, with its Retry-After`() async throws {
        try await Self.serve("status=503:retry-after=7s") { world in
            let answer = try await world.ask("POST /logs", Self.log)
            #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable"))
            #expect(answer.contains("Retry-After: 7\r\n"))
            #expect(answer.contains(#"{"detail":"#))
            #expect(world.logs == 0)
            #expect(try world.recorded() == [])
        }
    }

    @Test(arguments: [204, 304])
    func `a status without content has none, so that the next answer is read right`(status: Int)
        async throws
    {
        try await Self.serve("status=\(status)") { world in
            let client = try RawClient(port: world.port)
            let request =
                "POST /logs HTTP/1.1\r\nHost: x\r\nContent-Length: \(Self.log.utf8.count)\r\n\r\n"
                + Self.log
            for _ in 0..<2 {
                try await client.send(request)
                let head = String(
                    decoding: try await client.receive(through: "\r\n\r\n"), as: UTF8.self)
                #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                #expect(!head.contains("Content-"), "\(head)")
            }
        }
    }

    @Test func `a reset before handling leaves nothing, no byte and no log`() async throws {
        try await Self.serve("reset") { world in
            let answer = try await world.ask("POST /logs", Self.log)
            #expect(answer == "")
            #expect(world.logs == 0)
            #expect(try world.recorded() == [])
        }
    }

    @Test func `a reset after handling gives no byte, and the record tells what happened`()
        async throws
    {
        try await Self.serve("reset:after") { world in
            let answer = try await world.ask("POST /logs", Self.log)
            #expect(answer == "")
            #expect(world.logs == 1)
            #expect(try world.recorded() == [200])
        }
    }

    @Test func `a status after handling hides a success`() async throws {
        try await Self.serve("status=500:after") { world in
            let answer = try await world.status("POST /logs", Self.log)
            #expect(answer == 500)
            #expect(world.logs == 1)
            #expect(try world.recorded() == [200])
        }
    }

    @Test func `a cut answer announces more than comes`() async throws {
        try await Self.serve("cut") { world in
            let answer = try await world.ask("POST /logs", Self.log)
            let parts = answer.components(separatedBy: "\r\n\r\n")
            let length = try #require(
                parts[0].components(separatedBy: "Content-Length: ").last.flatMap {
                    Int($0.prefix { $0.isNumber })
                })
            #expect(parts[0].hasPrefix("HTTP/1.1 200 OK"))
            #expect(parts[1].utf8.count == length / 2)
            #expect(try world.recorded() == [200])
        }
    }

    @Test func `a delay holds the request back`() async throws {
        try await Self.serve("delay=60ms,delay=60ms:after") { world in
            let begin = ContinuousClock.now
            let answer = try await world.status("POST /logs", Self.log)
            #expect(answer == 200)
            #expect(ContinuousClock.now - begin >= .milliseconds(120))
        }
    }

    @Test func `more at once than the capacity are answered 429, until one is done`() async throws {
        let held = HeldAnswers()
        let application = FaultyApplication(held, faults: try Fault.list("capacity=1"), seed: 1)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        func answer() async -> Int? {
            await withCheckedContinuation { continuation in
                application.answer(.log("{}"), on: loop) { outcome in
                    if case .answer(let answer) = outcome {
                        continuation.resume(returning: answer.status)
                    } else {
                        continuation.resume(returning: nil)
                    }
                }
            }
        }
        async let first = answer()
        while held.count == 0 { await Task.yield() }
        #expect(await answer() == 429)
        held.release()
        #expect(await first == 200)
        async let second = answer()
        while held.count == 0 { await Task.yield() }
        held.release()
        #expect(await second == 200)
    }

    @Test func `a client that leaves in a delay gives its place back`() async throws {
        try await Self.serve("delay=50ms:path=/logs,capacity=1") { world in
            let client = try RawClient(port: world.port)
            try await client.send("POST /logs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            while world.application.plan.requests == 0 { await Task.yield() }
            client.reset()
            while world.application.plan.entries[1].underWay > 0 { await Task.yield() }
            #expect(try await world.status("GET /projects") == 200)
        }
    }

    @Test func `faults are shown with their counts and changed while it runs`() async throws {
        try await Self.serve("status=500:path=/logs") { world in
            let control = FaultControl(world.application)
            _ = try await world.ask("POST /logs", Self.log)
            _ = try await world.ask("GET /projects")
            #expect(
                await control.ask("GET", "/faults", []).text
                    == #"{"requests":2,"handled":1,"faults":"#
                    + #"[{"fault":"status=500:path=/logs","hits":1}]}"#)
            let changed = await control.ask("POST", "/faults", Array("reset,cut:1%".utf8))
            #expect(changed.status == 200)
            #expect(
                changed.text == #"{"requests":0,"handled":0,"faults":"#
                    + #"[{"fault":"reset","hits":0},{"fault":"cut:1%","hits":0}]}"#)
            #expect(try await world.ask("GET /projects") == "")
            let refused = await control.ask("POST", "/faults", Array("reset:5".utf8))
            #expect(refused.status == 400)
            #expect(refused.text.contains("'5' in the fault 'reset:5'"))
            #expect(try await world.ask("GET /projects") == "", "the old faults stay in force")
            #expect(await control.ask("POST", "/faults", []).status == 200)
            #expect(try await world.status("GET /projects") == 200)
        }
    }

    @Test func `a request that came under other faults does not disturb the new ones' counts`()
        async throws
    {
        try await Self.serve("delay=50ms:path=/logs,capacity=1") { world in
            async let slow = world.status("POST /logs", Self.log)
            while world.application.plan.requests == 0 { await Task.yield() }
            world.application.replace(try Fault.list("delay=1ms,capacity=1"))
            #expect(try await slow == 200)
            #expect(world.application.plan.entries[1].underWay == 0)
            #expect(try await world.status("GET /projects") == 200)
        }
    }
}

/// Answers nothing until it is told to.
private final class HeldAnswers: HTTPApplication {
    private let replies = Mutex<[@Sendable (HTTPAnswer) -> Void]>([])

    /// Requests that wait for their answer.
    var count: Int { replies.withLock { $0.count } }

    /// Answers them all.
    func release() {
        let held = replies.withLock { replies in
            defer { replies = [] }
            return replies
        }
        for reply in held { reply(HTTPAnswer(status: 200)) }
    }

    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan { .read(bytesMax: 1000) }

    func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        replies.withLock { $0.append(reply) }
    }
}

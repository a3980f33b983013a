import Foundation
import NIOCore
import NIOPosix
import SpoolTestKit
import Testing

@testable import SpoolServer

@Suite("Listeners", .timeLimit(.minutes(2)))
struct ListenerTests {
    private static let group = MultiThreadedEventLoopGroup.singleton

    private static func listen(
        _ path: String, mode: UInt16 = 0o660
    ) async throws -> HTTPListener {
        try await HTTPListener.start(
            ScriptedApplication(), on: .unix(path: path, mode: mode), group: group,
            budget: ByteBudget(bytesMax: 1 << 20), connections: ConnectionLimit(max: 8))
    }

    private static func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    /// Leaves the file of a socket that nobody listens on.
    private static func leaveStaleFile(_ path: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    @Test("the socket's mode is exactly what was asked for", arguments: [0o600, 0o660, 0o666])
    func mode(_ mode: Int) async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/s"
            let listener = try await Self.listen(path, mode: UInt16(mode))
            #expect(try Self.mode(path) == mode)
            await listener.drain()
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [])
        }
    }

    @Test("a socket file left behind is replaced")
    func stale() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/s"
            try Self.leaveStaleFile(path)
            let listener = try await Self.listen(path)
            let answer = try await RawClient(unixPath: path).exchange("GET /a HTTP/1.1\r\n\r\n")
            #expect(answer.body == "GET /a ")
            await listener.drain()
        }
    }

    @Test("a live socket is not stolen, neither from us nor from a stranger")
    func live() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/s"
            let first = try await Self.listen(path)
            let error = await #expect(throws: ListenError.self) { try await Self.listen(path) }
            #expect(error?.code == .addressInUse)
            #expect(error?.description.contains(path) == true)
            // A stranger holds no lock.
            try FileManager.default.removeItem(atPath: "\(path).lock")
            let other = await #expect(throws: ListenError.self) { try await Self.listen(path) }
            #expect(other?.code == .addressInUse)
            let answer = try await RawClient(unixPath: path).exchange("GET /a HTTP/1.1\r\n\r\n")
            #expect(answer.status == 200)
            await first.drain()
        }
    }

    @Test("who finds another starter at work leaves the stale file to it")
    func starterAtWork() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/s"
            try Self.leaveStaleFile(path)
            let other = try FileLock.take(beside: path, for: .unix(path: path, mode: 0o600))
            let before = FileIdentity(path: path)
            let error = await #expect(throws: ListenError.self) { try await Self.listen(path) }
            #expect(error?.code == .addressInUse)
            #expect(error?.message.contains("\(path).lock") == true)
            #expect(FileIdentity(path: path) == before)
            other.release()
            try await Self.listen(path).drain()
        }
    }

    @Test("of two starters on a stale file exactly one wins, every time")
    func twoStarters() async throws {
        for _ in 0..<20 {
            try await withTemporaryDirectory { directory in
                let path = "\(directory)/s"
                try Self.leaveStaleFile(path)
                let winners = await withTaskGroup(of: HTTPListener?.self) { starters in
                    for _ in 0..<4 {
                        starters.addTask { try? await Self.listen(path) }
                    }
                    return await starters.reduce(into: []) { $0 += $1.map { [$0] } ?? [] }
                }
                #expect(winners.count == 1)
                let answer = try await RawClient(unixPath: path).exchange("GET /a HTTP/1.1\r\n\r\n")
                #expect(answer.status == 200)
                for winner in winners { await winner.drain() }
            }
        }
    }

    @Test("after a drain the address is free for the next")
    func again() async throws {
        try await withTemporaryDirectory { directory in
            for _ in 0..<3 {
                try await Self.listen("\(directory)/s").drain()
            }
        }
    }

    @Test("a failure to bind says what to do")
    func failures() async throws {
        try await withTemporaryDirectory { directory in
            func code(_ path: String) async -> ListenError.Code? {
                await #expect(throws: ListenError.self) { try await Self.listen(path) }?.code
            }
            #expect(await code("\(directory)/none/s") == .directoryMissing)
            let long = String(repeating: "x", count: 120)
            #expect(await code("\(directory)/\(long)") == .pathTooLong)
            try Data().write(to: URL(fileURLWithPath: "\(directory)/file"))
            #expect(await code("\(directory)/file") == .notASocket)
            #expect(FileManager.default.fileExists(atPath: "\(directory)/file"))
        }
        func tcp(_ host: String, _ port: Int) async throws -> HTTPListener {
            try await HTTPListener.start(
                ScriptedApplication(), on: .tcp(host: host, port: port), group: Self.group,
                budget: ByteBudget(bytesMax: 1), connections: ConnectionLimit(max: 1))
        }
        let first = try await tcp("127.0.0.1", 0)
        guard case .tcp(_, let port) = first.boundAddress else { return }
        let used = await #expect(throws: ListenError.self) { try await tcp("127.0.0.1", port) }
        #expect(used?.code == .addressInUse)
        #expect(used?.description.contains("127.0.0.1:\(port)") == true)
        let foreign = await #expect(throws: ListenError.self) { try await tcp("192.0.2.1", 0) }
        #expect(foreign?.code == .addressUnavailable)
        await first.drain()
    }

    @Test("at the connection limit further clients wait, over all listeners, until one leaves")
    func connectionLimit() async throws {
        let limit = ConnectionLimit(max: 2)
        try await ServerFixture.run(connections: limit) { server in
            let other = try await HTTPListener.start(
                ScriptedApplication(), on: .tcp(host: "127.0.0.1", port: 0), group: Self.group,
                budget: server.budget, connections: limit)
            guard case .tcp(_, let port) = other.boundAddress else { return }
            var served = [try server.connect(), try RawClient(port: port)]
            for client in served {
                #expect(try await client.exchange("GET / HTTP/1.1\r\n\r\n").status == 200)
            }
            let waiting = [
                try server.connect(), try server.connect(), try RawClient(port: port),
                try RawClient(port: port),
            ]
            for client in waiting { try await client.send("GET / HTTP/1.1\r\n\r\n") }
            #expect(try await served[0].exchange("GET / HTTP/1.1\r\n\r\n").status == 200)
            for client in waiting { #expect(client.hasNothingToReceive) }
            #expect(limit.open == 2)
            served = []
            // Who of them comes first is not said; each makes room for the next by leaving.
            try await withThrowingTaskGroup(of: Void.self) { clients in
                for client in waiting {
                    clients.addTask { () async throws in
                        #expect(try await Response.receive(from: client).status == 200)
                        client.disconnect()
                    }
                }
                try await clients.waitForAll()
            }
            await other.drain()
        }
    }

    @Test("where the process has no descriptor left nobody is accepted for a while, then all are")
    func shortage() async throws {
        let connections = ConnectionLimit(max: 8)
        try await withTemporaryDirectory { directory in
            let listener = try await SocketListener.start(
                on: .unix(path: directory + "/s", mode: 0o600), group: Self.group,
                connections: connections
            ) { _, _ in
            }
            func isAccepting() async throws -> Bool {
                try await listener.server.getOption(.autoRead).get()
            }
            // As the event loop tells of it; a second one does not begin a second pause.
            for code in [EMFILE, ENFILE] {
                listener.server.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept"))
            }
            #expect(try await !isAccepting())
            let client = try RawClient(unixPath: directory + "/s")
            while true {
                let open = connections.open
                if try await isAccepting() { break }
                #expect(open == 0)
                try await Task.sleep(for: .milliseconds(1))
            }
            try await eventually { connections.open == 1 }
            client.disconnect()
            await listener.drain()
        }
    }

    @Test("a drain answers what is under way, closes what is idle and refuses what is new")
    func drain() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application, onTCP: true) { server in
            var requests = application.requests.makeAsyncIterator()
            let idle = try server.connect()
            try await idle.send("GET /idle HTTP/1.1\r\n\r\n")
            await requests.next()?.reply(HTTPAnswer(status: 200))
            #expect(try await Response.receive(from: idle).status == 200)
            let busy = try server.connect()
            try await busy.send("GET /busy HTTP/1.1\r\n\r\n")
            let held = await requests.next()
            let begun = try server.connect()
            try await begun.send("POST /begun HTTP/1.1\r\nContent-Length: 2\r\n\r\na")
            try await eventually { server.budget.reserved == 2 }

            async let drained: Void = server.listener.drain()
            #expect(try await idle.receiveAll() == [])
            #expect(throws: RawClient.Failure.self) { _ = try server.connect() }
            #expect(busy.hasNothingToReceive)
            held?.reply(HTTPAnswer(status: 200))
            let answer = try await Response.receive(from: busy)
            #expect(answer.status == 200)
            #expect(answer.headers["connection"] == "close")
            #expect(try await busy.receiveAll() == [])
            try await begun.send("b")
            await requests.next()?.reply(HTTPAnswer(status: 201))
            #expect(try await Response.receive(from: begun).status == 201)
            await drained
        }
    }

    @Test("cancelling a drain closes what is left at once")
    func cancelledDrain() async throws {
        let application = ScriptedApplication(holds: true)
        try await ServerFixture.run(application) { server in
            let client = try server.connect()
            try await client.send("GET / HTTP/1.1\r\n\r\n")
            var requests = application.requests.makeAsyncIterator()
            let held = await requests.next()
            let drain = Task { await server.listener.drain() }
            try await eventually { (try? server.connect()) == nil }
            drain.cancel()
            await drain.value
            #expect(try await client.receiveAll() == [])
            held?.reply(HTTPAnswer(status: 200))
        }
    }
}

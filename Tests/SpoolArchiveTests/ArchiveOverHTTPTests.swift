import NIOPosix
import SpoolCore
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// The archive behind a real listener, asked with plain bytes.
struct ArchiveOverHTTPTests {
    /// Serves a fresh archive on `archive.sock` while `body` runs.
    private static func serve(
        _ change: (inout ArchiveSettings) -> Void = { _ in },
        _ body: (ArchiveFixture, String) async throws -> Void
    ) async throws {
        let archive = try ArchiveFixture(change)
        let socket = archive.directory + "/archive.sock"
        let listener = try await HTTPListener.start(
            archive.archive.application, on: .unix(path: socket, mode: 0o600),
            group: MultiThreadedEventLoopGroup.singleton, budget: ByteBudget(bytesMax: 64 << 20),
            connections: ConnectionLimit(max: 64))
        do {
            try await body(archive, socket)
        } catch {
            Issue.record(error)
        }
        await listener.drain()
        await archive.remove()
    }

    /// One request on a connection of its own; the whole response.
    private static func exchange(
        _ socket: String, _ line: String, _ body: String
    ) async throws -> (head: String, body: String) {
        let client = try RawClient(unixPath: socket)
        try await client.send(
            "\(line) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        let response = String(decoding: try await client.receiveAll(), as: UTF8.self)
        let parts = response.split(separator: "\r\n\r\n", maxSplits: 1)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }

    @Test func `logs, feedback and questions work over a socket`() async throws {
        try await Self.serve { _, socket in
            let log = try await Self.exchange(
                socket, "POST /v4//logs", #"[{"project":"p","reference_id":"a/b c"}]"#)
            #expect(log.head.hasPrefix("HTTP/1.1 200 OK"))
            #expect(log.head.lowercased().contains("content-type: application/json"))
            let id = try #require(
                try JSONValue(parsing: Array(log.body.utf8))[0]?["id"]?.stringValue)
            let question = try await Self.exchange(
                socket, "PATCH /logs?reference_id=a%2Fb%20c", "{}")
            #expect(question.head.hasPrefix("HTTP/1.1 200 OK"))
            #expect(try JSONValue(parsing: Array(question.body.utf8))["id"] == .string(id))
            let session = try await Self.exchange(socket, "POST /sessions", "")
            #expect(session.head.hasPrefix("HTTP/1.1 201 Created"))
            let missing = try await Self.exchange(socket, "GET /logs/data_x", "")
            #expect(missing.head.hasPrefix("HTTP/1.1 404 Not Found"))
            let method = try await Self.exchange(socket, "PUT /logs", "")
            #expect(method.head.contains("Allow: POST, PATCH, GET, DELETE"))
        }
    }

    @Test func `a body beyond the limit is 413 and stores nothing`() async throws {
        try await Self.serve({ $0.bodyBytesMax = 1000 }) { archive, socket in
            let body = #"{"project":"p","output":"\#(String(repeating: "x", count: 1000))"}"#
            let answer = try await Self.exchange(socket, "POST /logs", body)
            #expect(answer.head.hasPrefix("HTTP/1.1 413"))
            #expect(archive.archive.status.logs == 0)
        }
    }

    @Test func `clients at the same time all get their own answer`() async throws {
        try await Self.serve { archive, socket in
            try await withThrowingTaskGroup(of: (Int, String).self) { group in
                for index in 0..<40 {
                    group.addTask {
                        let body = #"{"project":"p\#(index)","reference_id":"r\#(index)"}"#
                        return (index, try await Self.exchange(socket, "POST /logs", body).body)
                    }
                }
                for try await (index, body) in group {
                    let answer = try JSONValue(parsing: Array(body.utf8))
                    let id = try #require(answer["id"]?.stringValue)
                    let log = try await archive.ask("GET", "/logs/\(id)")
                    #expect(log["reference_id"] == .string("r\(index)"))
                }
            }
            #expect(archive.archive.status.logs == 40)
        }
    }

    @Test func `a client that leaves before its answer leaves its log`() async throws {
        try await Self.serve { archive, socket in
            let client = try RawClient(unixPath: socket)
            let body = #"{"project":"p","reference_id":"left"}"#
            try await client.send(
                "POST /logs HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n"
                    + "\r\n\(body)"
            )
            // The first byte of the answer comes after the commit.
            _ = try await client.receive(exactly: 1)
            client.disconnect()
            try await archive.ask("PATCH", "/logs?reference_id=left", "{}")
        }
    }
}

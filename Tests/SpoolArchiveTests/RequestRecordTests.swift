import Foundation
import SpoolCore
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// The record is complete, in order and exact, because judges believe nothing else.
struct RequestRecordTests {
    /// Calls `body` with the path of a record that is removed afterwards.
    private static func withRecord(_ body: (String) async throws -> Void) async throws {
        let directory = try TestFolder.make("archive")
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory + "/record.ndjson")
    }

    private static func lines(of path: String) throws -> [JSONValue] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return try text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
    }

    @Test func `every request is a line with its answer, in order`() async throws {
        try await Self.withRecord { path in
            let archive = try ArchiveFixture { $0.recordPath = path }
            let requests = [
                ("POST", "/v4//logs", #"{ "project":"p","reference_id":"r","n":1.50 }"#, 200),
                ("POST", "/logs", "[{}]", 422), ("POST", "/logs", "", 400),
                ("PATCH", "/logs?reference_id=r&x=%20", "{}", 200), ("GET", "/logs/x", "", 404),
                ("PUT", "/logs", "é\n", 405), ("POST", "/chat", "{}", 501),
                ("POST", "/logs", #"{"project":"p","save":false,"output":"secret"}"#, 200),
            ]
            var answers: [String] = []
            for (method, target, body, status) in requests {
                let answer = await archive.send(method, target, body)
                #expect(answer.status == status)
                answers.append(answer.text)
            }
            let lines = try Self.lines(of: path)
            #expect(lines.count == requests.count)
            for (line, (request, answer)) in zip(lines, zip(requests, answers)) {
                #expect(
                    line.members?.map(\.0) == [
                        "time", "method", "path", "body", "status", "answer",
                    ])
                #expect(line["time"]?.stringValue.flatMap { DateTime($0) } != nil)
                #expect(line["method"] == .string(request.0))
                #expect(line["path"] == .string(request.1))
                #expect(line["body"] == .string(request.2))
                #expect(line["status"]?.intValue == request.3)
                #expect(line["answer"] == .string(answer))
            }
            #expect(archive.reports.isEmpty)
            await archive.remove()
        }
    }

    @Test func `the line is there when the answer is`() async throws {
        try await Self.withRecord { path in
            let archive = try ArchiveFixture { $0.recordPath = path }
            let count = await withCheckedContinuation { continuation in
                archive.archive.application.answer(.log(#"{"project":"p"}"#)) { _ in
                    continuation.resume(returning: (try? Self.lines(of: path).count) ?? -1)
                }
            }
            #expect(count == 1)
            await archive.remove()
        }
    }

    @Test func `a record is appended to, and a line cut by a kill stays a line of its own`()
        async throws
    {
        try await Self.withRecord { path in
            try #"{"time":"cut"#.write(toFile: path, atomically: false, encoding: .utf8)
            for _ in 0..<2 {
                let archive = try ArchiveFixture { $0.recordPath = path }
                try await archive.ask("POST", "/sessions", status: 201)
                await archive.remove()
            }
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count == 4)
            #expect(lines[0] == #"{"time":"cut"#)
            for line in lines[1...2] { _ = try JSONValue(parsing: Array(line.utf8)) }
            #expect(lines[3].isEmpty)
        }
    }

    @Test func `a record that cannot be opened is refused with its path`() throws {
        let directory = try TestFolder.make("archive")
        #expect {
            _ = try ArchiveFixture(in: directory) { $0.recordPath = "/no/such/record" }
        } throws: {
            "\($0)".contains("/no/such/record")
        }
        try FileManager.default.removeItem(atPath: directory)
    }

    @Test func `lines of concurrent requests never mix`() async throws {
        try await Self.withRecord { path in
            let archive = try ArchiveFixture { $0.recordPath = path }
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<200 {
                    let body =
                        #"{"project":"p","source":"\#(String(repeating: "\(index)", count: 500))"}"#
                    group.addTask {
                        _ = await archive.send("POST", "/logs", index % 4 == 0 ? "{" : body)
                    }
                }
            }
            #expect(try Self.lines(of: path).count == 200)
            await archive.remove()
        }
    }

    @Test func `any bytes can be had again from their JSON string`() throws {
        var random = SeededRandom(seed: 7)
        var samples: [[UInt8]] = [
            [], [0x80], [0xFF, 0xFE], Array("é😀\u{0}\u{7F}\"\\\n".utf8), [0xED, 0xB2, 0x80],
            [0xC3], Array("ok".utf8) + [0xE2, 0x82], [0xF0, 0x9F, 0x98, 0x41], [0xC0, 0xAF],
        ]
        for _ in 0..<500 {
            samples.append(
                (0..<Int.random(in: 1...40, using: &random)).map { _ in
                    Bool.random(using: &random)
                        ? UInt8.random(in: 32...126, using: &random)
                        : UInt8.random(in: 0...255, using: &random)
                })
        }
        for sample in samples {
            let quoted = sample.withUnsafeBytes { RequestRecord.quoted($0) }
            #expect(Self.unquoted(quoted) == sample)
        }
    }

    /// What Python's `json.loads(…).encode("utf-8", "surrogateescape")` does, written down again:
    /// JSON escapes to UTF-16, lone surrogates U+DC80…U+DCFF to bytes.
    private static func unquoted(_ json: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = json.dropFirst().dropLast()
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            let letter = rest.removeFirst()
            guard letter == UInt8(ascii: "u") else {
                let simple: [Character: UInt8] = [
                    "n": 10, "r": 13, "t": 9, "b": 8, "f": 12, "\"": 34, "\\": 92,
                ]
                bytes.append(simple[Character(Unicode.Scalar(letter))] ?? 0)
                continue
            }
            let unit = UInt16(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16) ?? 0
            rest.removeFirst(4)
            bytes.append(UInt8(unit & 0xFF))
        }
        return bytes
    }
}

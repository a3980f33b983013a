import Foundation
import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolSQLite
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

@testable import SpoolArchive

/// An archive in a directory of its own, asked without a network in between.
final class ArchiveFixture: Sendable {
    let directory: String
    let archive: Archive
    let clock = TestClock()

    /// An archive in a fresh directory, or the one in `directory` again.
    init(
        in directory: String? = nil,
        _ change: (inout ArchiveSettings) -> Void = { _ in }
    ) throws {
        var settings = ArchiveSettings()
        settings.freeDiskBytesMin = 0
        change(&settings)
        let directory = try directory ?? TestFolder.make("archive")
        self.directory = directory
        let failures = FailureList()
        archive = try Archive.open(
            directory: directory, settings: settings, now: clock.now, report: failures.add)
        reported = failures
    }

    private let reported: FailureList
    /// What the archive reported to the operator.
    var reports: [String] { reported.all }

    /// Closes the archive and leaves its files.
    func close() async { await archive.close() }

    /// Closes the archive and removes its files.
    func remove() async {
        await archive.close()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Bytes of the database, without its log.
    func fileSize() throws -> Int {
        let path = directory + "/archive.db"
        return try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    }

    /// All bytes on disk, of the database and its log.
    func fileBytes() throws -> [UInt8] {
        try ["archive.db", "archive.db-wal"].flatMap { name -> [UInt8] in
            let path = directory + "/" + name
            guard FileManager.default.fileExists(atPath: path) else { return [] }
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        }
    }

    // MARK: Asking

    func send(_ method: String, _ target: String, _ body: String = "") async -> HTTPAnswer {
        await send(method, target, Array(body.utf8))
    }

    func send(_ method: String, _ target: String, _ body: [UInt8]) async -> HTTPAnswer {
        await archive.application.ask(method, target, body)
    }

    /// The JSON of an answer that must have this status.
    @discardableResult
    func ask(
        _ method: String, _ target: String, _ body: String = "", status: Int = 200,
        at place: SourceLocation = #_sourceLocation
    ) async throws -> JSONValue {
        let answer = await send(method, target, body)
        #expect(answer.status == status, "\(answer.text)", sourceLocation: place)
        return try JSONValue(parsing: answer.body)
    }

    /// The mistakes that a body is refused for, as `body.0.project missing`.
    func mistakes(_ target: String, _ body: String, method: String = "POST") async throws
        -> [String]
    {
        let answer = await send(method, target, body)
        guard answer.status == 422 else { return ["status \(answer.status): \(answer.text)"] }
        let detail = try JSONValue(parsing: answer.body)["detail"]?.elements ?? []
        return detail.map { mistake in
            let place = (mistake["loc"]?.elements ?? []).map {
                $0.stringValue ?? "\($0.intValue ?? -1)"
            }
            #expect(mistake["msg"]?.stringValue?.isEmpty == false)
            return place.joined(separator: ".") + " " + (mistake["type"]?.stringValue ?? "")
        }
    }

    /// The id of the project that a log belongs to.
    func project(ofLog id: String) async throws -> String {
        try #require(try await ask("GET", "/logs/\(id)")["project_id"]?.stringValue)
    }

    /// The sources of the logs on a list, in its order, and its total: tests call their logs so.
    func sources(
        _ target: String, at place: SourceLocation = #_sourceLocation
    ) async throws -> (sources: [String], total: Int?) {
        let answer = try await ask("GET", target, at: place)
        #expect(answer.members?.map(\.0) == ["records", "page", "size", "total"])
        let records = answer["records"]?.elements ?? []
        return (records.map { $0["source"]?.stringValue ?? "-" }, answer["total"]?.intValue)
    }

    /// Logs one log and gives its id.
    func log(_ body: String, at place: SourceLocation = #_sourceLocation) async throws -> String {
        let answer = try await ask("POST", "/logs", body, at: place)
        return try #require(answer["id"]?.stringValue, sourceLocation: place)
    }
}

extension HTTPApplication {
    /// One request from a local caller, answered.
    func ask(_ method: String, _ target: String, _ body: [UInt8]) async -> HTTPAnswer {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let request = HTTPRequest(
            method: method, path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : nil,
            body: ByteBuffer(bytes: body), peer: .tcp)
        return await withCheckedContinuation { continuation in
            answer(request) { continuation.resume(returning: $0) }
        }
    }
}

extension Connection {
    /// What an archive's status must say of its bytes, counted anew.
    var storedBytes: Int64? {
        get throws {
            try integer(
                "SELECT (SELECT coalesce(sum(bytes), 0) FROM log) + "
                    + "(SELECT coalesce(sum(\(ArchiveSchema.projectBytes)), 0) FROM project)")
        }
    }
}

extension HTTPAnswer {
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A clock that moves one second each time it is read.
final class TestClock: Sendable {
    private let milliseconds = Mutex<Int64>(1_767_323_045_678)

    var now: @Sendable () -> Timestamp {
        { [self] in
            milliseconds.withLock { milliseconds in
                milliseconds += 1000
                return Timestamp(milliseconds: milliseconds)
            }
        }
    }
}

private final class FailureList: Sendable {
    private let list = Mutex<[String]>([])
    var all: [String] { list.withLock { $0 } }
    var add: @Sendable (any Error) -> Void {
        { [self] error in list.withLock { $0.append("\(error)") } }
    }
}

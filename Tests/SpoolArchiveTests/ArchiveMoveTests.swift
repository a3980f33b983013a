import SpoolCore
import SpoolSQLite
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// An archive moved to another one by its export: the same logs, ids aside.
struct ArchiveMoveTests {
    /// What a daemon does with the lines: each is sent as one request, effects by reference with
    /// the id that upstream gives for it.
    private static func send(_ lines: [[UInt8]], to archive: ArchiveFixture) async throws {
        for line in lines {
            let event = try JSONValue(parsing: line, depthMax: 70)
            let kind = try #require(event.members?.first?.0)
            let body = try #require(event[kind])
            let answer: HTTPAnswer
            switch kind {
            case "log":
                answer = await archive.send("POST", "/logs", text(body))
            case "update":
                let reference = body["reference_id"]?.stringValue ?? ""
                answer = await archive.send(
                    "PATCH", "/logs?reference_id=\(encoded(reference))",
                    text(body, without: ["reference_id"]))
            case "feedback":
                answer = await archive.send(
                    "POST", "/feedback", try await named(body, "data_id", in: archive))
            case "evaluation_log":
                answer = await archive.send(
                    "POST", "/evaluations/\(target(body))/log\(query(body))",
                    text(body, without: ["evaluation_id", "evaluatee_id"]))
            default:
                #expect(kind == "evaluation_result")
                answer = await archive.send(
                    "POST", "/evaluations/\(target(body))/result\(query(body))",
                    try await named(
                        body, "log_id", in: archive, without: ["evaluation_id", "evaluatee_id"]))
            }
            #expect(answer.status < 300, "\(String(decoding: line, as: UTF8.self)): \(answer.text)")
        }
    }

    /// A body whose log is named by id instead of by reference.
    private static func named(
        _ body: JSONValue, _ name: String, in archive: ArchiveFixture, without names: [String] = []
    ) async throws -> String {
        let reference = body["reference_id"]?.stringValue ?? ""
        let log = try await archive.ask("PATCH", "/logs?reference_id=\(encoded(reference))", "{}")
        let id = try #require(log["id"]?.stringValue)
        let rest = text(body, without: names + ["reference_id"])
        return #"{"\#(name)":"\#(id)","# + rest.dropFirst()
    }

    private static func target(_ body: JSONValue) -> String {
        encoded(body["evaluation_id"]?.stringValue ?? "")
    }

    private static func query(_ body: JSONValue) -> String {
        body["evaluatee_id"]?.stringValue.map { "?evaluatee_id=\(encoded($0))" } ?? ""
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// A value as JSON again.
    private static func text(_ value: JSONValue, without names: [String] = []) -> String {
        func write(_ value: JSONValue, to writer: inout JSONWriter, _ names: [String]) {
            switch value {
            case .object(let members):
                writer.beginObject()
                for (name, member) in members where !names.contains(name) {
                    writer.key(name)
                    write(member, to: &writer, [])
                }
                writer.endObject()
            case .array(let elements):
                writer.beginArray()
                for element in elements { write(element, to: &writer, []) }
                writer.endArray()
            case .string(let text): writer.string(text)
            case .number(let text): writer.raw(text.utf8)
            case .bool(let value): writer.bool(value)
            case .null: writer.null()
            }
        }
        var writer = JSONWriter()
        write(value, to: &writer, names)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func lines(of archive: ArchiveFixture) throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        _ = try ArchiveExport.run(directory: archive.directory) { lines.append($0) }
        return lines
    }

    // MARK: Comparing

    /// All logs of an archive as GET answers them, oldest arrival first, without what an archive
    /// gives of its own: ids, times of arrival, and how a parent or session is named.
    private static func logs(of archive: ArchiveFixture, _ ids: [String]) async throws -> [String] {
        let own: Set<String> = [
            "id", "project_id", "session_id", "updated_at", "log_id", "data_id", "reference_id",
            "session_reference_id", "parent_id", "parent_reference_id",
        ]
        func stripped(_ value: JSONValue, inResult: Bool = false) -> JSONValue {
            switch value {
            case .object(let members):
                let kept = members.filter {
                    !own.contains($0.0) && !(inResult && $0.0 == "created_at")
                }
                // Where a member stood in its log is no part of it.
                return .object(
                    kept.map { ($0.0, stripped($0.1, inResult: $0.0 == "evaluation_results")) }
                        .sorted { $0.0 < $1.0 })
            case .array(let elements):
                return .array(elements.map { stripped($0, inResult: inResult) })
            default: return value
            }
        }
        var logs: [String] = []
        for id in ids { logs.append(text(stripped(try await archive.ask("GET", "/logs/\(id)")))) }
        return logs
    }

    /// Ids of all logs, oldest arrival first.
    private static func ids(of archive: ArchiveFixture) async throws -> [String] {
        let reader = try ArchiveReader(path: archive.directory + "/archive.db")
        let query = try reader.prepared("SELECT id FROM log ORDER BY number")
        var ids: [String] = []
        while try query.step() { ids.append(query.text(0)) }
        return ids
    }

    /// For each log its parent's and its session's place among all, to compare archives by.
    private static func links(of archive: ArchiveFixture) throws -> [[Int64]] {
        let reader = try ArchiveReader(path: archive.directory + "/archive.db")
        let query = try reader.prepared(
            """
            SELECT (SELECT count(*) FROM log AS before WHERE before.number < log.number
                        AND before.number <= log.parent),
                (SELECT min(first.number) - (SELECT min(number) FROM log) FROM log AS first
                    WHERE first.session = log.session),
                log.is_saved, log.has_datapoint
            FROM log ORDER BY number
            """)
        var links: [[Int64]] = []
        while try query.step() {
            links.append((0..<4).map { query.isNull($0) ? -1 : query.integer($0) })
        }
        return links
    }

    // MARK: Tests

    @Test(arguments: 1...6)
    func `all that can move arrives: logs, links, updates, feedback, results`(seed: Int)
        async throws
    {
        let first = try ArchiveFixture()
        var maker = ArchiveMaker(seed: UInt64(seed))
        try await maker.fill(first, logs: 60)
        let lines = try Self.lines(of: first)
        let second = try ArchiveFixture()
        try await Self.send(lines, to: second)

        let (oldIDs, newIDs) = (try await Self.ids(of: first), try await Self.ids(of: second))
        let before = try await Self.logs(of: first, oldIDs)
        let after = try await Self.logs(of: second, newIDs)
        #expect(before.count == 60)
        #expect(after.count == before.count)
        for (before, after) in zip(before, after) { #expect(after == before) }
        #expect(try Self.links(of: second) == Self.links(of: first))

        // References that were a log's own are kept; moving on changes nothing more.
        let third = try ArchiveFixture()
        let again = try Self.lines(of: second)
        try await Self.send(again, to: third)
        #expect(try Self.lines(of: third) == again)
        for archive in [first, second, third] { await archive.remove() }
    }

    @Test func `the daemon's door takes every line`() async throws {
        let archive = try ArchiveFixture()
        var maker = ArchiveMaker(seed: 99)
        try await maker.fill(archive, logs: 200)
        let decoder = EventDecoder(
            identity: SpoolIdentity(epoch: 1, key0: 2, key1: 3), defaultProject: nil,
            stamps: SteadyStamps())
        for line in try Self.lines(of: archive) {
            var submission = Submission(caller: "test")
            let refusal = line.dropLast().withUnsafeBytes {
                decoder.decodeLine($0, into: &submission)
            }
            #expect(refusal == nil, "\(String(decoding: line, as: UTF8.self))")
        }
        await archive.remove()
    }
}

/// Fills an archive with logs that are linked in every way, and says things about them.
private struct ArchiveMaker {
    private var random: SeededRandom
    private var ids: [String] = []
    private var sessions: [String] = []

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func fill(_ archive: ArchiveFixture, logs count: Int) async throws {
        sessions.append(
            try await archive.ask("POST", "/sessions", status: 201)["id"]?.stringValue ?? "")
        for index in 0..<count {
            let body = log(index)
            if chance(4) {
                let answer = try await archive.ask(
                    "POST",
                    "/evaluations/ev%20\(index % 2)/log" + (chance(2) ? "?evaluatee_id=v" : ""),
                    #"{"datapoint_id":"dp\#(index)","log":\#(body)}"#, status: 201)
                ids.append(answer["id"]?.stringValue ?? "")
            } else {
                ids.append(try await archive.log(body))
            }
            if chance(3) { try await effect(archive) }
        }
        for _ in 0..<count { try await effect(archive) }
    }

    private mutating func chance(_ outOf: Int) -> Bool {
        Int.random(in: 0..<outOf, using: &random) == 0
    }

    private mutating func log(_ index: Int) -> String {
        var members = [
            #""project":"p \#(index % 3)""#, #""inputs": {"n" : \#(index).50, "big":1e400}"#,
        ]
        if chance(2) { members.append(#""reference_id":"r\#(index)""#) }
        if chance(6) { members.append(#""reference_id":"shared""#) }
        if chance(2) { members.append("\n\t\"output\":\"caf\\u00e9 \(index)\"") }
        if chance(5) { members.append(#""save":false"#) }
        if chance(3) { members.append(#""config":{"model":"m","temperature":0.70}"#) }
        if chance(3) { members.append(#""created_at":"2024-05-01T12:00:00.1234567+02:00""#) }
        if chance(3) { members.append(#""source_datapoint_id":"d\#(index)""#) }
        if chance(3) { members.append(#""feedback":[{"type":"i","value":["a","b"]}]"#) }
        if chance(4) {
            members.append(#""session_reference_id":"s \#(index % 4)""#)
        } else if chance(4) {
            members.append(#""session_id":"\#(sessions[0])""#)
        }
        if chance(2), let parent = ids.randomElement(using: &random) {
            members.append(#""parent_id":"\#(parent)""#)
        }
        return "{\(members.joined(separator: ","))}"
    }

    private mutating func effect(_ archive: ArchiveFixture) async throws {
        guard let id = ids.randomElement(using: &random) else { return }
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            try await archive.ask(
                "PATCH", "/logs/\(id)",
                chance(2) ? #"{"output":"late","duration":1e-07}"# : #"{"error":"\ud83d\ude00"}"#)
        case 1:
            try await archive.ask(
                "POST", "/feedback",
                chance(3)
                    ? #"{"type":"rating","unset":true,"data_id":"\#(id)"}"#
                    : #"{"type":"rating","value":3.0,"user":"u","data_id":"\#(id)"}"#)
        default:
            // Refused for logs that answer no datapoint; the others are judged.
            let verdict = chance(2) ? #""result":true"# : #""error":"no""#
            let answer = await archive.send(
                "POST", "/evaluations/ev%20\(Int.random(in: 0..<2, using: &random))/result",
                #"{"log_id":"\#(id)","evaluator_id":"f",\#(verdict)}"#)
            #expect([201, 422].contains(answer.status))
        }
    }
}

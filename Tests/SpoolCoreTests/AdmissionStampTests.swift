import Foundation
import SpoolCore
import SpoolTestKit
import Testing

@Suite struct AdmissionStampTests {
    private let door = AdmissionDoor()
    private static let time = "2026-01-02T03:04:05.678+00:00"

    @Test func `a log without reference, time and project gets all three in front`() throws {
        let accepted = try door.accept(.log, #" { "output" : "x" } "#)
        let reference = try #require(LogFacts(of: accepted.bodies[0])?.referenceID)
        #expect(reference.hasPrefix("ls_"))
        #expect(
            accepted.bodies[0]
                == "{\"reference_id\":\"\(reference)\",\"created_at\":\"\(Self.time)\","
                + "\"project\":\"home\", \"output\" : \"x\" }")
        #expect(accepted.events[0].referenceIsMinted)
        #expect(accepted.events[0].reference == door.identity.key(of: reference, named: .reference))
        #expect(accepted.submission.projects == ["name:home"])
    }

    @Test func `an empty object gets no comma behind its stamps`() throws {
        let accepted = try door.accept(.log, "{ }")
        #expect(accepted.bodies[0].hasSuffix("\"project\":\"home\" }"))
        #expect(throws: Never.self) {
            try JSONSerialization.jsonObject(with: Data(accepted.bodies[0].utf8))
        }
    }

    @Test func `a null is replaced where it stands, so that no key occurs twice`() throws {
        let accepted = try door.accept(
            .log,
            """
            {"project": null,"created_at":null ,"a":null,"reference_id": null,"project_id":null}
            """)
        let reference = try #require(LogFacts(of: accepted.bodies[0])?.referenceID)
        #expect(
            accepted.bodies[0]
                == "{\"project\": \"home\",\"created_at\":\"\(Self.time)\" ,\"a\":null,"
                + "\"reference_id\": \"\(reference)\",\"project_id\":null}")
    }

    @Test func `the default project stays away where the log names one`() throws {
        let named = try door.accept(.log, #"{"project":"mine"}"#)
        #expect(named.submission.projects == ["name:mine"])
        #expect(!named.bodies[0].contains("home"))
        let byID = try door.accept(.log, #"{"project":null,"project_id":"pr_1"}"#)
        #expect(byID.submission.projects == ["id:pr_1"])
        #expect(byID.bodies[0].contains(#""project":null"#))
        let both = try door.accept(.log, #"{"project":"mine","project_id":"pr_1"}"#)
        #expect(both.submission.projects == ["id:pr_1"])
    }

    @Test func `a default project with quotes in its name is escaped`() throws {
        let quoting = AdmissionDoor(defaultProject: "a \"b\"\n")
        let accepted = try quoting.accept(.log, "{}")
        let body = try JSONValue(parsing: Array(accepted.bodies[0].utf8))
        #expect(body["project"]?.stringValue == "a \"b\"\n")
        #expect(accepted.submission.projects == ["name:a \"b\"\n"])
    }

    @Test func `feedback gets a time and nothing else, an update nothing`() throws {
        #expect(
            try door.accept(.feedback, #"{"type":"rating"}"#).bodies
                == ["{\"created_at\":\"\(Self.time)\",\"type\":\"rating\"}"])
        #expect(
            try door.accept(.feedback, #"{"created_at":null,"type":"rating"}"#).bodies
                == ["{\"created_at\":\"\(Self.time)\",\"type\":\"rating\"}"])
        let given = #"{"type":"rating","created_at":"2024-05-01"}"#
        #expect(try door.accept(.feedback, given).bodies == [given])
        #expect(try door.accept(.update, #" {"output" : null} "#).bodies == [#"{"output" : null}"#])
        #expect(try door.accept(.update, "{}").bodies == ["{}"])
    }

    @Test func `a complete log travels byte for byte`() throws {
        let body =
            #"{"reference_id":"\u0061","created_at":"2024-05-01","project":"p","a":1e400, "b":-0}"#
        #expect(try door.accept(.log, "\n\(body)\t").bodies == [body])
        #expect(door.stamps.mintedCount == 0)
    }

    @Test(arguments: 0..<40)
    func `bytes travel as they came apart from the stamps`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var logs: [LogText] = []
        for _ in 0..<20 { logs.append(LogText(using: &random)) }
        for log in logs {
            let accepted = try door.accept(.log, log.text)
            try #expect(accepted.bodies == [log.expected(of: accepted.bodies[0])])
        }
        let all = "[" + logs.map(\.text).joined(separator: " , ") + "]"
        let accepted = try door.accept(.log, all)
        for (log, body) in zip(logs, accepted.bodies) {
            try #expect(body == log.expected(of: body))
        }
    }

    /// A random log that knows what its stamped form must be.
    private struct LogText {
        /// Each member with its key's name and the text before, between and after key and value.
        private var members: [(name: String, key: String, value: String)] = []
        private var end = ""

        init(using random: inout SeededRandom) {
            let stamped = ["reference_id", "created_at", "project"]
            for name in stamped where Bool.random(using: &random) {
                let given = name == "created_at" ? "\"2024-05-01T12:30:15Z\"" : "\"giv\\u0065n\""
                add(name, Bool.random(using: &random) ? "null" : given, &random)
            }
            for number in 0..<Int.random(in: 0...5, using: &random) {
                add("k\(number)", Self.value(depth: 3, &random), &random)
            }
            if Bool.random(using: &random) { add("k0", Self.value(depth: 1, &random), &random) }
            members.shuffle(using: &random)
            end = Self.space(&random)
        }

        private mutating func add(_ name: String, _ value: String, _ random: inout SeededRandom) {
            var key = name
            if Int.random(in: 0..<4, using: &random) == 0 {
                key =
                    String(
                        format: "\\u%04x", Int(name.utf8.first ?? 0)) + name.dropFirst()
            }
            key =
                Self.space(&random) + "\"\(key)\"" + Self.space(&random) + ":"
                + Self.space(&random)
            members.append((name, key, value))
        }

        var text: String {
            "{" + members.map { $0.key + $0.value }.joined(separator: ",") + end + "}"
        }

        /// The stamped form; the minted reference is taken from `body`.
        func expected(of body: String) throws -> String {
            let minted = try #require(LogFacts(of: body)?.referenceID)
            let stamps = [
                "reference_id": "\"\(minted)\"", "created_at": "\"\(AdmissionStampTests.time)\"",
                "project": "\"home\"",
            ]
            var parts: [String] = []
            for name in ["reference_id", "created_at", "project"] {
                guard !members.contains(where: { $0.name == name }) else { continue }
                parts.append("\"\(name)\":\(stamps[name] ?? "")")
            }
            parts += members.map { member in
                member.key + (member.value == "null" ? stamps[member.name] ?? "null" : member.value)
            }
            return "{" + parts.joined(separator: ",") + end + "}"
        }

        private static func space(_ random: inout SeededRandom) -> String {
            ["", "", "", " ", "\n\t", "\r\n "].randomElement(using: &random) ?? ""
        }

        private static func value(depth: Int, _ random: inout SeededRandom) -> String {
            switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
            case 0:
                let numbers = ["1e400", "-0", "1E+2", "123456789012345678901234567890", "1.10"]
                return numbers.randomElement(using: &random) ?? ""
            case 1:
                return ["true", "false", "null"].randomElement(using: &random) ?? ""
            case 2: return "\"\\\"\\u0000\\/ \\ud83d\\ude00 \\ud800\""
            case 3: return "\"héllo 😀 , } ] { reference_id\""
            case 4: return "\"\""
            case 5, 6:
                let items = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                    space(&random) + value(depth: depth - 1, &random) + space(&random)
                }
                return "[" + items.joined(separator: ",") + "]"
            default:
                let items = ["project", "reference_id", "x", "x"].map {
                    "\"\($0)\":" + value(depth: depth - 1, &random)
                }
                return "{" + items.joined(separator: ",") + space(&random) + "}"
            }
        }
    }
}

extension LogFacts {
    /// The facts of a body given as text.
    init?(of text: String) {
        var text = text
        let facts = text.withUTF8 { LogFacts(UnsafeRawBufferPointer($0)) }
        guard let facts else { return nil }
        self = facts
    }
}

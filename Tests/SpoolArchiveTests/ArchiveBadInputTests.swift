import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// What is no request of the v4 API gets a clear answer and changes nothing.
struct ArchiveBadInputTests {
    private static let targets = [
        ("POST", "/logs"), ("POST", "/feedback"), ("PATCH", "/logs/data_x"),
        ("PATCH", "/logs?reference_id=r"), ("POST", "/evaluations/e/log"),
        ("POST", "/evaluations/e/result"),
    ]

    private static let notJSON: [[UInt8]] = [
        [], Array("   ".utf8), Array(#"{"project":"p""#.utf8), Array(#"[{"project":"p"},"#.utf8),
        Array(#"{"project":"p"} x"#.utf8), Array("{'project':'p'}".utf8), Array("nul".utf8),
        Array(#"{"project":"p",}"#.utf8), Array(#"{"duration":1e}"#.utf8), Array("NaN".utf8),
        Array(#"{"project":""#.utf8) + [0xFF] + Array(#""}"#.utf8),
        Array(#"{"project":""#.utf8) + [0xED, 0xA0, 0x80] + Array(#""}"#.utf8),
        [0xEF, 0xBB, 0xBF] + Array(#"{"project":"p"}"#.utf8),
        Array(#"{"project":"\#u{1}"}"#.utf8),
    ]

    @Test(arguments: targets.indices)
    func `what is not JSON is answered 400 with the place`(index: Int) async throws {
        let archive = try ArchiveFixture()
        let (method, target) = Self.targets[index]
        for body in Self.notJSON {
            let answer = await archive.send(method, target, body)
            #expect(
                answer.status == 400, "\(String(decoding: body, as: UTF8.self)): \(answer.text)")
            let detail = try JSONValue(parsing: answer.body)["detail"]?.stringValue ?? ""
            #expect(detail.contains("at byte") || detail.contains("empty"), "\(detail)")
        }
        #expect(archive.archive.status.logs == 0)
        await archive.remove()
    }

    @Test func `a log may be nested 64 deep, in an array too`() async throws {
        let archive = try ArchiveFixture()
        func log(depth: Int) -> String {
            let inner = depth - 2
            return #"{"project":"p","inputs":{"a":"#
                + String(repeating: "[", count: inner) + String(repeating: "]", count: inner) + "}}"
        }
        for (body, status) in [
            (log(depth: 64), 200), (log(depth: 65), 400), ("[\(log(depth: 64))]", 200),
            ("[\(log(depth: 65))]", 400),
        ] {
            let answer = await archive.send("POST", "/logs", body)
            #expect(answer.status == status, "\(answer.text)")
        }
        let wrapped = #"{"datapoint_id":"d","log":\#(log(depth: 64))}"#
        #expect(await archive.send("POST", "/evaluations/e/log", wrapped).status == 201)
        await archive.remove()
    }

    @Test(arguments: [
        ("PUT", "/logs", "POST, PATCH, GET, DELETE"), ("DELETE", "/logs/data_1", "GET, PATCH"),
        ("GET", "/feedback", "POST"), ("PATCH", "/v4//sessions", "POST, GET"),
        ("GET", "/evaluations/e/result", "POST"), ("HEAD", "/logs/data_1", "GET, PATCH"),
    ])
    func `a known path with another method is 405 and names the methods`(
        method: String, path: String, allowed: String
    ) async throws {
        let archive = try ArchiveFixture()
        let answer = await archive.send(method, path, "{}")
        #expect(answer.status == 405)
        #expect(answer.headers.first { $0.0 == "Allow" }?.1 == allowed)
        await archive.remove()
    }

    @Test(arguments: [
        ("POST", "/chat", "model provider"), ("POST", "/v4/completion-deployed", "model provider"),
        ("PATCH", "/datapoints/x", "out of service"), ("POST", "/", "base URL"),
        ("POST", "/v5/logs", "base URL"), ("POST", "/v4/v4/logs", "base URL"),
        ("GET", "/logs/a/b", "base URL"),
    ])
    func `what the archive does not do is 501 and says why`(
        method: String, path: String, words: String
    ) async throws {
        let archive = try ArchiveFixture()
        let answer = try await archive.ask(method, path, "{}", status: 501)
        #expect(answer["detail"]?.stringValue?.contains(words) == true)
        await archive.remove()
    }

    @Test(arguments: [
        ("/logs", ["query.project_id missing"]),
        ("/logs?project_id=p&page=-1", ["query.page int_type"]),
        ("/logs?project_id=p&page=x&size=0", ["query.page int_type", "query.size int_type"]),
        ("/logs?project_id=p&size=1001", ["query.size int_type"]),
    ])
    func `a list with wrong parameters is refused with all of them`(
        target: String, expected: [String]
    ) async throws {
        let archive = try ArchiveFixture()
        #expect(try await archive.mistakes(target, "", method: "GET") == expected)
        await archive.remove()
    }

    @Test func `what is not here is 404`() async throws {
        let archive = try ArchiveFixture()
        try await archive.ask("GET", "/logs/data_x", status: 404)
        try await archive.ask("GET", "/logs?project_id=pr_x", status: 404)
        await archive.remove()
    }

    @Test func `a body on a request that has none is ignored`() async throws {
        let archive = try ArchiveFixture()
        try await archive.ask("POST", "/sessions", "not JSON", status: 201)
        await archive.remove()
    }

    @Test func `names of any length and character are kept apart`() async throws {
        let archive = try ArchiveFixture()
        let long = String(repeating: "x", count: 100_000)
        for reference in ["", " ", #"\u0000"#, #"a\u0000b"#, "'; DROP TABLE log; --", "é", long] {
            let id = try await archive.log(#"{"project":"","reference_id":"\#(reference)"}"#)
            let child = try await archive.log(
                #"{"project":"","parent_reference_id":"\#(reference)"}"#)
            #expect(child != id)
        }
        let answer = try await archive.ask("PATCH", "/logs?reference_id=a%00b", "{}")
        #expect(answer["reference_id"] == .string("a\u{0}b"))
        #expect(archive.archive.status.logs == 14)
        await archive.remove()
    }
}

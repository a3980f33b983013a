import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// Projects: made, asked for, listed, exported.
struct ArchiveProjectTests {
    private static let required = [
        "id", "name", "users", "data_count", "feedback_types", "team_id", "created_at",
        "updated_at",
    ]

    @Test func `a project is made, and logs of its name and id are its own`() async throws {
        let archive = try ArchiveFixture()
        let project = try await archive.ask(
            "POST", "/v4/projects", #"{"name":"p","directory_id":"dir_1","unlisted":1}"#,
            status: 201)
        #expect(project.members?.map(\.0) == Self.required)
        let id = try #require(project["id"]?.stringValue)
        #expect(id.wholeMatch(of: /pr_[0-9A-Za-z]{21}/) != nil)
        #expect(project["name"] == .string("p"))
        #expect(project["data_count"] == .number("0"))
        #expect(project["users"] == .array([]))
        #expect(project["feedback_types"] == .array([]))
        #expect(project["team_id"]?.stringValue?.wholeMatch(of: /tm_[0-9A-Za-z]{21}/) != nil)
        #expect(try await archive.ask("GET", "/projects/\(id)") == project)
        let answer = try await archive.ask(
            "POST", "/logs", #"[{"project":"p"},{"project_id":"\#(id)"}]"#)
        #expect(answer[0]?["project_id"] == .string(id))
        #expect(answer[1]?["project_id"] == .string(id))
        let later = try await archive.ask("GET", "/projects/\(id)")
        #expect(later["data_count"] == .number("2"))
        #expect(later["created_at"] == project["created_at"])
        #expect(later["updated_at"] != project["updated_at"])
        await archive.remove()
    }

    @Test(arguments: [
        ("{}", ["body.name missing"]), (#"{"name":null}"#, ["body.name missing"]),
        (
            #"{"name":7,"directory_id":[]}"#,
            ["body.name string_type", "body.directory_id string_type"]
        ),
        (#"[{"name":"p"}]"#, ["body dict_type"]), ("null", ["body dict_type"]),
        (#"{"name":"taken"}"#, ["body.name value_error"]),
        (#"{"name":"t\u0061ken"}"#, ["body.name value_error"]),
    ])
    func `a project that breaks a rule is refused`(body: String, expected: [String]) async throws {
        let archive = try ArchiveFixture()
        _ = try await archive.log(#"{"project":"taken"}"#)
        #expect(try await archive.mistakes("/projects", body) == expected)
        #expect(try await archive.ask("GET", "/projects")["total"]?.intValue == 1)
        for text in ["", "{", #"{"name":"a"} b"#] {
            try await archive.ask("POST", "/projects", text, status: 400)
        }
        await archive.remove()
    }

    @Test func `names differ by every character`() async throws {
        let archive = try ArchiveFixture()
        for name in ["", " ", "Taken", "taken", "é", "e\u{301}", #"\u0000"#] {
            try await archive.ask("POST", "/projects", #"{"name":"\#(name)"}"#, status: 201)
        }
        try await archive.ask("GET", "/projects/pr_x", status: 404)
        await archive.remove()
    }

    /// Projects `a`…`l`; the latest log is in `c`, then in `b`.
    private static func twelve() async throws -> ArchiveFixture {
        let archive = try ArchiveFixture()
        for name in "lbcadefghijk" {
            try await archive.ask("POST", "/projects", #"{"name":"\#(name)"}"#, status: 201)
        }
        for name in ["b", "c"] { _ = try await archive.log(#"{"project":"\#(name)"}"#) }
        return archive
    }

    @Test(arguments: [
        ("", "kjihgfedac", 12), ("page=1", "bl", 12), ("page=2", "", 12),
        ("size=3", "kji", 12), ("size=5&page=2", "bl", 12), ("order=asc", "lbcadefghi", 12),
        ("sort_by=name", "lkjihgfedc", 12),
        ("sort_by=name&order=asc&size=1000", "abcdefghijkl", 12),
        ("sort_by=updated_at", "cbkjihgfed", 12),
        ("sort_by=updated_at&order=asc&page=1", "bc", 12),
        ("sort_by=created_at&order=desc&size=2", "kj", 12), ("filter=C", "c", 1),
        ("filter=", "kjihgfedac", 12), ("filter=xyz", "", 0), ("filter=%25", "", 0),
        ("user_filter=usr_1", "", 0), ("page=9223372036854775807&size=1000", "", 12),
    ])
    func `projects are listed in pages from 0, the newest first`(
        query: String, names: String, total: Int
    ) async throws {
        let archive = try await Self.twelve()
        let answer = try await archive.ask("GET", "/projects?\(query)")
        #expect(answer.members?.map(\.0) == ["records", "page", "size", "total"])
        let records = answer["records"]?.elements ?? []
        #expect(records.compactMap { $0["name"]?.stringValue }.joined() == names)
        #expect(answer["total"]?.intValue == total)
        #expect(records.allSatisfy { $0.members?.map(\.0) == Self.required })
        await archive.remove()
    }

    @Test(arguments: [
        ("page=-1", ["query.page int_type"]), ("size=0", ["query.size int_type"]),
        ("size=1001", ["query.size int_type"]), ("sort_by=size", ["query.sort_by literal_error"]),
        (
            "page=a&size=b&sort_by=c&order=d",
            [
                "query.page int_type", "query.size int_type", "query.sort_by literal_error",
                "query.order literal_error",
            ]
        ),
    ])
    func `wrong parameters are refused, all at once`(query: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        #expect(try await archive.mistakes("/projects?\(query)", "", method: "GET") == expected)
        await archive.remove()
    }

    @Test func `an export lists a project's logs by time, the newest first`() async throws {
        let archive = try ArchiveFixture()
        let answer = try await archive.ask(
            "POST", "/logs",
            "["
                + (0..<25).map {
                    #"{"project":"p","source":"\#($0)","#
                        + #""created_at":"2024-05-\#(10 + $0 * 7 % 20)"}"#
                }.joined(separator: ",") + #",{"project":"q"}]"#)
        let project = try #require(answer[0]?["project_id"]?.stringValue)
        var days: [String] = []
        for page in 0..<3 {
            let target = "/projects/\(project)/export?page=\(page)"
            let listed = try await archive.ask("POST", target)
            #expect(listed.members?.map(\.0) == ["records", "page", "size", "total"])
            #expect(listed["size"]?.intValue == 10)
            #expect(listed["total"]?.intValue == 25)
            days += (listed["records"]?.elements ?? []).compactMap { $0["created_at"]?.stringValue }
        }
        #expect(days.count == 25)
        #expect(days == days.sorted(by: >))
        let all = try await archive.ask(
            "POST", "/v4//projects/\(project)/export?size=1000&search=zzz", "any body")
        let listed = try await archive.ask("GET", "/logs?project_id=\(project)&size=1000")
        #expect(all["records"] == listed["records"])
        #expect(
            try await archive.mistakes("/projects/\(project)/export?page=-1&size=0", "")
                == ["query.page int_type", "query.size int_type"])
        try await archive.ask("POST", "/projects/pr_x/export", status: 404)
        await archive.remove()
    }
}

import SpoolCore
import SpoolSQLite
import SpoolServer
import Testing

@testable import SpoolArchive

/// `GET /sessions/{id}` and `GET /sessions`
struct ArchiveSessionTests {
    @Test func `a session tells its projects, logs, first inputs and last output`() async throws {
        let archive = try ArchiveFixture()
        let bodies = [
            #"{"project":"p","session_reference_id":"s 1","inputs":{ "n":1.50 },"output":"one"}"#,
            #"{"project":"q","session_reference_id":"s 1","inputs":{"n":2},"output":"two"}"#,
            #"{"project":"p","session_reference_id":"s 1","output":"\ud83d\ude00"}"#,
        ]
        var ids: [String] = []
        for body in bodies { ids.append(try await archive.log(body)) }
        let id = try #require(
            try await archive.ask("GET", "/logs/\(ids[0])")["session_id"]?.stringValue)
        let answer = await archive.send("GET", "/v4/sessions/\(id)", "")
        #expect(answer.text.contains(#""first_inputs":{ "n":1.50 }"#), "as they came")
        #expect(answer.text.contains(#""last_output":"\ud83d\ude00""#))
        let session = try JSONValue(parsing: answer.body)
        #expect(
            session.members?.map(\.0) == [
                "id", "reference_id", "projects", "datapoints_count", "created_at", "updated_at",
                "first_inputs", "last_output",
            ])
        #expect(session["id"] == .string(id))
        #expect(session["reference_id"] == .string("s 1"))
        #expect(session["datapoints_count"] == .number("3"))
        let projects = session["projects"]?.elements ?? []
        #expect(projects.map { $0["name"]?.stringValue } == ["p", "q"])
        #expect(projects.map { $0["type"]?.stringValue } == ["prompt", "prompt"])
        #expect(projects[0]["id"]?.stringValue == (try await archive.project(ofLog: ids[0])))
        #expect(session["created_at"] != session["updated_at"])
        try await archive.ask("PATCH", "/logs/\(ids[2])", #"{"output":"new"}"#)
        let later = try await archive.ask("GET", "/sessions/\(id)")
        #expect(later["last_output"] == .string("new"))
        #expect(later["created_at"] == session["created_at"])
        #expect(later["updated_at"] != session["updated_at"])
        await archive.remove()
    }

    @Test func `a session without logs has what the schema requires`() async throws {
        let archive = try ArchiveFixture()
        let id = try #require(
            try await archive.ask("POST", "/sessions", status: 201)["id"]?.stringValue)
        let session = try await archive.ask("GET", "/sessions/\(id)")
        #expect(
            session.members?.map(\.0) == [
                "id", "projects", "datapoints_count", "created_at", "updated_at",
            ])
        #expect(session["projects"] == .array([]))
        #expect(session["datapoints_count"] == .number("0"))
        #expect(session["created_at"]?.stringValue.flatMap { DateTime($0) } != nil)
        #expect(session["updated_at"] == session["created_at"])
        try await archive.ask("GET", "/sessions/sesh_x", status: 404)
        try await archive.ask("GET", "/sessions/\(id)%00", status: 404)
        await archive.remove()
    }

    @Test func `what a log asked not to keep is not in its session either`() async throws {
        let archive = try ArchiveFixture()
        let log = try await archive.ask(
            "POST", "/logs",
            #"{"project":"p","session_reference_id":"s","save":false,"#
                + #""inputs":{"a":"b"},"output":"o"}"#
        )
        let id = try #require(log["session_id"]?.stringValue)
        let session = try await archive.ask("GET", "/sessions/\(id)")
        #expect(session["first_inputs"] == nil)
        #expect(session["last_output"] == nil)
        await archive.remove()
    }

    @Test func `sessions of a project are listed in pages from 1, the newest first`() async throws {
        let archive = try ArchiveFixture()
        var sessions: [String] = []
        var project = ""
        for index in 0..<23 {
            let answer = try await archive.ask(
                "POST", "/logs",
                #"[{"project":"p","session_reference_id":"s\#(index)"},"#
                    + #"{"project":"p","session_reference_id":"s\#(index)"},"#
                    + #"{"project":"q","session_reference_id":"t\#(index)"}]"#
            )
            sessions.append(try #require(answer[0]?["session_id"]?.stringValue))
            project = try #require(answer[0]?["project_id"]?.stringValue)
        }
        var listed: [String] = []
        for page in 1...3 {
            let answer = try await archive.ask(
                "GET", "/sessions?project_id=\(project)&page=\(page)")
            #expect(answer.members?.map(\.0) == ["records", "page", "size", "total"])
            #expect(answer["page"]?.intValue == page)
            #expect(answer["size"]?.intValue == 10)
            #expect(answer["total"]?.intValue == 23)
            listed += (answer["records"]?.elements ?? []).compactMap { $0["id"]?.stringValue }
        }
        #expect(listed == sessions.reversed())
        let whole = try await archive.ask("GET", "/sessions?project_id=\(project)&size=1000")
        #expect(whole["records"]?[0] == (try await archive.ask("GET", "/sessions/\(sessions[22])")))
        #expect(whole["records"]?.elements?.count == 23)
        for page in [4, Int.max] {
            let beyond = try await archive.ask(
                "GET", "/sessions?project_id=\(project)&page=\(page)")
            #expect(beyond["records"] == .array([]))
            #expect(beyond["total"]?.intValue == 23)
        }
        await archive.remove()
    }

    @Test(arguments: [
        ("", ["query.project_id missing"]), ("project_id=p&page=0", ["query.page int_type"]),
        (
            "page=-1&size=1001",
            [
                "query.project_id missing", "query.page int_type", "query.size int_type",
            ]
        ),
        ("project_id=p&size=x", ["query.size int_type"]),
    ])
    func `wrong parameters are refused, all at once`(query: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        #expect(try await archive.mistakes("/sessions?\(query)", "", method: "GET") == expected)
        try await archive.ask("GET", "/sessions?project_id=pr_x", status: 404)
        await archive.remove()
    }

    @Test func `a page of sessions too large for memory is refused, one session never is`()
        async throws
    {
        let archive = try ArchiveFixture { $0.pageBytesMax = 2000 }
        let output = String(repeating: "x", count: 3000)
        let answer = try await archive.ask(
            "POST", "/logs",
            #"[{"project":"p","session_reference_id":"a","output":"\#(output)"},"#
                + #"{"project":"p","session_reference_id":"b"}]"#
        )
        let project = try #require(answer[0]?["project_id"]?.stringValue)
        #expect(
            try await archive.mistakes("/sessions?project_id=\(project)", "", method: "GET")
                == ["query.size value_error"])
        for page in 1...2 {
            try await archive.ask("GET", "/sessions?project_id=\(project)&size=1&page=\(page)")
        }
        await archive.remove()
    }

    @Test func `sessions that nobody logs to are forgotten when there are very many`() async throws
    {
        let first = try ArchiveFixture()
        let kept = try await first.ask(
            "POST", "/logs", #"{"project":"p","session_reference_id":"kept"}"#)
        let old = try await first.ask("POST", "/sessions", status: 201)
        await first.close()
        let file = try Connection(path: first.directory + "/archive.db")
        try file.execute(
            "INSERT INTO session (number, id, created_at) VALUES (100001, 'sesh_late', 0)")
        let second = try ArchiveFixture(in: first.directory)
        try await second.ask("POST", "/sessions", status: 201)
        try await second.ask("POST", "/sessions", status: 201)
        try await second.ask("GET", "/sessions/\(old["id"]?.stringValue ?? "")", status: 404)
        try await second.ask("GET", "/sessions/sesh_late")
        try await second.ask("GET", "/sessions/\(kept["session_id"]?.stringValue ?? "")")
        await second.remove()
    }
}

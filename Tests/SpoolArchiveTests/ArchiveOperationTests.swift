import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// Each operation answers in its documented shape and status.
struct ArchiveOperationTests {
    @Test func `a log answers an id, its project and no session`() async throws {
        let archive = try ArchiveFixture()
        let answer = try await archive.ask("POST", "/logs", #"{"project":"p","output":"hi"}"#)
        #expect(answer.members?.map(\.0) == ["id", "project_id", "session_id"])
        #expect(answer["id"]?.stringValue?.wholeMatch(of: /data_[0-9A-Za-z]{21}/) != nil)
        #expect(answer["project_id"]?.stringValue?.wholeMatch(of: /pr_[0-9A-Za-z]{21}/) != nil)
        #expect(answer["session_id"]?.isNull == true)
        await archive.remove()
    }

    @Test func `an array of logs answers an array in the same order`() async throws {
        let archive = try ArchiveFixture()
        let body = #"[{"project":"a"},{"project":"b","session_reference_id":"s"},{"project":"a"}]"#
        let answer = try await archive.ask("POST", "/logs", body)
        let logs = try #require(answer.elements)
        try #require(logs.count == 3)
        #expect(logs[0]["project_id"] == logs[2]["project_id"])
        #expect(logs[0]["project_id"] != logs[1]["project_id"])
        #expect(Set(logs.compactMap { $0["id"]?.stringValue }).count == 3)
        #expect(
            logs[1]["session_id"]?.stringValue?.wholeMatch(of: /sesh_[0-9A-Za-z]{21}/) != nil)
        for (index, project) in ["a", "b", "a"].enumerated() {
            let id = try #require(logs[index]["id"]?.stringValue)
            #expect(try await archive.ask("GET", "/logs/\(id)")["project"] == .string(project))
        }
        await archive.remove()
    }

    @Test func `an empty array of logs or feedback answers an empty array`() async throws {
        let archive = try ArchiveFixture()
        #expect(await archive.send("POST", "/logs", "[]").text == "[]")
        #expect(await archive.send("POST", "/feedback", " [ ] ").text == "[]")
        await archive.remove()
    }

    @Test func `a project is known by its name and by its id`() async throws {
        let archive = try ArchiveFixture()
        let first = try await archive.ask("POST", "/logs", #"{"project":"p"}"#)
        let project = try #require(first["project_id"]?.stringValue)
        let second = try await archive.ask("POST", "/logs", #"{"project_id":"\#(project)"}"#)
        #expect(second["project_id"] == first["project_id"])
        let both = try await archive.ask(
            "POST", "/logs", #"{"project_id":"\#(project)","project":"other"}"#)
        #expect(both["project_id"] == first["project_id"], "project_id goes before project")
        await archive.remove()
    }

    @Test func `a session reference joins the session it started`() async throws {
        let archive = try ArchiveFixture()
        let first = try await archive.ask(
            "POST", "/logs",
            #"[{"project":"p","session_reference_id":"s"},"#
                + #"{"project":"q","session_reference_id":"s"}]"#
        )
        let session = try #require(first[0]?["session_id"]?.stringValue)
        #expect(first[1]?["session_id"] == .string(session))
        let byID = try await archive.ask(
            "POST", "/logs", #"{"project":"p","session_id":"\#(session)"}"#)
        #expect(byID["session_id"] == .string(session))
        let later = try await archive.ask(
            "POST", "/logs", #"{"project":"p","session_reference_id":"s"}"#)
        #expect(later["session_id"] == .string(session))
        await archive.remove()
    }

    @Test func `a session is made without a body and can be joined by its id`() async throws {
        let archive = try ArchiveFixture()
        let session = try await archive.ask("POST", "/sessions", status: 201)
        #expect(session.members?.map(\.0) == ["id"])
        let id = try #require(session["id"]?.stringValue)
        let log = try await archive.ask(
            "POST", "/logs", #"{"project":"p","session_id":"\#(id)"}"#)
        #expect(log["session_id"] == .string(id))
        await archive.remove()
    }

    @Test func `feedback answers what was given`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p"}"#)
        let answer = try await archive.ask(
            "POST", "/feedback",
            #"{"type":"rating","value":["a","b"],"data_id":"\#(id)","user":"u","#
                + #""created_at":"2024-05-01T12:31:00+00:00"}"#)
        #expect(answer["id"]?.stringValue?.wholeMatch(of: /ann_[0-9A-Za-z]{21}/) != nil)
        #expect(answer["type"] == .string("rating"))
        #expect(answer["value"] == .array([.string("a"), .string("b")]))
        #expect(answer["data_id"] == .string(id))
        #expect(answer["user"] == .string("u"))
        #expect(answer["created_at"] == .string("2024-05-01T12:31:00+00:00"))
        await archive.remove()
    }

    @Test func `feedback that unsets answers an empty value`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p"}"#)
        let answer = try await archive.ask(
            "POST", "/feedback",
            #"[{"type":"rating","unset":true,"data_id":"\#(id)"},"#
                + #"{"type":"x","value":false,"data_id":"\#(id)"}]"#
        )
        #expect(answer[0]?["value"] == .string(""))
        #expect(answer[0]?["created_at"]?.stringValue.flatMap { DateTime($0) } != nil)
        #expect(answer[1]?["value"] == .bool(false))
        let log = try await archive.ask("GET", "/logs/\(id)")
        #expect(log["feedback"] == answer)
        await archive.remove()
    }

    @Test func `feedback inside a log belongs to it`() async throws {
        let archive = try ArchiveFixture()
        let one = try await archive.log(
            #"{"project":"p","feedback":{"type":"rating","value":1.50}}"#)
        let two = try await archive.log(
            #"{"project":"p","feedback":[{"type":"a","value":"x"},"#
                + #"{"type":"b","value":true,"data_id":"\#(one)"}]}"#
        )
        let first = try await archive.ask("GET", "/logs/\(one)")["feedback"]
        #expect(first?[0]?["value"] == .number("1.50"))
        #expect(first?[0]?["data_id"] == .string(one))
        #expect(first?[1]?["type"] == .string("b"))
        let second = try await archive.ask("GET", "/logs/\(two)")["feedback"]
        #expect(second?.elements?.count == 1)
        #expect(second?[0]?["value"] == .string("x"))
        await archive.remove()
    }

    @Test(arguments: ["/logs/ID", "/logs?reference_id=r%201", "/v4//logs?reference_id=r+1"])
    func `an update changes what it names and answers the log`(target: String) async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(
            #"{"project":"p","reference_id":"r 1","output":"old","duration":1.0,"source":"s"}"#)
        let before = try await archive.ask("GET", "/logs/\(id)")
        let path = target.replacing("ID", with: id)
        let answer = try await archive.ask(
            "PATCH", path, #"{"output":"n\u0065w","error":"e","unknown":1}"#)
        #expect(answer["id"] == .string(id))
        #expect(answer["reference_id"] == .string("r 1"))
        #expect(answer["output"] == .string("new"))
        #expect(answer["error"] == .string("e"))
        #expect(answer["duration"] == .number("1.0"))
        #expect(answer["source"] == .string("s"))
        #expect(answer["updated_at"] != before["updated_at"])
        #expect(try await archive.ask("GET", "/logs/\(id)") == answer)
        let again = try await archive.ask("PATCH", path, #"{"duration":2e-7,"output":null}"#)
        #expect(again["duration"] == .number("2e-7"))
        #expect(again["output"] == .string("new"), "null is absent")
        await archive.remove()
    }

    @Test func `an empty update changes nothing and answers the log`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p","reference_id":"r","output":"o"}"#)
        let log = try await archive.ask("GET", "/logs/\(id)")
        #expect(try await archive.ask("PATCH", "/logs?reference_id=r", "{}") == log)
        #expect(log["id"] == .string(id))
        #expect(log["reference_id"] == .string("r"))
        await archive.remove()
    }

    @Test func `an evaluation's log answers like a log, and can be judged`() async throws {
        let archive = try ArchiveFixture()
        let log = try await archive.ask(
            "POST", "/evaluations/ev_1/log?evaluatee_id=evv_1",
            #"{"datapoint_id":"dp","log":{"project":"p","output":"o"}}"#, status: 201)
        #expect(log.members?.map(\.0) == ["id", "project_id", "session_id"])
        let id = try #require(log["id"]?.stringValue)
        let result = try await archive.ask(
            "POST", "/evaluations/ev_1/result",
            #"{"log_id":"\#(id)","evaluator_id":"evfn_1","result":0.50}"#, status: 201)
        for name in [
            "id", "evaluator_id", "evaluator_version_id", "log_id", "created_at", "updated_at",
        ] {
            #expect(result[name]?.stringValue?.isEmpty == false, "\(name) is required")
        }
        #expect(result["value"] == .number("0.50"))
        #expect(result["error"]?.isNull == true)
        #expect(result["evaluation_id"] == .string("ev_1"))
        let failed = try await archive.ask(
            "POST", "/evaluations/ev_1/result",
            #"{"log_id":"\#(id)","evaluator_id":"evfn_2","error":"no"}"#, status: 201)
        let stored = try await archive.ask("GET", "/logs/\(id)")
        #expect(stored["evaluation_results"] == .array([result, failed]))
        await archive.remove()
    }

    @Test func `every operation works below v4 and with empty segments`() async throws {
        let archive = try ArchiveFixture()
        let id = try await archive.log(#"{"project":"p","source_datapoint_id":"d"}"#)
        for prefix in ["", "/v4", "//v4/", "/v4//"] {
            try await archive.ask("POST", prefix + "/logs", #"{"project":"p"}"#)
            try await archive.ask(
                "POST", prefix + "/feedback/", #"{"type":"t","value":"v","data_id":"\#(id)"}"#)
            try await archive.ask("POST", prefix + "/sessions", status: 201)
            try await archive.ask("PATCH", prefix + "/logs/\(id)", "{}")
            try await archive.ask("GET", prefix + "/logs/\(id)")
            try await archive.ask(
                "POST", prefix + "/evaluations/e/result",
                #"{"log_id":"\#(id)","evaluator_id":"f","result":true}"#, status: 201)
        }
        await archive.remove()
    }

    @Test func `a second log with the same reference is a second log, and updates hit the newest`()
        async throws
    {
        let archive = try ArchiveFixture()
        let body = #"{"project":"p","reference_id":"same","output":"o"}"#
        let first = try await archive.log(body)
        let second = try await archive.log(body)
        #expect(first != second)
        let answer = try await archive.ask("PATCH", "/logs?reference_id=same", #"{"output":"x"}"#)
        #expect(answer["id"] == .string(second))
        #expect(try await archive.ask("GET", "/logs/\(first)")["output"] == .string("o"))
        let twins = try await archive.ask("POST", "/logs", "[\(body),\(body)]")
        #expect(twins[0]?["id"] != twins[1]?["id"])
        #expect(archive.archive.status.logs == 4)
        await archive.remove()
    }
}

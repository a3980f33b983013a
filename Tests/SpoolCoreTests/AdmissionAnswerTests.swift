import SpoolCore
import SpoolTestKit
import Testing

@Suite struct AdmissionAnswerTests {
    private let door = AdmissionDoor()

    private func id(_ thing: SpoolIdentity.Thing, _ sequence: Int64) -> String {
        door.identity.id(thing, EventSequence(rawValue: sequence))
    }

    @Test func `a log's answer has every key the SDKs need`() throws {
        let accepted = try door.accept(.log, #"{"project":"p","reference_id":"a\"\u0062"}"#)
        let answer = try accepted.answer(first: 9, projectIDs: ["pr_7"])
        #expect(answer.members?.map(\.0) == ["id", "project_id", "session_id", "reference_id"])
        #expect(answer["id"]?.stringValue == id(.log, 9))
        #expect(answer["project_id"]?.stringValue == "pr_7")
        #expect(answer["session_id"]?.isNull == true)
        #expect(answer["reference_id"]?.stringValue == "a\"b")
    }

    @Test func `a log's answer repeats given ids and tells the minted reference`() throws {
        let accepted = try door.accept(.log, #"{"project_id":"pr_x","session_id":"sesh_1"}"#)
        let answer = try accepted.answer(projectIDs: ["ignored"])
        #expect(answer["project_id"]?.stringValue == "pr_x")
        #expect(answer["session_id"]?.stringValue == "sesh_1")
        let minted = try #require(LogFacts(of: accepted.bodies[0])?.referenceID)
        #expect(answer["reference_id"]?.stringValue == minted)
    }

    @Test func `a project id from upstream is escaped, whatever it is`() throws {
        let accepted = try door.accept(.log, "{}")
        let answer = try accepted.answer(projectIDs: ["\"\\\n"])
        #expect(answer["project_id"]?.stringValue == "\"\\\n")
    }

    @Test func `an array is answered in its order`() throws {
        let accepted = try door.accept(
            .log, #"[{"project":"a"},{"project":"b","reference_id":"r"},{"project":"a"}]"#)
        let answer = try accepted.answer(first: 5, projectIDs: ["pr_a", "pr_b"])
        let elements = try #require(answer.elements)
        #expect(elements.map { $0["id"]?.stringValue } == [id(.log, 5), id(.log, 6), id(.log, 7)])
        #expect(elements.map { $0["project_id"]?.stringValue } == ["pr_a", "pr_b", "pr_a"])
        #expect(elements[1]["reference_id"]?.stringValue == "r")
        #expect(try door.accept(.log, "[{}]").answer(projectIDs: ["p"]).elements?.count == 1)
    }

    @Test func `feedback's answer repeats its values as they were written`() throws {
        let accepted = try door.accept(
            .feedback,
            """
            [{"type":"r","value":1e400,"user":"u","data_id":"d","created_at":"2024-05-01"},
             {"type":"t"}]
            """)
        let elements = try #require(try accepted.answer(first: 3).elements)
        let keys = ["id", "type", "value", "data_id", "user", "created_at"]
        #expect(elements.allSatisfy { $0.members?.map(\.0) == keys })
        #expect(elements[0]["id"]?.stringValue == id(.feedback, 3))
        #expect(elements[0]["value"] == .number("1e400"))
        #expect(elements[0]["created_at"]?.stringValue == "2024-05-01")
        #expect(elements[1]["id"]?.stringValue == id(.feedback, 4))
        #expect(elements[1]["value"]?.stringValue == "")
        #expect(elements[1]["data_id"]?.isNull == true)
        #expect(elements[1]["created_at"]?.stringValue == "2026-01-02T03:04:05.678+00:00")
    }

    @Test func `an unset value is answered as empty, never as null`() throws {
        for body in [
            #"{"type":"t","value":"x","unset":true}"#, #"{"type":"t","value":null}"#,
        ] {
            #expect(try door.accept(.feedback, body).answer()["value"]?.stringValue == "")
        }
        let kept = try door.accept(.feedback, #"{"type":"t","value":"x","unset":false}"#)
        #expect(try kept.answer()["value"]?.stringValue == "x")
    }

    @Test func `an update's answer has the keys LogResponse requires, and what was given`() throws {
        let accepted = try door.accept(
            .update, #"{"output":"\u0061","duration":1.50,"error":null}"#)
        let answer = try accepted.answer(first: 8, target: EventSequence(rawValue: 2))
        #expect(answer["id"]?.stringValue == id(.log, 2))
        #expect(answer["config"]?["id"]?.stringValue == "")
        #expect(answer["config"]?["type"]?.stringValue == "generic")
        #expect(answer["config"]?["status"] != nil)
        #expect(answer["config"]?["name"] != nil)
        #expect(answer["evaluation_results"]?.elements?.isEmpty == true)
        #expect(answer["observability_status"]?.stringValue == "pending")
        let updated = try #require(answer["updated_at"]?.stringValue)
        #expect(DateTime(updated)?.time == door.stamps.now())
        #expect(answer["reference_id"]?.stringValue == "r")
        #expect(answer["output"]?.stringValue == "a")
        #expect(answer["duration"] == .number("1.50"))
        #expect(answer["error"] == nil)
    }

    @Test func `an update of a log not known here is answered with an id of its own`() throws {
        let accepted = try door.accept(.update, "{}")
        #expect(try accepted.answer(first: 8)["id"]?.stringValue == id(.log, 8))
    }
}

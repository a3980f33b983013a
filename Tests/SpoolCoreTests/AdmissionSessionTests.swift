import SpoolCore
import Testing

@Suite struct AdmissionSessionTests {
    private let door = AdmissionDoor()

    @Test(arguments: ["", " \r\n\t", "{}", " { } ", "null"])
    func `a session has no body, and one that says nothing counts as none`(body: String) throws {
        let accepted = try door.accept(.session, body)
        let event = try #require(accepted.events.first)
        #expect(accepted.events.count == 1)
        #expect(event.kind == .session)
        #expect(event.route == .postSession)
        #expect(event.body.isEmpty)
        #expect(event.address == nil)
        #expect(event.reference == nil)
        #expect(event.project == nil)
        #expect(event.causes.isEmpty)
        let answer = try accepted.answer(first: 5)
        #expect(answer.members?.map(\.0) == ["id"])
        #expect(
            answer["id"]?.stringValue == door.identity.id(.session, EventSequence(rawValue: 5)))
    }

    @Test func `a session with a body that says something is refused`() throws {
        #expect(try door.mistakes(.session, #"{"id":"mine"}"#) == ["body: value_error"])
        #expect(try door.mistakes(.session, #"{"id":null}"#) == ["body: value_error"])
        #expect(try door.mistakes(.session, "[]") == ["body: dict_type"])
        #expect(try door.refusal(.session, "{").status == 400)
        #expect(try door.refusal(.session, "{} {}").status == 400)
        #expect(try door.refusal(.session, "null,").status == 400)
        #expect(try door.refusal(.session, [0xEF, 0xBB, 0xBF]).status == 400)
    }

    @Test func `a log comes after the session its provisional id names`() throws {
        let session = EventSequence(rawValue: 7)
        let id = door.identity.id(.session, session)
        let event = try door.accept(.log, #"{"session_id":"\#(id)"}"#).events[0]
        #expect(event.causes == [.session(session)])
        #expect(event.holdsProvisionalID)
        #expect(event.sessionReference == nil)
        for other in ["sesh_1", door.identity.id(.log, session), id + " ", ""] {
            let event = try door.accept(.log, #"{"session_id":"\#(other)"}"#).events[0]
            #expect(event.causes.isEmpty)
            #expect(!event.holdsProvisionalID)
        }
    }

    @Test func `a log comes after the project its provisional id names`() throws {
        let number = EventSequence(rawValue: 3)
        let id = door.identity.id(.project, number)
        let accepted = try door.accept(.log, #"{"project_id":"\#(id)"}"#)
        #expect(accepted.events[0].causes == [.project(number)])
        #expect(accepted.events[0].holdsProvisionalID)
        #expect(accepted.submission.projects == ["id:" + id])
        #expect(try accepted.answer(projectIDs: ["x"])["project_id"]?.stringValue == id)
        let named = try door.accept(.log, #"{"project":"\#(id)"}"#).events[0]
        #expect(named.causes.isEmpty)
    }

    @Test func `a session named by reference is keyed, and answered with its id`() throws {
        let accepted = try door.accept(
            .log,
            """
            [{"session_reference_id":"s\\u0031"},{},{"session_id":null,"session_reference_id":""}]
            """)
        #expect(
            accepted.events.map(\.sessionReference) == [
                door.identity.key(of: "s1", named: .sessionReference), nil,
                door.identity.key(of: "", named: .sessionReference),
            ])
        #expect(accepted.events.allSatisfy { $0.causes.isEmpty && !$0.holdsProvisionalID })
        let answer = try accepted.answer(projectIDs: ["p"], sessionIDs: ["sesh_\"1", nil, nil])
        #expect(answer[0]?["session_id"]?.stringValue == "sesh_\"1")
        #expect(answer[1]?["session_id"]?.isNull == true)
        #expect(answer[2]?["session_id"]?.isNull == true)
        #expect(try accepted.answer(projectIDs: ["p"])[0]?["session_id"]?.isNull == true)
    }
}

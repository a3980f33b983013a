import SpoolCore
import SpoolTestKit
import Testing

@Suite struct AdmissionEvaluationTests {
    private let door = AdmissionDoor()
    private static let time = "2026-01-02T03:04:05.678+00:00"
    private let sequence = EventSequence(rawValue: 42)

    private var provisional: String { door.identity.id(.log, sequence) }

    // MARK: Logs

    @Test func `an evaluation's log is stamped inside and travels byte for byte outside`() throws {
        let accepted = try door.accept(
            .evaluationLog, #" { "datapoint_id" : "d1", "log" : { "output" : "a" } , "x":1e400 } "#)
        let body = accepted.bodies[0]
        let inner = try #require(try JSONValue(parsing: Array(body.utf8))["log"])
        let reference = try #require(inner["reference_id"]?.stringValue)
        #expect(
            body == #"{ "datapoint_id" : "d1", "log" : {"reference_id":"\#(reference)","#
                + #""created_at":"\#(Self.time)","project":"home", "output" : "a" } , "x":1e400 }"#)
        let event = accepted.events[0]
        #expect(event.kind == .evaluationLog)
        #expect(event.route == .postEvaluationLog)
        #expect(event.referenceIsMinted)
        #expect(event.digest == nil)
        #expect(event.reference == door.identity.key(of: reference, named: .reference))
        #expect(accepted.addresses == ["ev%2F1"])
        #expect(accepted.submission.projects == ["name:home"])
    }

    @Test func `nulls of the inner log are replaced where they stand`() throws {
        let accepted = try door.accept(
            .evaluationLog,
            #"{"log":{"project":null,"created_at":null,"reference_id":"r"},"datapoint_id":"d"}"#)
        #expect(
            accepted.bodies == [
                #"{"log":{"project":"home","created_at":"\#(Self.time)","reference_id":"r"},"#
                    + #""datapoint_id":"d"}"#
            ])
    }

    @Test func `the inner log is a log: its causes, session and project are noted`() throws {
        let session = door.identity.id(.session, EventSequence(rawValue: 7))
        let project = door.identity.id(.project, EventSequence(rawValue: 3))
        let event = try door.accept(
            .evaluationLog,
            """
            {"datapoint_id":"\(provisional)","log":{"parent_id":"\(provisional)",
             "session_id":"\(session)","project_id":"\(project)","reference_id":"r"}}
            """
        ).events[0]
        #expect(
            event.causes == [
                .event(sequence), .session(EventSequence(rawValue: 7)),
                .project(EventSequence(rawValue: 3)),
            ])
        #expect(event.holdsProvisionalID)
        #expect(event.reference == door.identity.key(of: "r", named: .reference))
    }

    @Test func `an evaluation's log needs its datapoint and its log`() throws {
        #expect(
            try door.mistakes(.evaluationLog, "{}")
                == ["body.datapoint_id: missing", "body.log: missing"])
        #expect(
            try door.mistakes(.evaluationLog, #"{"datapoint_id":null,"log":null}"#)
                == ["body.datapoint_id: missing", "body.log: missing"])
        #expect(
            try door.mistakes(.evaluationLog, #"{"datapoint_id":7,"log":[{}]}"#)
                == ["body.datapoint_id: string_type", "body.log: dict_type"])
        #expect(try door.mistakes(.evaluationLog, "[]") == ["body: dict_type"])
        for name in ["datapoint_id", "log"] {
            let body = #"{"datapoint_id":"d","log":{},"\#(name)":null}"#
            #expect(try door.mistakes(.evaluationLog, body) == ["body.\(name): value_error"])
        }
    }

    @Test func `the inner log's mistakes say where they are`() throws {
        #expect(
            try door.mistakes(
                .evaluationLog,
                """
                {"log":{"save":"no","feedback":[{"type":"t","value":1},{"type":"t"}],
                 "session_id":"a","session_reference_id":"b","parent_id":"c",
                 "parent_reference_id":"d"}}
                """) == [
                    "body.log.save: bool_type", "body.log.feedback.1.value: missing",
                    "body.log.session_reference_id: value_error",
                    "body.log.parent_reference_id: value_error", "body.datapoint_id: missing",
                ])
        #expect(
            try door.mistakes(
                .evaluationLog,
                #"{"datapoint_id":"d","log":{"reference_id":"a","parent_reference_id":"a"}}"#)
                == ["body.log.parent_reference_id: value_error"])
        #expect(
            try door.mistakes(
                .evaluationLog, #"{"datapoint_id":"d","log":{"project":"a","project":"b"}}"#)
                == ["body.log.project: value_error"])
        let strict = AdmissionDoor(defaultProject: nil)
        #expect(
            try strict.mistakes(.evaluationLog, #"{"datapoint_id":"d","log":{}}"#)
                == ["body.log.project: missing"])
    }

    @Test func `an evaluation's log is answered like a log`() throws {
        let accepted = try door.accept(
            .evaluationLog, #"{"datapoint_id":"d","log":{"reference_id":"r","session_id":"s"}}"#)
        let answer = try accepted.answer(first: 9, projectIDs: ["pr_7"])
        #expect(answer.members?.map(\.0) == ["id", "project_id", "session_id", "reference_id"])
        #expect(
            answer["id"]?.stringValue == door.identity.id(.log, EventSequence(rawValue: 9)))
        #expect(answer["project_id"]?.stringValue == "pr_7")
        #expect(answer["session_id"]?.stringValue == "s")
        #expect(answer["reference_id"]?.stringValue == "r")
    }

    // MARK: Results

    private func result(_ members: String) -> String { #"{"evaluator_id":"evfn_1",\#(members)}"# }

    @Test func `a result travels as it came, and names its log in one of three ways`() throws {
        let body = result(#""log_id":"\#(provisional)","result":1e400,"x":1"#)
        let accepted = try door.accept(.evaluationResult, body)
        #expect(accepted.bodies == [body])
        #expect(accepted.addresses == ["ev_1?evaluatee_id=evv_1"])
        #expect(accepted.events[0].kind == .evaluationResult)
        #expect(accepted.events[0].route == .postEvaluationResult)
        #expect(accepted.events[0].causes == [.event(sequence)])
        #expect(accepted.events[0].holdsProvisionalID)
        #expect(accepted.events[0].reference == nil)

        let foreign = try door.accept(
            .evaluationResult, result(#""log_id":"data_9","error":"x""#)
        ).events[0]
        #expect(foreign.causes.isEmpty)
        #expect(!foreign.holdsProvisionalID)
        #expect(foreign.reference == door.identity.key(of: "data_9", named: .foreignID))

        let named = try door.accept(
            .evaluationResult, result(#""reference_id":"\u0072","log_id":null,"result":false"#)
        ).events[0]
        let key = door.identity.key(of: "r", named: .reference)
        #expect(named.reference == key)
        #expect(named.causes == [.reference(key)])
        #expect(named.namesLogByReference)
    }

    @Test func `a result needs its evaluator, its log, and a result or an error`() throws {
        #expect(
            try door.mistakes(.evaluationResult, "{}") == [
                "body.evaluator_id: missing", "body.log_id: missing", "body.result: missing",
            ])
        #expect(
            try door.mistakes(
                .evaluationResult,
                #"{"evaluator_id":null,"log_id":null,"reference_id":null,"result":null}"#) == [
                    "body.evaluator_id: missing", "body.log_id: missing", "body.result: missing",
                ])
        #expect(
            try door.mistakes(
                .evaluationResult, result(#""log_id":"d","reference_id":"r","result":1"#))
                == ["body.reference_id: value_error"])
        #expect(
            try door.mistakes(.evaluationResult, result(#""log_id":"d","result":"good""#))
                == ["body.result: type_error"])
        for verdict in [
            #""result":0"#, #""result":1.5,"error":"x""#, #""result":null,"error":"""#,
        ] {
            let body = result(#""log_id":"d",\#(verdict)"#)
            #expect(throws: Never.self) { try door.accept(.evaluationResult, body) }
        }
        for name in ["log_id", "evaluator_id", "result", "error", "reference_id"] {
            let body = result(#""log_id":"d","result":1,"error":"e","reference_id":null"#)
            #expect(
                try door.mistakes(.evaluationResult, body.dropLast() + #","\#(name)":null}"#)
                    == ["body.\(name): value_error"])
        }
    }

    @Test func `a result's answer has the six keys its schema requires`() throws {
        let accepted = try door.accept(
            .evaluationResult, result(#""log_id":"data_\u0039","result":1.50"#))
        let answer = try accepted.answer(first: 4)
        #expect(answer["id"]?.stringValue?.hasPrefix("evr_") == true)
        #expect(answer["id"]?.stringValue?.utf8.count == 4 + SpoolIdentity.suffixLength)
        #expect(answer["evaluator_id"]?.stringValue == "evfn_1")
        #expect(answer["evaluator_version_id"]?.stringValue == "")
        #expect(answer["log_id"]?.stringValue == "data_9")
        #expect(answer["value"] == .number("1.50"))
        #expect(answer["error"]?.isNull == true)
        for name in ["created_at", "updated_at"] {
            let text = try #require(answer[name]?.stringValue)
            #expect(DateTime(text)?.time == door.stamps.now())
        }
    }

    @Test func `a result by reference is answered with the log's id where that is known`() throws {
        let accepted = try door.accept(
            .evaluationResult, result(#""reference_id":"r","result":true"#))
        #expect(try accepted.answer(target: sequence)["log_id"]?.stringValue == provisional)
        #expect(try accepted.answer(first: 8)["log_id"]?.stringValue?.hasPrefix("data_") == true)
    }
}

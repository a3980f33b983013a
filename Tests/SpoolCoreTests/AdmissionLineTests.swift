import Foundation
import SpoolCore
import Testing

@Suite struct AdmissionLineTests {
    private let door = AdmissionDoor()

    private func decode(_ lines: [String]) -> (submission: Submission, refusals: [LineRefusal?]) {
        var submission = Submission(caller: "uid:1")
        let refusals = lines.map { line in
            Array(line.utf8).withUnsafeBytes {
                door.decoder.decodeLine($0, into: &submission)
            }
        }
        return (submission, refusals)
    }

    private func mistakes(_ line: String) throws -> [String] {
        let (submission, refusals) = decode([line])
        #expect(submission.events.isEmpty)
        #expect(submission.bytes.isEmpty)
        let refusal = try #require(refusals[0])
        #expect(!refusal.message.isEmpty)
        let detail = try JSONSerialization.jsonObject(with: Data(refusal.detail))
        return try AdmissionDoor.listed(detail: detail)
    }

    @Test func `lines of all kinds become one submission, in their order`() {
        let (submission, refusals) = decode([
            #"{"log":{"project":"a","reference_id":"r1"}}"#,
            #" { "feedback" : {"type":"t","created_at":"2024-05-01"} , "note":1 } "#,
            #"{"log":{"save":7}}"#,
            #"{"update":{"output":"x","reference_id":"r1"}}"#,
            #"{"log":{"project":"b","created_at":"2024-05-01","reference_id":"r2"}}"#,
        ])
        #expect(refusals.map { $0 == nil } == [true, true, false, true, true])
        #expect(submission.events.map(\.kind) == [.log, .feedback, .update, .log])
        #expect(submission.events.map(\.project) == [0, nil, nil, 1])
        #expect(submission.projects == ["name:a", "name:b"])
        let bodies = submission.events.map {
            String(decoding: submission.bytes[$0.body], as: UTF8.self)
        }
        #expect(bodies[1] == #"{"type":"t","created_at":"2024-05-01"}"#)
        #expect(bodies[2] == #"{"output":"x"}"#)
        #expect(bodies[3] == #"{"project":"b","created_at":"2024-05-01","reference_id":"r2"}"#)
    }

    @Test(arguments: [
        (#"{"reference_id":"r"}"#, "{}"), (#"{ "reference_id" : "r" }"#, "{  }"),
        (#"{"reference_id":"r","output":"x"}"#, #"{"output":"x"}"#),
        (#"{ "reference_id":"r" , "output":"x" }"#, #"{  "output":"x" }"#),
        (#"{"output":"x","reference_id":"r"}"#, #"{"output":"x"}"#),
        (#"{"output":"x" , "reference_id" : "r" }"#, #"{"output":"x"  }"#),
        (
            #"{"a":",\"","\u0072eference_id":"\u0072","b":{"reference_id":1}}"#,
            #"{"a":",\"","b":{"reference_id":1}}"#
        ),
        (
            #"{"error":null,"reference_id":"r","duration":1e400}"#,
            #"{"error":null,"duration":1e400}"#
        ),
        (#"{"id":null,"reference_id":"r"}"#, #"{"id":null}"#),
    ])
    func `an update travels without its reference`(body: String, travels: String) throws {
        let (submission, refusals) = decode(["{\"update\":\(body)}"])
        #expect(refusals == [nil])
        let event = try #require(submission.events.first)
        #expect(String(decoding: submission.bytes[event.body], as: UTF8.self) == travels)
        let address = try #require(event.address)
        #expect(String(decoding: submission.bytes[address], as: UTF8.self) == "r")
        let key = door.identity.key(of: "r", named: .reference)
        #expect(event.reference == key)
        #expect(event.causes == [.reference(key)])
    }

    @Test func `an update names its log by id or by reference, and by one of them`() throws {
        #expect(try mistakes(#"{"update":{}}"#) == ["line.update.reference_id: missing"])
        #expect(
            try mistakes(#"{"update":{"reference_id":null,"output":1}}"#)
                == ["line.update.output: string_type", "line.update.reference_id: missing"])
        #expect(
            try mistakes(#"{"update":{"reference_id":"a","reference_id":"a"}}"#)
                == ["line.update.reference_id: value_error"])
        #expect(
            try mistakes(#"{"update":{"reference_id":"a","id":"b"}}"#)
                == ["line.update.id: value_error"])
        for id in ["", ".", "..", "a/../b", "\\u002e."] {
            #expect(
                try mistakes(#"{"update":{"id":"\#(id)"}}"#) == ["line.update.id: value_error"])
        }
    }

    @Test func `an update by id travels without it`() throws {
        let provisional = door.identity.id(.log, EventSequence(rawValue: 42))
        let (submission, refusals) = decode([
            #"{"update":{"id":"d\u0061ta_1","output":"x"}}"#,
            #"{"update":{"output":"x","id":"\#(provisional)","reference_id":null}}"#,
        ])
        #expect(refusals == [nil, nil])
        #expect(texts(submission) == [#"{"output":"x"}"#, #"{"output":"x","reference_id":null}"#])
        #expect(addresses(submission) == ["data_1", provisional])
        #expect(submission.events.map(\.route) == [.patchLog, .patchLog])
        let (foreign, own) = (submission.events[0], submission.events[1])
        #expect(foreign.reference == door.identity.key(of: "data_1", named: .foreignID))
        #expect(foreign.causes.isEmpty)
        #expect(!foreign.holdsProvisionalID)
        #expect(own.reference == nil)
        #expect(own.causes == [.event(EventSequence(rawValue: 42))])
        #expect(own.holdsProvisionalID)
    }

    @Test func `evaluation events travel without what stands in their target`() throws {
        let log = #"{"project":"p","reference_id":"r","created_at":"2024-05-01"}"#
        let result = #""evaluator_id":"f","error":"x""#
        func line(_ kind: String, _ parts: String...) -> String {
            "{\"\(kind)\":{\(parts.joined(separator: ","))}}"
        }
        let (submission, refusals) = decode([
            line(
                "evaluation_log", #""evaluation_id":"ev/1 ?""#, #""datapoint_id":"d""#,
                #""log":\#(log)"#),
            line(
                "evaluation_log", #""log":\#(log)"#, #""evaluatee_id":"é""#,
                #""datapoint_id":"d""#, #" "evaluation_id":"e""#),
            line(
                "evaluation_result", #""log_id":"data_1""#, result, #""evaluation_id":"e""#,
                #""evaluatee_id":null"#),
            line(
                "evaluation_result", #""evaluation_id":"e""#, #""evaluatee_id":"v""#,
                #""reference_id":"r""#, result),
        ])
        #expect(refusals == [nil, nil, nil, nil])
        #expect(
            texts(submission) == [
                #"{"datapoint_id":"d","log":\#(log)}"#, #"{"log":\#(log),"datapoint_id":"d"}"#,
                #"{"log_id":"data_1",\#(result),"evaluatee_id":null}"#,
                #"{"reference_id":"r",\#(result)}"#,
            ])
        #expect(
            addresses(submission) == [
                "ev%2F1%20%3F", "e?evaluatee_id=%C3%A9", "e", "e?evaluatee_id=v",
            ])
        #expect(
            submission.events.map(\.route) == [
                .postEvaluationLog, .postEvaluationLog, .postEvaluationResult,
                .postEvaluationResult,
            ])
    }

    @Test func `evaluation events name their evaluation`() throws {
        #expect(
            try mistakes(#"{"evaluation_log":{"log":{"save":1}}}"#) == [
                "line.evaluation_log.log.save: bool_type",
                "line.evaluation_log.datapoint_id: missing",
                "line.evaluation_log.evaluation_id: missing",
            ])
        #expect(
            try mistakes(#"{"evaluation_result":{"evaluation_id":".."}}"#) == [
                "line.evaluation_result.evaluation_id: value_error",
                "line.evaluation_result.evaluator_id: missing",
                "line.evaluation_result.log_id: missing", "line.evaluation_result.result: missing",
            ])
    }

    private func texts(_ submission: Submission) -> [String] {
        submission.events.map { String(decoding: submission.bytes[$0.body], as: UTF8.self) }
    }

    private func addresses(_ submission: Submission) -> [String?] {
        submission.events.map { event in
            event.address.map { String(decoding: submission.bytes[$0], as: UTF8.self) }
        }
    }

    @Test func `a line holds exactly one event`() throws {
        #expect(try mistakes("{}") == ["line: missing"])
        #expect(try mistakes(#"{"logs":{},"acks":true}"#) == ["line: missing"])
        #expect(try mistakes(#"{"log":{},"feedback":{"type":"t"}}"#) == ["line: value_error"])
        #expect(try mistakes(#"{"log":{},"log":{}}"#) == ["line: value_error"])
        #expect(try mistakes("[]") == ["line: dict_type"])
        #expect(try mistakes(#"{"log":[{}]}"#) == ["line.log: dict_type"])
        #expect(try mistakes(#"{"log":null}"#) == ["line.log: dict_type"])
    }

    @Test func `mistakes name the way through the line`() throws {
        #expect(
            try mistakes(#"{"log":{"save":1,"feedback":[{"type":"t"}]}}"#)
                == ["line.log.save: bool_type", "line.log.feedback.0.value: missing"])
    }

    @Test func `a line that is not JSON names the byte`() throws {
        #expect(try mistakes("") == ["line.0: json_invalid"])
        #expect(try mistakes(#"{"log":{}"#) == ["line.9: json_invalid"])
        #expect(try mistakes(#"{"log":{}} {}"#) == ["line.11: json_invalid"])
        #expect(try mistakes("\u{1}") == ["line.0: json_invalid"])
    }

    @Test func `an event may be as deep in a line as alone`() throws {
        let arrays = String(repeating: "[", count: 63) + String(repeating: "]", count: 63)
        #expect(decode(["{\"log\":{\"x\":\(arrays)}}"]).refusals == [nil])
        #expect(decode(["{\"log\":{\"x\":[\(arrays)]}}"]).refusals[0] != nil)
    }
}

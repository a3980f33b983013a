import SpoolCore
import Testing

/// Effects that name their log by `reference_id`, and what becomes of that.
@Suite struct AdmissionReferenceTests {
    private let door = AdmissionDoor()

    @Test func `feedback may name its log by reference`() throws {
        let accepted = try door.accept(.feedback, #"{"type":"t","reference_id":"\u0072"}"#)
        let key = door.identity.key(of: "r", named: .reference)
        #expect(accepted.events[0].reference == key)
        #expect(accepted.events[0].causes == [.reference(key)])
        #expect(accepted.events[0].namesLogByReference)
        #expect(!accepted.events[0].holdsProvisionalID)
        #expect(accepted.bodies[0].hasSuffix(#""type":"t","reference_id":"\u0072"}"#))
        let target = EventSequence(rawValue: 4)
        let known = try accepted.answer(target: target)
        #expect(known["data_id"]?.stringValue == door.identity.id(.log, target))
        #expect(try accepted.answer()["data_id"]?.isNull == true)
    }

    @Test func `feedback names one log, by id or by reference`() throws {
        #expect(
            try door.mistakes(.feedback, #"{"type":"t","data_id":"d","reference_id":"r"}"#)
                == ["body.reference_id: value_error"])
        #expect(
            try door.mistakes(.feedback, #"{"type":"t","reference_id":"r","reference_id":"r"}"#)
                == ["body.reference_id: value_error"])
        let byID = try door.accept(
            .feedback, #"{"type":"t","data_id":"d","reference_id":null}"#)
        #expect(!byID.events[0].namesLogByReference)
        #expect(try byID.answer()["data_id"]?.stringValue == "d")
        let none = try door.accept(.feedback, #"{"type":"t"}"#)
        #expect(!none.events[0].namesLogByReference)
        #expect(try none.answer()["data_id"]?.isNull == true)
    }

    private func swapped(
        _ body: String, _ kind: EventKind = .feedback, id: String = "data_\"1"
    ) -> String {
        var bytes = Array("before".utf8)
        Array(body.utf8).withUnsafeBytes {
            ReferenceSwap.append($0, kind: kind, id: id, to: &bytes)
        }
        return String(decoding: bytes.dropFirst(6), as: UTF8.self)
    }

    @Test func `upstream's id takes the reference's place, and nothing else changes`() {
        #expect(
            swapped(#"{"type":"t","reference_id":"r","n":1e400}"#)
                == #"{"data_id":"data_\"1","type":"t","n":1e400}"#)
        #expect(
            swapped(#"{ "reference_id" : "r" , "type":"t" }"#)
                == #"{"data_id":"data_\"1",  "type":"t" }"#)
        #expect(swapped(#"{"reference_id":"r"}"#) == #"{"data_id":"data_\"1"}"#)
        #expect(
            swapped(#"{"a":{"reference_id":"x"},"\u0072eference_id":"r","b":"reference_id"}"#)
                == #"{"data_id":"data_\"1","a":{"reference_id":"x"},"b":"reference_id"}"#)
        #expect(
            swapped(#"{"evaluator_id":"f","reference_id":"r","result":1}"#, .evaluationResult)
                == #"{"log_id":"data_\"1","evaluator_id":"f","result":1}"#)
    }

    @Test func `a null in the id's place is replaced, so that no key occurs twice`() {
        #expect(
            swapped(#"{"data_id": null,"reference_id":"r"}"#) == #"{"data_id": "data_\"1"}"#)
        #expect(
            swapped(#"{"reference_id":"r","x":1,"data\u005fid":null}"#)
                == #"{"x":1,"data\u005fid":"data_\"1"}"#)
        #expect(
            swapped(#"{"reference_id":"r","log_id":null}"#, .evaluationResult)
                == #"{"log_id":"data_\"1"}"#)
    }

    @Test func `what names no log by reference is copied unchanged`() {
        for body in ["", "[]", "{}", #"{"reference_id":null}"#, #"{"reference_id":"r""#] {
            #expect(swapped(body) == body)
        }
        let log = #"{"reference_id":"r"}"#
        for kind in [EventKind.log, .update, .session, .evaluationLog] {
            #expect(swapped(log, kind) == log)
        }
    }

    @Test func `what the door lets in comes out as a body upstream knows`() throws {
        let accepted = try door.accept(
            .feedback, #"{"reference_id":"r","type":"t","created_at":null,"data_id":null}"#)
        let body = try JSONValue(parsing: Array(swapped(accepted.bodies[0], id: "data_1").utf8))
        #expect(body.members?.map(\.0).sorted() == ["created_at", "data_id", "type"])
        #expect(body["data_id"]?.stringValue == "data_1")
    }

    // MARK: Digests

    private func digest(_ body: String, _ kind: AdmissionDoor.Kind = .log) throws -> Digest? {
        try door.accept(kind, body).events[0].digest
    }

    @Test func `a log whose caller gave the reference has a digest of its bytes as they came`()
        throws
    {
        let body = #"{"reference_id":"r","output":"x","project":"p"}"#
        let whole = Array(body.utf8).withUnsafeBytes { door.identity.digest(of: $0) }
        #expect(try digest(body) == whole)
        #expect(try digest(" [ \(body) ] ") == whole)
        #expect(try digest(#"{"reference_id":"r","output":"y"}"#) != whole)
        #expect(try digest(#"{"output":"x"}"#) == nil)
        #expect(try digest(#"{"reference_id":null}"#) == nil)
        #expect(try digest(#"{"type":"t","reference_id":"r"}"#, .feedback) == nil)
        #expect(try digest(#"{"output":"x"}"#, .update) == nil)

        var submission = Submission(caller: "uid:1")
        let line = Array("{\"log\": \(body)}".utf8)
        let refusal = line.withUnsafeBytes { door.decoder.decodeLine($0, into: &submission) }
        #expect(refusal == nil)
        #expect(submission.events[0].digest == whole)
    }

    @Test func `under another default project the same bytes are another log`() throws {
        let body = #"{"reference_id":"r","output":"x"}"#
        func digest(_ project: String?) throws -> Digest? {
            let door = AdmissionDoor(defaultProject: project)
            return try door.accept(.log, body).events[0].digest
        }
        #expect(try digest("one") == digest("one"))
        #expect(try digest("one") != digest("two"))
    }

    @Test func `an evaluation's log is another one in another evaluation`() throws {
        func digest(_ body: String, in address: String) throws -> Digest? {
            var submission = Submission(caller: "uid:1")
            let result = Array(body.utf8).withUnsafeBytes { bytes in
                Result { () throws(Refusal) in
                    try door.decoder.decodeEvaluationLog(
                        bytes, address: address, into: &submission)
                }
            }
            _ = try result.get()
            return submission.events[0].digest
        }
        let body = #"{"datapoint_id":"d","log":{"reference_id":"r"}}"#
        let first = try digest(body, in: "ev_1")
        #expect(first != nil)
        #expect(try digest(body, in: "ev_1") == first)
        #expect(try digest(body, in: "ev_2") != first)
        #expect(try digest(body, in: "ev_1?evaluatee_id=x") != first)
        #expect(
            try digest(#"{"datapoint_id":"e","log":{"reference_id":"r"}}"#, in: "ev_1") != first)
        #expect(try digest(#"{"datapoint_id":"d","log":{}}"#, in: "ev_1") == nil)
    }
}

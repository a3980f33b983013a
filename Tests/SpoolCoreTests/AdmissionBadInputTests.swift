import SpoolCore
import Testing

/// What must have a defined answer, over every kind of body; no other event is touched by it.
@Suite struct AdmissionBadInputTests {
    private let door = AdmissionDoor()

    /// A correct body of each kind that has one, with a place for another member in front.
    private static let frames: [(kind: AdmissionDoor.Kind, open: String, close: String)] = [
        (.log, "{", "\"x\":0}"), (.feedback, "{", #""type":"t"}"#), (.update, "{", "\"x\":0}"),
        (.updateByID, "{", "\"x\":0}"), (.evaluationLog, "{", #""datapoint_id":"d","log":{}}"#),
        (.evaluationLog, #"{"datapoint_id":"d","log":{"#, "\"x\":0}}"),
        (.evaluationResult, "{", #""log_id":"d","evaluator_id":"f","result":1}"#),
    ]

    private static let contracts: [AdmissionDoor.Kind: (contract: Contract, given: Set<String>)] = [
        .log: (.log, []), .feedback: (.feedback, ["type"]), .update: (.update, []),
        .updateByID: (.update, []), .evaluationLog: (.evaluationLog, ["datapoint_id", "log"]),
        .evaluationResult: (.evaluationResult, ["log_id", "evaluator_id", "result"]),
    ]

    @Test func `null for every field that may be left out is the same as leaving it out`() throws {
        for frame in Self.frames {
            let (contract, given) = try #require(Self.contracts[frame.kind])
            let isInner = frame.open.contains("log")
            let names = (isInner ? Contract.log : contract).fields.map(\.name.description)
                .filter { isInner || !given.contains($0) }
            let nulls = names.map { "\"\($0)\":null," }.joined()
            let accepted = try door.accept(frame.kind, frame.open + nulls + frame.close)
            let plain = try door.accept(frame.kind, frame.open + frame.close)
            #expect(accepted.events.count == 1)
            #expect(accepted.events[0].causes == plain.events[0].causes)
            #expect(accepted.events[0].referenceIsMinted == plain.events[0].referenceIsMinted)
            #expect(accepted.events[0].namesLogByReference == false)
            #expect(accepted.submission.projects == plain.submission.projects)
            let body = try JSONValue(parsing: Array(accepted.bodies[0].utf8))
            let keys = try #require((isInner ? body["log"] : body)?.members?.map(\.0))
            #expect(Set(keys).count == keys.count, "a key twice in \(keys)")
        }
    }

    @Test func `a required field that is null is missing`() throws {
        let cases: [(AdmissionDoor.Kind, String, [String])] = [
            (.feedback, #"{"type":null}"#, ["body.type: missing"]),
            (.evaluationLog, #"{"datapoint_id":"d","log":null}"#, ["body.log: missing"]),
            (
                .evaluationResult, #"{"log_id":"d","evaluator_id":null,"result":1}"#,
                ["body.evaluator_id: missing"]
            ),
        ]
        for (kind, body, mistakes) in cases {
            #expect(try door.mistakes(kind, body) == mistakes)
        }
    }

    @Test func `numbers travel with the digits they came with, whatever their size`() throws {
        for number in ["1e400", "-1E+999", "123456789012345678901234567890", "0.10", "1e-07"] {
            for frame in Self.frames {
                let body = frame.open + "\"n\":[\(number)]," + frame.close
                let accepted = try door.accept(frame.kind, body)
                #expect(accepted.bodies[0].contains("\"n\":[\(number)],"))
            }
            let result = #"{"log_id":"d","evaluator_id":"f","result":\#(number)}"#
            #expect(try door.accept(.evaluationResult, result).bodies == [result])
            let update = "{\"duration\":\(number)}"
            #expect(try door.accept(.updateByID, update).bodies == [update])
        }
    }

    @Test func `a byte order mark, a cut and a second value are 400 for every kind of body`()
        throws
    {
        for frame in Self.frames {
            let body = Array((frame.open + frame.close).utf8)
            #expect(throws: Never.self) { try door.accept(frame.kind, body) }
            #expect(try door.refusal(frame.kind, [0xEF, 0xBB, 0xBF] + body).status == 400)
            #expect(try door.refusal(frame.kind, Array(body.dropLast())).status == 400)
            #expect(try door.refusal(frame.kind, body + body).status == 400)
            #expect(try door.refusal(frame.kind, []).status == 400)
            #expect(try door.refusal(frame.kind, Array("{\"a\":NaN}".utf8)).status == 400)
        }
    }

    @Test func `every kind of body may be nested 64 deep, and no deeper`() throws {
        for frame in Self.frames {
            let inside = frame.open.contains("log") ? 2 : 1
            func body(_ depth: Int) -> String {
                let brackets = depth - inside
                return frame.open + "\"n\":" + String(repeating: "[", count: brackets)
                    + String(repeating: "]", count: brackets) + "," + frame.close
            }
            #expect(throws: Never.self) { try door.accept(frame.kind, body(64)) }
            #expect(try door.refusal(frame.kind, body(65)).status == 400)
            #expect(try door.refusal(frame.kind, body(100_000)).status == 400)
        }
    }

    @Test func `unknown ids of each prefix are not judged: they travel and wait for nothing`()
        throws
    {
        for prefix in [
            "data_", "pr_", "sesh_", "config_", "ann_", "evts_", "ev_", "evrun_", "evfn_", "evv_",
            "prv_", "", "é/ ?%#\\u0000",
        ] {
            let id = prefix + "0123456789abcdefghijk"
            let cases: [(AdmissionDoor.Kind, String)] = [
                (.log, #"{"parent_id":"\#(id)","session_id":"\#(id)","project_id":"\#(id)"}"#),
                (.feedback, #"{"type":"t","data_id":"\#(id)"}"#),
                (
                    .evaluationLog,
                    #"{"datapoint_id":"\#(id)","log":{"parent_id":"\#(id)","project":"p"}}"#
                ),
                (.evaluationResult, #"{"log_id":"\#(id)","evaluator_id":"\#(id)","error":"e"}"#),
            ]
            for (kind, body) in cases {
                let accepted = try door.accept(kind, body)
                #expect(accepted.events[0].causes.isEmpty)
                #expect(!accepted.events[0].holdsProvisionalID)
                #expect(accepted.bodies[0].contains(id))
            }
        }
    }

    @Test func `one bad element among 10,000 refuses all of them and names its index`() throws {
        for (kind, good, bad, mistake) in [
            (AdmissionDoor.Kind.log, #"{"project":"p"}"#, #"{"save":1}"#, "save: bool_type"),
            (.feedback, #"{"type":"t"}"#, "{}", "type: missing"),
        ] {
            var elements = Array(repeating: good, count: 10_000)
            let all = try door.accept(kind, "[\(elements.joined(separator: ","))]")
            #expect(all.events.count == 10_000)
            elements[7_777] = bad
            #expect(
                try door.mistakes(kind, "[\(elements.joined(separator: ","))]")
                    == ["body.7777.\(mistake)"])
        }
    }
}

import SpoolCore
import Testing

@Suite("Callers' own keys")
struct AdmissionNameTests {
    @Test(
        "may be as long as upstream can be asked about, and no longer",
        arguments: ["reference_id", "parent_reference_id", "session_reference_id"])
    func bounded(key: String) throws {
        let door = AdmissionDoor()
        func body(_ count: Int) -> String {
            #"{"project":"p","\#(key)":"\#(String(repeating: "x", count: count))"}"#
        }
        _ = try door.accept(.log, body(Limits.referenceBytesMax))
        let refusal = try #require(throws: Refusal.self) {
            try door.accept(.log, body(Limits.referenceBytesMax + 1))
        }
        let text = String(decoding: refusal.body, as: UTF8.self)
        #expect(refusal.status == 422)
        #expect(text.contains(#""loc":["body","\#(key)"]"#))
        #expect(text.contains("string_too_long"))
    }

    @Test(
        "are refused where half a surrogate pair is escaped: no URL could hold them",
        arguments: [#"\ud800"#, #"\uDC00x"#, #"\ud800\ud800"#, #"a\n\ud83dx"#, #"\ud83d\\udc00"#])
    func whole(escaped: String) throws {
        let door = AdmissionDoor()
        let refusal = try #require(throws: Refusal.self) {
            try door.accept(.log, #"{"project":"p","reference_id":"\#(escaped)"}"#)
        }
        let text = String(decoding: refusal.body, as: UTF8.self)
        #expect(refusal.status == 422)
        #expect(text.contains("half a surrogate pair"))
    }

    @Test(
        "may be escaped otherwise, pairs and what only looks like a half among it",
        arguments: [#"\ud83d\ude00"#, #"\\ud800"#, #"\u00e9\n"#, "\u{1F600}"])
    func escaped(name: String) throws {
        _ = try AdmissionDoor().accept(.log, #"{"project":"p","reference_id":"\#(name)"}"#)
    }

    @Test(
        "are bounded wherever a line gives them",
        arguments: [
            (#"{"feedback":{"type":"t","reference_id":"@"}}"#, "line.feedback.reference_id"),
            (#"{"update":{"reference_id":"@"}}"#, "line.update.reference_id"),
            (#"{"update":{"id":"@"}}"#, "line.update.id"),
            (
                #"{"evaluation_log":{"evaluation_id":"@","datapoint_id":"d","log":{}}}"#,
                "line.evaluation_log.evaluation_id"
            ),
            (
                #"{"evaluation_log":{"evaluation_id":"e","evaluatee_id":"@","datapoint_id":"d","#
                    + #""log":{}}}"#, "line.evaluation_log.evaluatee_id"
            ),
            (
                #"{"evaluation_log":{"evaluation_id":"e","datapoint_id":"d","#
                    + #""log":{"reference_id":"@"}}}"#, "line.evaluation_log.log.reference_id"
            ),
            (
                #"{"evaluation_result":{"evaluation_id":"e","reference_id":"@","#
                    + #""evaluator_id":"f","result":1}}"#, "line.evaluation_result.reference_id"
            ),
        ])
    func boundedInLines(line: String, place: String) throws {
        let door = AdmissionDoor()
        func refusal(_ count: Int) -> LineRefusal? {
            var submission = Submission(caller: "uid:1")
            let text = line.replacing("@", with: String(repeating: "x", count: count))
            return Array(text.utf8).withUnsafeBytes {
                door.decoder.decodeLine($0, into: &submission)
            }
        }
        #expect(refusal(Limits.referenceBytesMax) == nil)
        let refused = try #require(refusal(Limits.referenceBytesMax + 1))
        #expect(refused.message.hasPrefix(place + ":"))
    }
}

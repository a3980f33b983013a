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
}

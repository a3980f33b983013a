import Foundation
import SpoolCore
import Testing

@Suite struct AdmissionArrayTests {
    private let door = AdmissionDoor()

    @Test func `10,000 logs are 10,000 events over one block of bytes, in their order`() throws {
        let logs = (0..<10_000).map { #"{"reference_id":"r\#($0)","project":"p","n":\#($0)}"# }
        let accepted = try door.accept(.log, "[\(logs.joined(separator: ","))]")
        #expect(accepted.events.count == 10_000)
        #expect(accepted.submission.projects == ["name:p"])
        var end = 0
        for (number, (event, body)) in zip(accepted.events, accepted.bodies).enumerated() {
            #expect(event.body.lowerBound == end)
            end = event.body.upperBound
            #expect(body.hasSuffix("\"n\":\(number)}"))
            #expect(event.reference == door.identity.key(of: "r\(number)", named: .reference))
        }
        #expect(end == accepted.submission.bytes.count)
    }

    @Test func `one log more than 10,000 is refused with 413, whatever is wrong with the others`()
        throws
    {
        let logs = Array(repeating: "{}", count: 10_000)
        #expect(try door.accept(.log, "[\(logs.joined(separator: ","))]").events.count == 10_000)
        for (rest, kind) in [("{}]", AdmissionDoor.Kind.log), ("7", .log), ("{}]", .feedback)] {
            let refusal = try door.refusal(kind, "[\(logs.joined(separator: ",")),\(rest)")
            #expect(refusal.status == 413)
            #expect(
                String(decoding: refusal.body, as: UTF8.self)
                    == #"{"detail":"the array has more than 10000 events, nothing was accepted; "#
                    + #"send them in parts"}"#)
        }
    }

    @Test func `many projects are listed once each, and every log finds its own`() throws {
        let names = (0..<9_998).map { "project \($0)" } + ["project 0", "project 9997"]
        let logs = names.enumerated().map { place, name in
            place % 2 == 0 ? #"{"project":"\#(name)"}"# : #"{"project_id":"\#(name)"}"#
        }
        let accepted = try door.accept(.log, "[\(logs.joined(separator: ","))]")
        // "project 9997" came first as an id, at last as an id again; "project 0" both times as a
        // name.
        #expect(accepted.submission.projects.count == 9_998)
        #expect(Set(accepted.submission.projects).count == 9_998)
        for (place, event) in accepted.events.enumerated() {
            let project = try #require(event.project)
            let prefix = place % 2 == 0 ? "name:" : "id:"
            #expect(accepted.submission.projects[project] == prefix + names[place])
        }
    }

    @Test(arguments: [0, 40])
    func `names that differ only by normal form are two projects`(others: Int) throws {
        let names = (0..<others).map { "p\($0)" } + ["caf\u{e9}", "cafe\u{301}"]
        let bodies = names.map { "{\"project\":\"\($0)\"}" }
        let accepted = try AdmissionDoor().accept(.log, "[\(bodies.joined(separator: ","))]")
        #expect(accepted.submission.projects.count == names.count)
    }

    @Test func `a name and an id of the same text are two projects`() throws {
        let accepted = try door.accept(
            .log, #"[{"project":"x"},{"project_id":"x"},{"project":"\u0078"},{"project":""},{}]"#)
        #expect(accepted.submission.projects == ["name:x", "id:x", "name:", "name:home"])
        #expect(accepted.events.map(\.project) == [0, 1, 0, 2, 3])
    }

    @Test func `one bad element refuses all and is named by its index`() throws {
        var logs = Array(repeating: "{}", count: 10_000)
        logs[7777] = #"{"save":1}"#
        let body = "[\(logs.joined(separator: ","))]"
        #expect(try door.mistakes(.log, body) == ["body.7777.save: bool_type"])
        #expect(
            try door.mistakes(.feedback, #"[{"type":"a"},{},{"type":"b","user":7}]"#)
                == ["body.1.type: missing", "body.2.user: string_type"])
    }

    @Test func `at most 100 mistakes are listed`() throws {
        let body = "[\(Array(repeating: "7", count: 500).joined(separator: ","))]"
        let mistakes = try door.mistakes(.log, body)
        #expect(mistakes.count == 100)
        #expect(mistakes.last == "body.99: dict_type")
    }

    @Test func `an empty array is accepted and answered with an empty array`() throws {
        for kind in [AdmissionDoor.Kind.log, .feedback] {
            let accepted = try door.accept(kind, " [ ] ")
            #expect(accepted.events.isEmpty)
            #expect(accepted.draft.completedWithoutEvents == Array("[]".utf8))
        }
    }

    @Test func `a later body is added behind the earlier ones, a refused one leaves no trace`()
        throws
    {
        var submission = Submission(caller: "uid:1")
        func add(_ text: String) -> Refusal? {
            Array(text.utf8).withUnsafeBytes { bytes in
                do throws(Refusal) {
                    try door.decoder.decodeLogs(bytes, into: &submission)
                    return nil
                } catch {
                    return error
                }
            }
        }
        #expect(add(#"{"project":"a"}"#) == nil)
        let bytes = submission.bytes
        #expect(add(#"[{"project":"b"},{"project":"c"},{"save":0}]"#)?.status == 422)
        #expect(add(#"[{"project":"b"},{"project":"c"}"#)?.status == 400)
        #expect(submission.bytes == bytes)
        #expect(submission.events.count == 1)
        #expect(submission.projects == ["name:a"])
        #expect(add(#"{"project":"a"}"#) == nil)
        #expect(submission.events.map(\.project) == [0, 0])
    }
}

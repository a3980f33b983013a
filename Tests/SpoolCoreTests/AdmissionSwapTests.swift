import SpoolCore
import SpoolTestKit
import Testing

@Suite struct AdmissionSwapTests {
    private let identity = SpoolIdentity(epoch: 7, key0: 11, key1: 13)

    private func id(_ sequence: Int64) -> String {
        identity.id(.log, EventSequence(rawValue: sequence))
    }

    private func swapped(
        _ body: String, _ kind: EventKind, known: [Int64: String] = [1: "data_up1", 2: "data_\"2"]
    ) -> String {
        var bytes = Array("before".utf8)
        Array(body.utf8).withUnsafeBytes {
            ProvisionalSwap.append(
                $0, kind: kind, to: &bytes,
                resolve: { thing, sequence in thing == .log ? known[sequence.rawValue] : nil },
                identity: identity)
        }
        return String(decoding: bytes.dropFirst(6), as: UTF8.self)
    }

    @Test func `ids are swapped at the places the contract names, and nowhere else`() {
        #expect(
            swapped("{\"a\":1, \"parent_id\" : \"\(id(1))\" }", .log)
                == "{\"a\":1, \"parent_id\" : \"data_up1\" }")
        #expect(
            swapped("{\"feedback\":{\"data_id\":\"\(id(1))\"}}", .log)
                == "{\"feedback\":{\"data_id\":\"data_up1\"}}")
        #expect(
            swapped(
                "{\"feedback\":[{\"data_id\":\"\(id(1))\"},7,{\"data_id\":\"\(id(2))\",\"x\":1}]}",
                .log) == #"{"feedback":[{"data_id":"data_up1"},7,{"data_id":"data_\"2","x":1}]}"#)
        #expect(
            swapped("{\"type\":\"t\",\"data_id\":\"\(id(1))\"}", .feedback)
                == #"{"type":"t","data_id":"data_up1"}"#)
    }

    @Test func `an id anywhere else is the user's text`() {
        let log = """
            {"output":"\(id(1))","inputs":{"parent_id":"\(id(1))","data_id":"\(id(1))"},\
            "data_id":"\(id(1))","session_id":"\(id(1))","messages":[{"parent_id":"\(id(1))"}],\
            "feedback":{"value":"\(id(1))","x":{"data_id":"\(id(1))"}},"parent_id":"see \(id(1))"}
            """
        #expect(swapped(log, .log) == log)
        let feedback = """
            {"type":"t","value":"\(id(1))","parent_id":"\(id(1))","x":{"data_id":"\(id(1))"},\
            "data_id":"\(id(1)) "}
            """
        #expect(swapped(feedback, .feedback) == feedback)
        let update = "{\"parent_id\":\"\(id(1))\",\"data_id\":\"\(id(1))\"}"
        #expect(swapped(update, .update) == update)
    }

    @Test func `an id that is not known, or not ours, stays`() {
        let other = SpoolIdentity(epoch: 8, key0: 11, key1: 13)
        for text in [
            id(3), other.id(.log, EventSequence(rawValue: 1)),
            identity.id(.project, EventSequence(rawValue: 1)), "data_9", "",
        ] {
            let body = "{\"parent_id\":\"\(text)\"}"
            #expect(swapped(body, .log) == body)
        }
        #expect(swapped(#"{"parent_id":[null]}"#, .log) == #"{"parent_id":[null]}"#)
    }

    @Test func `keys and ids written with escapes are found`() {
        let escaped = "\\u0064" + id(1).dropFirst()
        #expect(
            swapped("{\"p\\u0061rent_id\":\"\(escaped)\"}", .log)
                == "{\"p\\u0061rent_id\":\"data_up1\"}")
    }

    @Test func `what is not JSON is copied unchanged`() {
        for body in ["", "[]", "{\"parent_id\":\"\(id(1))\"", "\"\(id(1))\""] {
            #expect(swapped(body, .log) == body)
        }
    }

    @Test(arguments: 0..<30)
    func `whatever the door calls provisional is swapped, and only that`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let door = AdmissionDoor()
        for _ in 0..<20 {
            // `@` stands for an id at a place of the contract, `#` for one in the user's text.
            let parts = [
                "\"parent_id\":\"@\"",
                "\"feedback\":[{\"type\":\"t\",\"value\":\"#\",\"data_id\":\"@\"}]",
                "\"output\":\"#\"", "\"inputs\":{\"a\":[\"#\",{\"parent_id\":\"#\"}]}",
                "\"n\":1e400",
            ].shuffled(using: &random).prefix(.random(in: 0...5, using: &random))
            let pattern = "{" + parts.joined(separator: ", ") + "}"
            let body = pattern.replacing("@", with: id(1)).replacing("#", with: id(1))
            let accepted = try door.accept(.log, body)
            #expect(accepted.events[0].holdsProvisionalID == pattern.contains("@"))
            let stamped = accepted.bodies[0]
            let wanted = pattern.replacing("@", with: "data_up1").replacing("#", with: id(1))
            let stamps = stamped.utf8.count - body.utf8.count
            #expect(
                swapped(stamped, .log)
                    == "{" + stamped.dropFirst().prefix(stamps) + wanted.dropFirst())
        }
    }

    @Test func `facts are read from a log's own keys only`() throws {
        let facts = try #require(
            LogFacts(
                of: """
                    {"inputs":{"reference_id":"no"},"reference_id":"y\\u0065s",
                     "created_at":"2024-05-01"}
                    """))
        #expect(facts.referenceID == "yes")
        #expect(facts.createdAt == "2024-05-01")
        #expect(facts.createdTime?.hasOffset == false)
        let none = try #require(LogFacts(of: #"{"reference_id":null,"created_at":7}"#))
        #expect(none.referenceID == nil)
        #expect(none.createdTime == nil)
        #expect(LogFacts(of: "[]") == nil)
        #expect(LogFacts(of: "{") == nil)
        #expect(LogFacts(of: "{} x") == nil)
    }
}

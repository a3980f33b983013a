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
                resolve: { thing, sequence in
                    let id = known[sequence.rawValue]
                    return thing == .log ? id : id.map { "\(thing):\($0)" }
                },
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

    private func id(_ thing: SpoolIdentity.Thing) -> String {
        identity.id(thing, EventSequence(rawValue: 1))
    }

    @Test func `sessions and projects of a log are swapped, each for its own kind of id`() {
        let log = """
            {"session_id":"\(id(.session))","project_id":"\(id(.project))",\
            "parent_id":"\(id(.log))"}
            """
        let swapped = """
            {"session_id":"session:data_up1","project_id":"project:data_up1",\
            "parent_id":"data_up1"}
            """
        #expect(self.swapped(log, .log) == swapped)
        let mixed = """
            {"session_id":"\(id(.project))","project_id":"\(id(.log))",\
            "parent_id":"\(id(.session))","session_reference_id":"\(id(.session))",\
            "project":"\(id(.project))"}
            """
        #expect(self.swapped(mixed, .log) == mixed)
    }

    @Test func `the log inside an evaluation's is a log, and nothing around it is`() {
        let ids = """
            "parent_id":"\(id(1))","session_id":"\(id(.session))",\
            "feedback":[{"data_id":"\(id(1))"}]
            """
        let swappedIDs = """
            "parent_id":"data_up1","session_id":"session:data_up1",\
            "feedback":[{"data_id":"data_up1"}]
            """
        let outside = "\"datapoint_id\":\"\(id(1))\",\"x\":{\(ids)},\(ids)"
        #expect(
            swapped("{\(outside),\"log\": {\(ids)} ,\(outside)}", .evaluationLog)
                == "{\(outside),\"log\": {\(swappedIDs)} ,\(outside)}")
        for body in ["{\"log\":\"\(id(1))\"}", "{\"log\":[{\(ids)}]}"] {
            #expect(swapped(body, .evaluationLog) == body)
        }
    }

    @Test func `a result's log is swapped, and nothing else in it`() {
        let body = """
            {"log_id":"ID","evaluator_id":"\(id(1))","error":"\(id(1))","data_id":"\(id(1))",\
            "x":{"log_id":"\(id(1))"}}
            """
        #expect(
            swapped(body.replacing("ID", with: id(1)), .evaluationResult)
                == body.replacing("ID", with: "data_up1"))
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
                "\"parent_id\":\"@\"", "\"session_id\":\"$\"",
                "\"feedback\":[{\"type\":\"t\",\"value\":\"#\",\"data_id\":\"@\"}]",
                "\"output\":\"#\"", "\"inputs\":{\"a\":[\"#\",{\"parent_id\":\"#\"}]}",
                "\"n\":1e400",
            ].shuffled(using: &random).prefix(.random(in: 0...6, using: &random))
            let pattern = "{" + parts.joined(separator: ", ") + "}"
            let body = pattern.replacing("@", with: id(1)).replacing("#", with: id(1))
                .replacing("$", with: id(.session))
            let accepted = try door.accept(.log, body)
            let holds = pattern.contains("@") || pattern.contains("$")
            #expect(accepted.events[0].holdsProvisionalID == holds)
            let stamped = accepted.bodies[0]
            let wanted = pattern.replacing("@", with: "data_up1").replacing("#", with: id(1))
                .replacing("$", with: "session:data_up1")
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

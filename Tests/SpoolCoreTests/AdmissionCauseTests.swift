import SpoolCore
import Testing

@Suite struct AdmissionCauseTests {
    private let door = AdmissionDoor()

    private var provisional: String { door.identity.id(.log, EventSequence(rawValue: 42)) }
    private let sequence = EventSequence(rawValue: 42)

    @Test func `a log comes after its parent, named by reference or by provisional id`() throws {
        let byReference = try door.accept(.log, #"{"parent_reference_id":"p\u0061"}"#).events[0]
        #expect(byReference.causes == [.reference(door.identity.key(of: "pa", named: .reference))])
        #expect(!byReference.holdsProvisionalID)

        let byID = try door.accept(.log, #"{"parent_id":"\#(provisional)"}"#).events[0]
        #expect(byID.causes == [.event(sequence)])
        #expect(byID.holdsProvisionalID)
    }

    @Test func `upstream's own ids, another spool's and other things' are no cause`() throws {
        let other = SpoolIdentity(epoch: 8, key0: 11, key1: 13)
        for id in [
            "data_0123456789abcdefghijk", other.id(.log, sequence),
            door.identity.id(.feedback, sequence), provisional + "x", "",
        ] {
            let log = try door.accept(.log, #"{"parent_id":"\#(id)"}"#).events[0]
            #expect(log.causes.isEmpty)
            #expect(!log.holdsProvisionalID)
        }
    }

    @Test func `feedback comes after the log its provisional id names`() throws {
        let event = try door.accept(
            .feedback, #"{"type":"t","data_id":"\#(provisional)"}"#
        ).events[0]
        #expect(event.causes == [.event(sequence)])
        #expect(event.holdsProvisionalID)
        #expect(event.reference == nil)
    }

    @Test func `a provisional id written with escapes is the same id`() throws {
        let escaped = "\\u0064" + provisional.dropFirst()
        let event = try door.accept(.feedback, #"{"type":"t","data_id":"\#(escaped)"}"#).events[0]
        #expect(event.causes == [.event(sequence)])
    }

    @Test func `feedback on upstream's own id waits for nothing and has that id as its target`()
        throws
    {
        let event = try door.accept(.feedback, #"{"type":"t","data_id":"data_9"}"#).events[0]
        #expect(event.causes.isEmpty)
        #expect(!event.holdsProvisionalID)
        #expect(event.reference == door.identity.key(of: "data_9", named: .foreignID))
        let none = try door.accept(.feedback, #"{"type":"t","data_id":null}"#).events[0]
        #expect(none.reference == nil)
    }

    @Test func `feedback inside a log is a cause too, each log once`() throws {
        let item = #"{"type":"t","value":1,"data_id":"\#(provisional)"}"#
        let foreign = #"{"type":"t","value":1,"data_id":"data_9"}"#
        for feedback in [item, "[\(item)]", "[\(foreign),\(item),\(item)]"] {
            let event = try door.accept(
                .log, #"{"feedback":\#(feedback),"parent_id":"\#(provisional)"}"#
            ).events[0]
            #expect(event.causes == [.event(sequence)])
            #expect(event.holdsProvisionalID)
        }
    }

    @Test func `an update comes after its log and carries its address`() throws {
        let accepted = try door.accept(.update, #"{"output":"x"}"#)
        let key = door.identity.key(of: "r", named: .reference)
        #expect(accepted.events[0].kind == .update)
        #expect(accepted.events[0].reference == key)
        #expect(accepted.events[0].causes == [.reference(key)])
        #expect(accepted.addresses == ["r"])
        #expect(accepted.bodies == [#"{"output":"x"}"#])
    }
}

import SpoolCore
import Testing

@testable import SpoolSender

@Suite("A lease in doubt")
struct OpenLeaseTests {
    @Test("is asked about without its bodies")
    func forgetsBodies() {
        for kind in [EventKind.log, .evaluationLog] {
            var open = OpenLease(
                .of(kind, kind == .log ? 3 : 1), phase: .inDoubt(.init(believedAt: .now)))
            let facts = open.open.map { open.facts(of: $0) }
            #expect(facts.first??.referenceID == "r1000")
            open.forgetBodies()
            #expect(open.lease.bytes.isEmpty && !open.hasBodies)
            #expect(open.open.map { open.facts(of: $0) } == facts)
        }
    }

    @Test("leaves its bodies to memory only while they may have to be sent")
    func machineForgetsBodies() {
        var proven = SenderBench.running()
        proven.answer(proven.lease(.of(.log, 2)), 500)
        #expect(proven.machine.leases[1]?.hasBodies == false)
        var unproven = SenderBench.running(calibration: .undecided)
        unproven.answer(unproven.lease(.of(.log, 2)), 500)
        #expect(unproven.machine.leases[1]?.hasBodies == true)
    }
}

import SpoolCore
import SpoolFaultKit
import Testing

@testable import SpoolQueue

@Suite("A disk's trouble", .timeLimit(.minutes(1)))
struct DiskTroubleTests {
    @Test("is told for as long as nothing can be written, though nobody tries, and is counted")
    func isTold() async throws {
        let spool = try DiskSpool()
        #expect(await spool.append(1) != nil)
        #expect(await spool.report()?.accepted == 1)
        spool.disk.fail(.write, on: .log, with: .full, count: nil)
        #expect(await spool.append(1) == nil)
        // Reading alone would succeed: the disk is full, not broken.
        for _ in 0..<5 { #expect(await spool.report() == nil) }
        spool.disk.mend()
        await spool.untilInOrder()
        let report = try #require(await spool.report())
        #expect(report.accepted == 1)
        #expect(report.counters["disk_refusals"] == 1)
        await spool.stop()
    }
}

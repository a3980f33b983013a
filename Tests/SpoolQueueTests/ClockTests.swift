import SpoolCore
import Testing

@testable import SpoolQueue

/// Waits go by the monotonic clock, whatever is done to the wall clock.
@Suite("A wall clock that is set")
struct ClockTests {
    @Test(
        "back or forth, an event that goes back for a while waits as long as it would have",
        arguments: [-6 * 3600, 6 * 3600])
    func retriesKeepTheirTime(hours: Int) throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.returned = [
            .init(sequence: log, notBefore: spool.time.now + .seconds(10), countsAttempt: true)
        ]
        try spool.settle(settlement)
        spool.time.jump(.seconds(hours))
        spool.time.advance(.seconds(9))
        #expect(try spool.lease() == nil)
        spool.time.advance(.seconds(2))
        #expect(try spool.lease()?.events.map(\.sequence) == [log])
    }

    @Test("back, a batch that fills waits no longer than it would have")
    func lingerKeepsItsTime() throws {
        let spool = try TestSpool()
        try spool.append(.log("a"))
        let wish = LeaseWish(linger: .milliseconds(200))
        #expect(try spool.lease(wish) == nil)
        spool.time.jump(.seconds(-6 * 3600))
        spool.time.advance(.milliseconds(250))
        #expect(try spool.lease(wish)?.events.count == 1)
    }

    @Test("forth, what came or went back after it waits no longer for it", arguments: [-6, 6])
    func whatCameAfterwards(hours: Int) throws {
        let spool = try TestSpool()
        let first = try spool.append(.log("a"))[0]
        let lease = try #require(try spool.lease())
        spool.time.jump(.seconds(hours * 3600))
        var settlement = Settlement(lease: lease.id)
        settlement.returned = [
            .init(sequence: first, notBefore: spool.time.now + .seconds(10), countsAttempt: true)
        ]
        try spool.settle(settlement)
        let second = try spool.append(.log("b"))[0]
        spool.time.advance(.seconds(1))
        #expect(try spool.lease()?.events.map(\.sequence) == [second])
        spool.time.advance(.seconds(10))
        #expect(try spool.lease()?.events.map(\.sequence) == [first])
    }

    @Test("back, an event that names an unknown log is not held until the clock has caught up")
    func unknownCausesKeepTheirTime() throws {
        let spool = try TestSpool()
        let child = try spool.append(.log("c", parent: "never"))[0]
        spool.time.jump(.seconds(-6 * 3600))
        spool.time.advance(.seconds(6))
        #expect(try spool.lease()?.events.map(\.sequence) == [child])
    }

    @Test("while the daemon was down, no event waits longer than an hour")
    func clampedAtStart() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        let lease = try #require(try spool.lease())
        var settlement = Settlement(lease: lease.id)
        settlement.returned = [
            .init(sequence: log, notBefore: spool.time.now + .seconds(10), countsAttempt: true)
        ]
        try spool.settle(settlement)
        spool.time.jump(.seconds(-48 * 3600))
        try spool.crash()
        spool.time.advance(.seconds(3601))
        #expect(try spool.lease()?.events.map(\.sequence) == [log])
    }
}

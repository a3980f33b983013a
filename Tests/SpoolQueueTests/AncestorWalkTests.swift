import SpoolCore
import Testing

@testable import SpoolQueue

@Suite("Walking through ancestors")
struct AncestorWalkTests {
    /// Logs of which each names the one that comes after it as its parent.
    private func chain(_ count: Int, project: (Int) -> String = { _ in "p" }) -> [TestEvent] {
        (0..<count).map { place in
            .log(
                "r\(place)", parent: place + 1 < count ? "r\(place + 1)" : nil,
                project: project(place))
        }
    }

    /// One look for something to send: what its transaction walked, and whether there is more to do now.
    private func look(_ spool: TestSpool) throws -> (steps: Int, lease: Lease?, isDue: Bool) {
        let answer = try spool.commit { try $0.lease(LeaseWish(linger: .zero)) }
        switch answer {
        case .batch(let lease): return (spool.store.walks.steps, lease, true)
        case .nothing(let due):
            let isDue = due.map { $0 <= spool.time.now } ?? false
            return (spool.store.walks.steps, nil, isDue || spool.store.hasNews())
        case .failing: return (spool.store.walks.steps, nil, false)
        }
    }

    @Test("a request whose logs each name the next costs a few steps a log, not one for every pair")
    func chainIsLinear() throws {
        let spool = try TestSpool()
        try spool.append(chain(3_000))
        var (total, looks) = (0, 0)
        var last: Lease?
        while last == nil, looks < 100 {
            let look = try look(spool)
            total += look.steps
            last = look.lease
            looks += 1
        }
        #expect(last?.events.count == 1, "the last log of the chain has no parent")
        #expect(spool.store.waitingCount == 2_999)
        #expect(total <= 7 * 3_000, "\(total) steps")
    }

    @Test("logs that no walk can clear take their turns, ten thousand steps a transaction")
    func budget() throws {
        let spool = try TestSpool()
        // Of the first five hundred, each has more ancestors than a walk looks through.
        for start in stride(from: 0, to: 10_600, by: 2_650) {
            try spool.append(Array(chain(10_600)[start..<(start + 2_650)]))
        }
        for number in 1...20 {
            let look = try look(spool)
            #expect(look.lease == nil)
            #expect(look.isDue, "the sender is told to come back")
            #expect(look.steps <= Limits.ancestorsMax, "look \(number): \(look.steps) steps")
            #expect(spool.store.waitingCount >= number, "each look gets at least one further")
        }
    }

    @Test("while one operation's walks take long, another's events are still sent")
    func othersGo() throws {
        let spool = try TestSpool()
        for start in stride(from: 0, to: 10_600, by: 2_650) {
            try spool.append(Array(chain(10_600)[start..<(start + 2_650)]))
        }
        _ = try look(spool)
        let other = try spool.append(.log("other", project: "q"))
        var sent: [EventSequence] = []
        for _ in 0..<5 {
            if let lease = try look(spool).lease { sent += lease.events.map(\.sequence) }
        }
        #expect(sent == other)
    }

    @Test("a circle at the end of a long chain dies, and takes the chain along")
    func circleAtTheEnd() throws {
        let spool = try TestSpool()
        var events = chain(1_200)
        events[1_199].cause = .reference("r1198")
        try spool.append(events)
        var looks = 0
        while spool.store.ledger.held > 0, looks < 2_500 {
            #expect(try look(spool).steps <= Limits.ancestorsMax)
            try spool.commit { _ in }
            looks += 1
        }
        #expect(spool.store.ledger.dead == 1_200)
    }
}

import SpoolCore
import Testing

@testable import SpoolQueue

@Suite("What a dead letter says")
struct DeadLetterFactsTests {
    @Test("its attempts count the refusal it died of, and begin anew with a replay")
    func attempts() throws {
        let spool = try TestSpool()
        let log = try spool.append(.log("a"))[0]
        func attempts() throws -> Int? {
            try spool.commit { try $0.deadLetter(log, withBody: false) }?.attempts
        }
        try spool.kill(log, status: 400)
        #expect(try attempts() == 1)
        _ = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
        let lease = try #require(try spool.lease())
        #expect(lease.events[0].attempts == 0, "it travels with others again")
        var back = Settlement(lease: lease.id)
        back.returned = [.init(sequence: log, countsAttempt: true)]
        try spool.settle(back)
        try spool.kill(log, status: 400)
        #expect(try attempts() == 2)
    }

    @Test("what died without an answer was not attempted")
    func unsent() throws {
        let spool = try TestSpool()
        let parent = try spool.append(.log("p"))[0]
        let child = try spool.append(.child(of: parent))[0]
        try spool.kill(parent)
        _ = try spool.drain()
        #expect(try spool.commit { try $0.deadLetter(child, withBody: false) }?.attempts == 0)
    }

    @Test("a page that holds the last of them says that there are no more", .timeLimit(.minutes(1)))
    func lastPage() async throws {
        let spool = try DiskSpool()
        let queue = spool.queue
        let submission = TestEvent.submission(
            (0..<4).map { .log("r\($0)") }, identity: queue.identity)
        let logs = try await withCheckedContinuation { done in
            queue.append(submission) { done.resume(returning: $0) }
        }.get().sequences
        let answer = await withCheckedContinuation { done in
            queue.lease(LeaseWish(linger: .zero)) { done.resume(returning: $0) }
        }
        guard case .batch(let lease) = answer else {
            Issue.record("\(answer)")
            return
        }
        var settlement = Settlement(lease: lease.id)
        settlement.dead = lease.events.map {
            .init(sequence: $0.sequence, reason: .refused, status: 400, words: "no")
        }
        #expect(await spool.settle(settlement))
        func page(
            _ limit: Int, after last: EventSequence? = nil
        ) async -> (letters: [DeadLetter], last: EventSequence?)? {
            await withCheckedContinuation { done in
                queue.listDead(DeadFilter(), after: last, limit: limit) {
                    done.resume(returning: $0)
                }
            }
        }
        let all = try #require(await page(4))
        #expect(all.letters.map(\.sequence) == logs)
        #expect(all.last == nil)
        let some = try #require(await page(3))
        #expect(some.letters.map(\.sequence) == Array(logs[..<3]))
        #expect(some.last == logs[2])
        let rest = try #require(await page(1, after: some.last))
        #expect(rest.letters.map(\.sequence) == [logs[3]])
        #expect(rest.last == nil)
    }
}

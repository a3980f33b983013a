import NIOCore
import NIOPosix
import SpoolServer
import Synchronization
import Testing

@Suite("Budget and mailbox", .timeLimit(.minutes(1)))
struct ByteBudgetTests {
    private static let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// Waits on the budget and tells what came of it.
    private static func wait(
        _ budget: ByteBudget, _ bytes: Int, as purpose: ByteBudget.Purpose = .large,
        timeout: TimeAmount = .seconds(60)
    ) -> (wait: ByteBudget.Wait, outcome: EventLoopFuture<Bool>) {
        let promise = loop.makePromise(of: Bool.self)
        let wait = budget.wait(for: bytes, as: purpose, on: loop, timeout: timeout) {
            promise.succeed($0)
        }
        return (wait, promise.futureResult)
    }

    @Test("no more is lent than there is, and what comes back can be lent again")
    func reserve() {
        let budget = ByteBudget(bytesMax: 10)
        #expect(budget.tryReserve(10))
        #expect(!budget.tryReserve(1))
        #expect(budget.tryReserve(0))
        budget.release(4)
        #expect(budget.tryReserve(4))
        budget.charge(5)
        #expect(budget.reserved == 15)
        #expect(!budget.tryReserve(0))
        budget.release(15)
        #expect(budget.reserved == 0)
    }

    @Test("who waits is served in order as far as the bytes go; a small one passes a large one")
    func order() async throws {
        let budget = ByteBudget(bytesMax: 10)
        #expect(budget.tryReserve(10))
        let large = Self.wait(budget, 8)
        let small = Self.wait(budget, 2)
        budget.release(3)
        #expect(try await small.outcome.get())
        #expect(budget.waiting == 1)
        budget.release(7)
        #expect(try await large.outcome.get())
        #expect(budget.reserved == 10)
        #expect(budget.waiting == 0)
    }

    @Test("what is kept for small requests is theirs, and they use what is free besides")
    func smallPart() async throws {
        let budget = ByteBudget(bytesMax: 100, smallBytes: 10)
        #expect(budget.largeBytesMax == 90)
        #expect(budget.tryReserve(90))
        #expect(!budget.tryReserve(1))
        #expect(budget.tryReserve(10, for: .small))
        #expect(!budget.tryReserve(1, for: .small))
        budget.release(90)
        #expect(budget.tryReserve(50, for: .small))
        #expect(budget.tryReserve(40))
        #expect(!budget.tryReserve(1))
        budget.release(60, of: .small)
        // A stream's bytes beyond the maximum take none of it.
        budget.charge(100)
        let small = Self.wait(budget, 10, as: .small)
        #expect(try await small.outcome.get())
        #expect(budget.reserved == 150)
        budget.release(10, of: .small)
        budget.release(140)
    }

    @Test("a body takes its bytes ahead of the others only while most are free")
    func ahead() {
        let budget = ByteBudget(bytesMax: 100)
        #expect(budget.tryReserveAhead(20))
        #expect(!budget.tryReserveAhead(6))
        #expect(budget.tryReserveAhead(5))
        #expect(budget.tryReserve(75))
        budget.release(100)
    }

    @Test("a wait ends with its time, or when it is cancelled")
    func ends() async throws {
        let budget = ByteBudget(bytesMax: 10)
        #expect(budget.tryReserve(10))
        let short = Self.wait(budget, 1, timeout: .milliseconds(1))
        #expect(try await !short.outcome.get())
        #expect(!budget.cancel(short.wait))
        let cancelled = budget.wait(for: 1, on: Self.loop, timeout: .seconds(60)) { _ in
            Issue.record("a wait that was cancelled is over")
        }
        #expect(budget.cancel(cancelled))
        budget.release(10)
        #expect(budget.reserved == 0)
        try await Self.loop.submit {}.get()
    }

    @Test("what is free at once is granted at once, on the loop")
    func immediate() async throws {
        let budget = ByteBudget(bytesMax: 10)
        let promise = Self.loop.makePromise(of: Bool.self)
        _ = budget.wait(for: 10, on: Self.loop, timeout: .seconds(60)) { isGranted in
            promise.succeed(isGranted && Self.loop.inEventLoop)
        }
        #expect(try await promise.futureResult.get())
        #expect(budget.reserved == 10)
    }

    @Test("many threads leave the budget as they found it")
    func threads() async {
        let budget = ByteBudget(bytesMax: 100)
        await withTaskGroup(of: Void.self) { group in
            for number in 1...8 {
                group.addTask {
                    for _ in 0..<2000 {
                        if budget.tryReserve(number * 5) { budget.release(number * 5) }
                    }
                }
            }
        }
        #expect(budget.reserved == 0)
    }

    @Test("letters from one thread arrive in order, each once, on the loop")
    func mailbox() async throws {
        let received = Mutex<[Int]>([])
        let done = Self.loop.makePromise(of: Void.self)
        let count = 20_000
        let mailbox = LoopMailbox<Int>(loop: Self.loop) { letter in
            Self.loop.preconditionInEventLoop()
            let all = received.withLock { received in
                received.append(letter)
                return received.count == 2 * count
            }
            if all { done.succeed() }
        }
        await withTaskGroup(of: Void.self) { senders in
            for sender in 0..<2 {
                senders.addTask { for letter in 0..<count { mailbox.post(2 * letter + sender) } }
            }
        }
        try await done.futureResult.get()
        let letters = received.withLock { $0 }
        for sender in 0..<2 {
            #expect(letters.filter { $0 % 2 == sender } == (0..<count).map { 2 * $0 + sender })
        }
    }
}

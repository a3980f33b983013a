import SpoolCore
import SpoolTestKit
import Testing

@Suite struct `Retry policy` {
    @Test func `the ceiling doubles from one second to sixty`() {
        let ceilings = (1...9).map { RetryPolicy.ceiling(failures: $0).components.seconds }
        #expect(ceilings == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect(RetryPolicy.ceiling(failures: .max) == Limits.backoffMax)
    }

    @Test(arguments: 1...12)
    func `a delay lies between nothing and the ceiling, and both ends are drawn`(
        failures: Int
    ) throws {
        var generator = SeededRandom(seed: UInt64(failures))
        let ceiling = RetryPolicy.ceiling(failures: failures)
        let delays = (0..<2000).map { _ in
            RetryPolicy.delay(failures: failures, using: &generator)
        }
        #expect(delays.allSatisfy { (.zero...ceiling).contains($0) })
        #expect(try #require(delays.min()) < ceiling / 20)
        #expect(try #require(delays.max()) > ceiling * 19 / 20)
    }

    @Test func `what upstream asked for is a minimum, of an hour at most`() {
        var generator = SeededRandom(seed: 1)
        for _ in 0..<200 {
            let delay = RetryPolicy.delay(failures: 3, atLeast: .seconds(2), using: &generator)
            #expect((.seconds(2) ... .seconds(4)).contains(delay))
            let long = RetryPolicy.delay(failures: 1, atLeast: .seconds(86_400), using: &generator)
            #expect(long == Limits.retryAfterMax)
        }
    }

    @Test func `the same seed gives the same schedule`() {
        func schedule(_ seed: UInt64) -> [Duration] {
            var generator = SeededRandom(seed: seed)
            return (1...40).map { RetryPolicy.delay(failures: $0, using: &generator) }
        }
        #expect(schedule(7) == schedule(7))
        #expect(schedule(7) != schedule(8))
    }
}

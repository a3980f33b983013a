import SpoolCore
import SpoolTestKit
import Testing

@Suite struct `Pacing requests` {
    @Test func `one more request is allowed after each window of successes`() {
        var pacer = Pacer(2...8)
        var limits: [Int] = []
        for _ in 0..<40 {
            pacer.succeeded()
            limits.append(pacer.limit)
        }
        #expect(limits.prefix(9) == [2, 3, 3, 3, 4, 4, 4, 4, 5])
        #expect(limits.last == 8)
    }

    @Test func `a failure halves the requests and begins a new window`() {
        var pacer = Pacer(2...8)
        for _ in 0..<100 { pacer.succeeded() }
        pacer.failed()
        #expect(pacer.limit == 4)
        for _ in 0..<3 { pacer.succeeded() }
        #expect(pacer.limit == 4)
        pacer.failed()
        pacer.failed()
        #expect(pacer.limit == 2)
    }

    @Test(arguments: 0..<20)
    func `the limit never leaves its bounds`(seed: UInt64) {
        var generator = SeededRandom(seed: seed)
        var pacer = Pacer(1...5)
        for _ in 0..<500 {
            if Int.random(in: 0..<5, using: &generator) == 0 {
                pacer.failed()
            } else {
                pacer.succeeded()
            }
            #expect((1...5).contains(pacer.limit))
        }
    }
}

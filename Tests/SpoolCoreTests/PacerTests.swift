import SpoolCore
import SpoolTestKit
import Testing

@Suite struct `Pacing requests` {
    private let answer = Duration.milliseconds(50)

    /// So many answers, with every allowed request under way.
    private func succeed(_ pacer: inout Pacer, _ count: Int, after time: Duration? = nil) {
        for _ in 0..<count { pacer.succeeded(after: time ?? answer, underWay: pacer.limit) }
    }

    /// Whole windows.
    private func succeed(_ pacer: inout Pacer, windows: Int, after time: Duration? = nil) {
        for _ in 0..<windows { succeed(&pacer, pacer.limit, after: time) }
    }

    @Test func `requests double with every window until something speaks against it`() {
        var pacer = Pacer(2...20)
        var limits: [Int] = []
        for _ in 0..<5 {
            succeed(&pacer, windows: 1)
            limits.append(pacer.limit)
        }
        #expect(limits == [4, 8, 16, 20, 20])
    }

    @Test func `a failure begins anew from the low end, and half as many are reached fast`() {
        var pacer = Pacer(2...32)
        succeed(&pacer, windows: 4)
        #expect(pacer.limit == 32)
        pacer.failed(.failing)
        var limits = [pacer.limit]
        for _ in 0..<5 {
            succeed(&pacer, windows: 1)
            limits.append(pacer.limit)
        }
        #expect(limits == [2, 4, 8, 16, 17, 18])
    }

    @Test func `one less than what was too much is kept for a while before one more is tried`() {
        var pacer = Pacer(2...32)
        // 429 at 8, then at 5: four it is.
        succeed(&pacer, windows: 2)
        pacer.failed(.busy)
        succeed(&pacer, windows: 2)
        #expect(pacer.limit == 5)
        pacer.failed(.busy)
        succeed(&pacer, windows: 1)
        #expect(pacer.limit == 4)
        var windows = 0
        while pacer.limit <= 4 {
            succeed(&pacer, windows: 1)
            windows += 1
        }
        #expect((16...18).contains(windows))
        // Refused again: it waits twice as long.
        pacer.failed(.busy)
        succeed(&pacer, windows: 1)
        windows = 0
        while pacer.limit <= 4 {
            succeed(&pacer, windows: 1)
            windows += 1
        }
        #expect((32...34).contains(windows))
    }

    @Test func `an upstream that can do more than before is used`() {
        var pacer = Pacer(2...32)
        succeed(&pacer, windows: 2)
        pacer.failed(.busy)
        succeed(&pacer, windows: 2)
        pacer.failed(.busy)
        succeed(&pacer, windows: 400)
        #expect(pacer.limit == 32)
    }

    @Test func `answers that take longer hold and then lower the number`() {
        var pacer = Pacer(2...32)
        succeed(&pacer, windows: 2)
        succeed(&pacer, windows: 2, after: .milliseconds(85))
        let held = pacer.limit
        #expect(held < 32)
        succeed(&pacer, windows: 20, after: .milliseconds(85))
        #expect(pacer.limit == held)
        succeed(&pacer, windows: 40, after: .milliseconds(200))
        #expect(pacer.limit == 2)
    }

    @Test func `an upstream that has become slower for good is not taken for a queue for ever`() {
        var pacer = Pacer(2...32)
        succeed(&pacer, windows: 3)
        succeed(&pacer, windows: 400, after: .milliseconds(300))
        #expect(pacer.limit == 32)
    }

    @Test func `a few requests show nothing about many`() {
        var pacer = Pacer(2...32)
        succeed(&pacer, windows: 2)
        for _ in 0..<1000 { pacer.succeeded(after: answer, underWay: 3) }
        #expect(pacer.limit == 8)
    }

    @Test(arguments: 0..<20)
    func `the limit never leaves its bounds`(seed: UInt64) {
        var generator = SeededRandom(seed: seed)
        var pacer = Pacer(1...5)
        for _ in 0..<3000 {
            switch Int.random(in: 0..<50, using: &generator) {
            case 0: pacer.failed(.busy)
            case 1: pacer.failed(.failing)
            default:
                let time = Duration.milliseconds(Int64.random(in: 0...200, using: &generator))
                pacer.succeeded(after: time, underWay: pacer.limit)
            }
            #expect((1...5).contains(pacer.limit))
        }
    }
}

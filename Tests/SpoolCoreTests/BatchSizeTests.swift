import SpoolCore
import Testing

@Suite struct `The size of a batch` {
    private let now = ContinuousClock.now
    private let hour = Duration.seconds(3600)

    @Test func `halves what was too large, and stays so for an hour`() {
        var size = BatchSize(bytesMax: 1000)
        size.tooLarge(800, at: now)
        #expect(size.bytes == 400)
        // Those that were under way with it teach nothing new.
        size.tooLarge(900, at: now)
        #expect(size.bytes == 400)
        size.elapse(at: now + hour - .seconds(1))
        #expect(size.bytes == 400)
    }

    @Test func `doubles every hour up to the setting`() {
        var size = BatchSize(bytesMax: 1000)
        size.tooLarge(500, at: now)
        var sizes: [Int] = []
        for number in 1...4 {
            size.elapse(at: now + hour * number)
            sizes.append(size.bytes)
        }
        #expect(sizes == [500, 1000, 1000, 1000])
        #expect(size.growsAt == nil)
    }

    @Test func `never falls below a byte`() {
        var size = BatchSize(bytesMax: 10)
        size.tooLarge(1, at: now)
        size.tooLarge(0, at: now)
        #expect(size.bytes == 1)
    }
}

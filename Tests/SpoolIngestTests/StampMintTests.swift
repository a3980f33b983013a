import SpoolCore
import SpoolIngest
import SpoolTestKit
import Synchronization
import Testing

@Suite struct StampMintTests {
    @Test func `references ascend within a millisecond, over it, and when the clock is set back`() {
        let times = Mutex<[Int64]>([5, 5, 5, 6, 9, 9, 2, 1, 9, 10])
        let mint = StampMint(
            clock: { Timestamp(milliseconds: times.withLock { $0.removeFirst() }) },
            generator: SeededRandom(seed: 1))
        let minted = (0..<10).map { _ in mint.mintReference() }
        for (earlier, later) in zip(minted, minted.dropFirst()) { #expect(earlier < later) }
    }

    @Test func `threads never get the same reference`() async {
        let mint = StampMint(clock: { Timestamp(milliseconds: 7) })
        let minted = await withTaskGroup(of: [MintedReference].self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<2000).map { _ in mint.mintReference() } }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(minted).count == 8000)
    }

    @Test func `two daemons at the same moment begin at different places`() {
        let clock: @Sendable () -> Timestamp = { Timestamp(milliseconds: 7) }
        #expect(
            StampMint(clock: clock).mintReference() != StampMint(clock: clock).mintReference())
    }
}

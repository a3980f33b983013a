public import SpoolCore
import Synchronization

/// Stamps from a real clock: unique over all threads, runs and hosts, and in the order of minting
/// even when the clock is set back.
public final class StampMint: StampSource {
    private struct State {
        var generator: any RandomNumberGenerator & Sendable
        var last = Timestamp(milliseconds: 0)
        var tail: UInt64 = 0
    }

    private let clock: @Sendable () -> Timestamp
    private let state: Mutex<State>

    /// A mint over a wall clock and a source of chance.
    public init(
        clock: @escaping @Sendable () -> Timestamp,
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.clock = clock
        self.state = Mutex(State(generator: generator))
    }

    /// The wall clock's time.
    public func now() -> Timestamp { clock() }

    /// A reference of this millisecond: the first one's tail is 63 random bits, the others count on
    /// from there, so that none repeats and all sort in the order they were minted.
    public func mintReference() -> MintedReference {
        let now = clock()
        return state.withLock { state in
            if now > state.last {
                state.last = now
                state.tail = state.generator.next() >> 1
            } else {
                state.tail += 1
            }
            return MintedReference(at: state.last, tail: state.tail)
        }
    }
}

public import SpoolCore
import Synchronization

/// A clock that stands still and references that count from 1.
public final class SteadyStamps: StampSource {
    private let time: Timestamp
    private let minted = Mutex<UInt64>(0)

    /// Stamps for 2026-01-02T03:04:05.678Z, or any other time.
    public init(time: Timestamp = Timestamp(milliseconds: 1_767_323_045_678)) {
        self.time = time
    }

    /// How many references were minted.
    public var mintedCount: UInt64 { minted.withLock { $0 } }

    /// Always the same time.
    public func now() -> Timestamp { time }

    /// The next reference.
    public func mintReference() -> MintedReference {
        let tail = minted.withLock { minted in
            minted += 1
            return minted
        }
        return MintedReference(at: time, tail: tail)
    }
}

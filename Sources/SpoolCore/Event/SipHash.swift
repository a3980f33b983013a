/// SipHash-2-4, the keyed hash of Aumasson and Bernstein ("SipHash: a fast short-input PRF", 2012).
///
/// Used where a hash is stored or checked: Swift's own `Hasher` has another key in every process. Without
/// the key nobody can find two inputs that meet, nor guess the hash of a third.
public struct SipHash: Sendable {
    private let key0: UInt64
    private let key1: UInt64

    /// A hash under a 128-bit key.
    public init(key0: UInt64, key1: UInt64) {
        self.key0 = key0
        self.key1 = key1
    }

    /// The hash of `bytes`, with `domain` mixed into the key so that equal bytes in different roles give
    /// unrelated hashes.
    public func hash(_ bytes: UnsafeRawBufferPointer, domain: UInt64) -> UInt64 {
        var state = State(key0: key0 ^ domain, key1: key1)
        let words = bytes.count / 8
        for word in 0..<words {
            let value = bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
            state.absorb(UInt64(littleEndian: value))
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for (place, byte) in bytes[(words * 8)...].enumerated() {
            last |= UInt64(byte) << UInt64(8 * place)
        }
        state.absorb(last)
        return state.finish()
    }

    /// The four words of the paper's section 2.
    private struct State {
        var v0: UInt64
        var v1: UInt64
        var v2: UInt64
        var v3: UInt64

        init(key0: UInt64, key1: UInt64) {
            v0 = key0 ^ 0x736f_6d65_7073_6575
            v1 = key1 ^ 0x646f_7261_6e64_6f6d
            v2 = key0 ^ 0x6c79_6765_6e65_7261
            v3 = key1 ^ 0x7465_6462_7974_6573
        }

        mutating func absorb(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        mutating func finish() -> UInt64 {
            v2 ^= 0xff
            for _ in 0..<4 { round() }
            return v0 ^ v1 ^ v2 ^ v3
        }

        private mutating func round() {
            v0 &+= v1
            v1 = v1 << 13 | v1 >> 51
            v1 ^= v0
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v3
            v3 = v3 << 16 | v3 >> 48
            v3 ^= v2
            v0 &+= v3
            v3 = v3 << 21 | v3 >> 43
            v3 ^= v0
            v2 &+= v1
            v1 = v1 << 17 | v1 >> 47
            v1 ^= v2
            v2 = v2 << 32 | v2 >> 32
        }
    }
}

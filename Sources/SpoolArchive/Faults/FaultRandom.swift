/// Chance that can be repeated: the same seed hits the same requests, if they come in the same
/// order.
///
/// A 64-bit Weyl sequence, mixed by the finaliser of MurmurHash3 (Austin Appleby, public domain):
/// good enough to draw shares, and of no use as a secret.
struct FaultRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator whose whole sequence is fixed by `seed`.
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        mixed = (mixed ^ (mixed >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ (mixed >> 33)
    }
}

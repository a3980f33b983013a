import SpoolFaultKit
import SpoolTestKit

/// How a disk fails the queue.
struct DiskFault {
    /// What fails, from the first of it that comes.
    let operations: FaultDisk.Operations
    let first: Int
    /// What SQLite is told, and how much happens nevertheless.
    let failure: FaultDisk.Failure
    let effect: FaultDisk.Effect
    /// Whether it fails until it is mended.
    let lasts: Bool

    /// Draws one.
    init(using random: inout SeededRandom) {
        lasts = Int.random(in: 0..<3, using: &random) == 0
        effect = FaultDisk.Effect.allCases.randomElement(using: &random) ?? .none
        switch Int.random(in: 0..<8, using: &random) {
        case 0...2: (operations, first, failure) = (.sync, 1, .sync)
        case 3...4:
            (operations, first) = (.write, Int.random(in: 1...30, using: &random))
            failure = Bool.random(using: &random) ? .write : .full
        case 5: (operations, first, failure) = ([.write, .sync, .truncate], 1, .write)
        case 6: (operations, first, failure) = (.read, 1, .read)
        default: (operations, first, failure) = (.truncate, 1, .truncate)
        }
    }
}

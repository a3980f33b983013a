import Foundation
import Testing

/// Power cuts at every sync and at random moments between, in every way a disk may leave its files.
///
/// `CUTS=5000` makes it as many cuts; without it there are some hundreds. `CUT_SEED=123` begins
/// with that life; it repeats in another process with `SWIFT_DETERMINISTIC_HASHING=1`.
@Suite("A power cut")
struct PowerCutTests {
    private static let cuts =
        ProcessInfo.processInfo.environment["CUTS"].flatMap { Int($0) } ?? 400
    private static let seeds: [UInt64] =
        ProcessInfo.processInfo.environment["CUT_SEED"].flatMap { UInt64($0) }.map { [$0] }
        ?? Array(1...8)

    @Test("loses nothing that was acknowledged and brings nothing back", arguments: seeds)
    func loses(seed: UInt64) throws {
        let wanted = (Self.cuts + Self.seeds.count - 1) / Self.seeds.count
        var cuts = 0
        var life = seed
        while cuts < wanted {
            let run = try PowerCutRun(seed: life, cutsMax: min(wanted - cuts, 250))
            try run.live(transactions: 60)
            #expect(run.findings.isEmpty, "\(run.findings)")
            if !run.findings.isEmpty { return }
            cuts += run.cuts
            life += UInt64(Self.seeds.count)
        }
        print("power cuts: \(cuts) from seed \(seed) to \(life - UInt64(Self.seeds.count)), clean")
    }

    @Test("falls the same way for the same seed", arguments: [1, 2, 3] as [UInt64])
    func repeats(seed: UInt64) throws {
        let lives = try (0..<2).map { _ in
            let run = try PowerCutRun(seed: seed, cutsMax: 60)
            try run.live(transactions: 60)
            return run
        }
        #expect(lives[0].cuts == lives[1].cuts && lives[0].cuts > 40)
        #expect(lives[0].fingerprint == lives[1].fingerprint, "seed \(seed) does not repeat")
    }

    @Test(
        "is seen to lose acknowledged events where commits are not synced",
        arguments: [PowerCutRun.Mutation.synchronousOff, .synchronousNormal])
    func mutant(mutation: PowerCutRun.Mutation) throws {
        let run = try PowerCutRun(seed: 7, cutsMax: 400, mutation: mutation)
        try run.live(transactions: 100)
        #expect(!run.findings.isEmpty, "\(mutation) passed \(run.cuts) cuts: the harness is blind")
    }
}

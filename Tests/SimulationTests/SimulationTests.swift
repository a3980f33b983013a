import Foundation
import Testing

/// The real queue and the real sender on virtual time, with everything going wrong that may.
///
/// `make sim SEEDS=N` lives through N histories, those of the seeds from `SIM_FIRST` on. `SIM_SEED=123`
/// repeats one and prints its last `SIM_LINES` steps.
@Suite("Simulated histories", .serialized)
struct SimulationTests {
    @Test("every event leaves once, in order, for the right reason, whatever happens")
    func histories() async throws {
        if let seed = number("SIM_SEED") { return try tell(UInt64(seed)) }
        let count = number("SEEDS") ?? 100
        let first = number("SIM_FIRST") ?? 1
        let kept = try SeedFile.seeds()
        let histories = try await Histories(kept + (first..<(first + count)).map { UInt64($0) })
        print(histories.report)
        for failure in histories.failures.prefix(5) { try tell(failure.seed) }
        for failure in histories.failures {
            Issue.record("SIM_SEED=\(failure.seed): \(failure.words)")
            try SeedFile.keep(failure.seed, failure.words)
        }
        guard count >= 200 else { return }
        let unseen = Sighting.allCases.filter { sighting in
            let isExpected = count >= 1000 || !Sighting.rare.contains(sighting)
            return isExpected && histories.sightings[sighting] == nil
        }
        #expect(unseen.isEmpty, "never happened in \(count) histories: \(unseen)")
    }

    /// A setting of the environment.
    private func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }

    /// Repeats one history and prints the last of it.
    private func tell(_ seed: UInt64) throws {
        let outcome = try Histories.live(seed: seed, keepsStory: true)
        for line in outcome.story.suffix(number("SIM_LINES") ?? 60) { print("  \(line)") }
        print("SIM_SEED=\(seed): \(outcome.failure ?? "nothing is wrong")")
        if let failure = outcome.failure { Issue.record("SIM_SEED=\(seed): \(failure)") }
    }

    @Test("the same seed gives the same history", arguments: [3, 5, 8, 13, 21] as [UInt64])
    func repeats(seed: UInt64) throws {
        let first = try Histories.live(seed: seed)
        let second = try Histories.live(seed: seed)
        #expect(first.fingerprint == second.fingerprint)
        #expect(first.steps == second.steps)
    }

    @Test("a planted bug is found", arguments: Canary.allCases)
    func finds(canary: Canary) throws {
        var found: (seed: UInt64, words: String)?
        for seed in 1...UInt64(Self.canarySeedsMax) where found == nil {
            let outcome = try Histories.live(seed: seed, canary: canary)
            found = outcome.failure.map { (seed, $0) }
        }
        let first = try #require(found, "\(canary) lived through \(Self.canarySeedsMax) histories")
        print("\(canary) was found by seed \(first.seed): \(first.words)")
        let healthy = try Histories.live(seed: first.seed)
        #expect(healthy.failure == nil, "seed \(first.seed) fails without \(canary) too")
    }

    /// Histories in which every planted bug must be found.
    private static let canarySeedsMax = 300
}

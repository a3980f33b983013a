import Dispatch
import Foundation
import Synchronization

/// Many histories, one after the other or two at a time, and what came of them.
struct Histories {
    /// Seeds whose histories broke a rule, and what each broke.
    private(set) var failures: [(seed: UInt64, words: String)] = []
    /// In how many histories each thing was seen.
    private(set) var sightings: [Sighting: Int] = [:]
    /// How many there were, how long all took, and how many steps they had.
    private(set) var count = 0
    private(set) var steps = 0
    private(set) var time = Duration.zero

    /// What came of one history.
    struct Outcome {
        /// What it saw.
        let sightings: Set<Sighting>
        /// What it broke; nil: nothing.
        let failure: String?
        /// How long it was, and what it was like.
        let steps: Int
        let fingerprint: UInt64
        /// Its last steps in words, if they were kept.
        let story: [String]
    }

    /// Lives through one history, as a worker beside which there may be another.
    static func live(
        seed: UInt64, canary: Canary? = nil, keepsStory: Bool = false, worker: Int = 0
    ) throws -> Outcome {
        DyingWords.note(seed, worker: worker)
        defer { DyingWords.ended(worker: worker) }
        let directory = try makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let history = try Simulation(
            seed: seed, canary: canary, directory: directory, keepsStory: keepsStory)
        var failure: String?
        do {
            try history.run()
        } catch {
            failure = "\(error)"
        }
        return Outcome(
            sightings: history.sightings, failure: failure, steps: history.steps,
            fingerprint: history.fingerprint, story: history.story)
    }

    /// Lives through the histories of some seeds.
    init(_ seeds: [UInt64]) async throws {
        let clock = ContinuousClock()
        let begin = clock.now
        // A few share the machine with the other tests.
        let workers = seeds.count > 200 ? 2 : 1
        try await withThrowingTaskGroup(of: [(UInt64, Outcome)].self) { group in
            for worker in 0..<workers {
                let mine = stride(from: worker, to: seeds.count, by: workers).map { seeds[$0] }
                group.addTask {
                    // On a thread of its own: tests beside it need those of the concurrency pool.
                    try await withCheckedThrowingContinuation { done in
                        DispatchQueue.global().async {
                            done.resume(with: Result { try Self.live(mine, worker: worker) })
                        }
                    }
                }
            }
            for try await outcomes in group {
                for (seed, outcome) in outcomes { add(outcome, of: seed) }
            }
        }
        time = clock.now - begin
        failures.sort { $0.seed < $1.seed }
    }

    private static func live(_ seeds: [UInt64], worker: Int) throws -> [(UInt64, Outcome)] {
        try seeds.map { seed in
            let outcome = try live(seed: seed, worker: worker)
            if let failure = outcome.failure { print("SIM_SEED=\(seed): \(failure)") }
            return (seed, outcome)
        }
    }

    private mutating func add(_ outcome: Outcome, of seed: UInt64) {
        count += 1
        steps += outcome.steps
        for sighting in outcome.sightings { sightings[sighting, default: 0] += 1 }
        if let failure = outcome.failure { failures.append((seed, failure)) }
    }

    /// Files that live in memory where that is possible: what of them is durable, the simulated disk knows.
    private static func makeDirectory() throws -> String {
        let shared = "/dev/shm"
        let isThere = FileManager.default.isWritableFile(atPath: shared)
        let parent = isThere ? shared : FileManager.default.temporaryDirectory.path
        let directory = "\(parent)/loopspool-sim-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        return directory
    }

    /// What there was, in a few lines.
    var report: String {
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        let rate = seconds > 0 ? Double(count) / seconds : 0
        let seen = Sighting.allCases.map { "\($0) \(sightings[$0, default: 0])" }
        return """
            \(count) histories, \(steps) steps, \(Int(rate.rounded())) histories/s, \
            \(failures.count) failed
            seen in so many: \(seen.joined(separator: ", "))
            """
    }
}

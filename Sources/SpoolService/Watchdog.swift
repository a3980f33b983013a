internal import Logging
internal import NIOCore
internal import Synchronization

/// Reports progress to the service manager while every loop of the daemon still runs its next step.
///
/// A round asks each loop to run a step; when all have, the manager hears of it. A loop that hangs keeps
/// its round open, so that nothing is heard, and the manager ends the process. Waiting for a backoff, or
/// for a disk that refuses, is progress: such a loop still runs what it is asked to.
final class Watchdog: Sendable {
    /// A loop of the daemon: `step` calls back from it.
    struct Loop: Sendable {
        let name: String
        let step: @Sendable (@escaping @Sendable () -> Void) -> Void
    }

    private let loops: [Loop]
    private let report: @Sendable () -> Void
    private let logger: Logger
    private let round = Mutex(Round())

    private struct Round {
        var number = 0
        var missing: Set<String> = []
        var isReported = false
    }

    /// - Parameter report: tells the manager; called once a whole round.
    init(of loops: [Loop], logger: Logger, report: @escaping @Sendable () -> Void) {
        self.loops = loops
        self.logger = logger
        self.report = report
    }

    /// Begins the next round, unless the last one is still open. To be called three times in the
    /// manager's interval.
    func beat() {
        let (number, late) = round.withLock { round -> (Int?, Set<String>) in
            guard round.missing.isEmpty else {
                defer { round.isReported = true }
                return (nil, round.isReported ? [] : round.missing)
            }
            round.number += 1
            round.missing = Set(loops.map(\.name))
            round.isReported = false
            return (round.number, [])
        }
        if !late.isEmpty {
            logger.error(
                "a loop does not run its next step",
                metadata: ["loops": "\(late.sorted().joined(separator: ", "))"])
        }
        guard let number else { return }
        for loop in loops { loop.step { [self] in ran(loop.name, in: number) } }
    }

    private func ran(_ name: String, in number: Int) {
        let isWhole = round.withLock { round in
            guard round.number == number else { return false }
            return round.missing.remove(name) != nil && round.missing.isEmpty
        }
        if isWhole { report() }
    }
}

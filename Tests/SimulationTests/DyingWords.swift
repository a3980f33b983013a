import Glibc
import Synchronization

/// Says which histories were under way when the program under test ended the process: a failed
/// precondition is a failed history too, and must be repeatable. So is a step that never ends: the
/// process is ended for it.
enum DyingWords {
    /// Seconds that one history may take: most take a small part of one.
    private static let secondsMax = 300

    /// The seeds under way, by worker.
    private static let first = Atomic<UInt64>(0)
    private static let second = Atomic<UInt64>(0)
    /// When they began, in seconds of the monotonic clock; 0: none is under way.
    private static let firstBegan = Atomic<Int>(0)
    private static let secondBegan = Atomic<Int>(0)
    private static let isReady = Atomic(false)

    /// A worker begins a history.
    static func note(_ seed: UInt64, worker: Int) {
        if worker == 0 {
            first.store(seed, ordering: .relaxed)
            firstBegan.store(now, ordering: .relaxed)
        } else {
            second.store(seed, ordering: .relaxed)
            secondBegan.store(now, ordering: .relaxed)
        }
        guard !isReady.exchange(true, ordering: .relaxed) else { return }
        for number in [SIGILL, SIGTRAP, SIGABRT] {
            signal(number) { number in
                DyingWords.speak()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        signal(SIGALRM) { _ in DyingWords.watch() }
        alarm(UInt32(secondsMax))
    }

    /// A worker's history is over.
    static func ended(worker: Int) {
        if worker == 0 {
            firstBegan.store(0, ordering: .relaxed)
        } else {
            secondBegan.store(0, ordering: .relaxed)
        }
    }

    /// Ends the process for a history that does not end; else comes back when the oldest may be one.
    private static func watch() {
        let age = max(
            age(of: firstBegan.load(ordering: .relaxed)),
            age(of: secondBegan.load(ordering: .relaxed)))
        guard age >= secondsMax else {
            alarm(UInt32(secondsMax - age))
            return
        }
        say("a history does not end\n")
        raise(SIGABRT)
    }

    private static func age(of began: Int) -> Int { began == 0 ? 0 : now - began }

    private static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }

    /// Only what a signal handler may do (signal-safety(7)): digits into a buffer, and `write`.
    private static func speak() {
        say("a history ended the process: SIM_SEED=")
        say(first.load(ordering: .relaxed))
        say(" or SIM_SEED=")
        say(second.load(ordering: .relaxed))
        say("\n")
    }

    private static func say(_ text: StaticString) {
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }

    private static func say(_ number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            var digit = UInt8(ascii: "0") + UInt8(number / divisor % 10)
            _ = write(STDERR_FILENO, &digit, 1)
            divisor /= 10
        }
    }
}

import Glibc
import Synchronization

/// Says which histories were under way when the program under test ended the process: a failed
/// precondition is a failed history too, and must be repeatable.
enum DyingWords {
    /// The seeds under way, by worker.
    private static let first = Atomic<UInt64>(0)
    private static let second = Atomic<UInt64>(0)
    private static let isReady = Atomic(false)

    /// A worker begins a history.
    static func note(_ seed: UInt64, worker: Int) {
        if worker == 0 {
            first.store(seed, ordering: .relaxed)
        } else {
            second.store(seed, ordering: .relaxed)
        }
        guard !isReady.exchange(true, ordering: .relaxed) else { return }
        for number in [SIGILL, SIGTRAP, SIGABRT] {
            signal(number) { number in
                DyingWords.speak()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
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

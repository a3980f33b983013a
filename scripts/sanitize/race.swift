// Threads count without a lock, beside a Mutex that all of them wait for: the sanitizer must find
// the race, however often the lock is handed over.

import Glibc
import Synchronization

final class Counter: Sendable {
    let guarded = Mutex(0)
    // Safety: there is none; this is the planted fault.
    nonisolated(unsafe) var unguarded = 0
}

let counter = Counter()

func count(_: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    for _ in 0..<10_000 {
        counter.unguarded += 1
        counter.guarded.withLock { $0 += 1 }
    }
    return nil
}

@main
enum Race {
    static func main() {
        let threads = (0..<4).map { _ in
            var thread = pthread_t()
            pthread_create(&thread, nil, count, nil)
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
    }
}

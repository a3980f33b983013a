// Threads hand an array over from one to the next through a Mutex, and look at what they got
// without it: there is no race, and the sanitizer must not see one.

import Glibc
import Synchronization

final class Shelf: Sendable {
    let last = Mutex([Int]())
}

let shelf = Shelf()

func exchange(_: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    for round in 0..<10_000 {
        let mine = [round, round]
        let others = shelf.last.withLock { last in
            let others = last
            last = mine
            return others
        }
        precondition(others.first == others.last, "torn: \(others)")
    }
    return nil
}

@main
enum Guarded {
    static func main() {
        let threads = (0..<4).map { _ in
            var thread = pthread_t()
            pthread_create(&thread, nil, exchange, nil)
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
    }
}

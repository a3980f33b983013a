import SpoolCore

/// The two clocks of a history. They move when the history says so, and the wall clock may jump.
// Safety: one history runs on one thread, and so does everything that reads its clocks.
final class VirtualTime: StampSource, @unchecked Sendable {
    /// Where every history begins.
    static let start = ContinuousClock.now
    /// The monotonic clock.
    private(set) var instant = VirtualTime.start
    /// The wall clock: 2026-11-19T08:53:20Z at the start.
    private(set) var wall = Timestamp(milliseconds: 1_795_078_400_000)
    private var minted: UInt64 = 0

    /// What has passed since the history began.
    var elapsed: Duration { instant - Self.start }

    /// Moves both clocks to a later instant.
    func advance(to later: ContinuousClock.Instant) {
        precondition(later >= instant, "time goes back from \(instant) to \(later)")
        wall = wall + (later - instant)
        instant = later
    }

    /// Sets the wall clock.
    func jump(by duration: Duration) { wall = wall + duration }

    /// The wall clock, for stamps.
    func now() -> Timestamp { wall }

    /// References that count from 1.
    func mintReference() -> MintedReference {
        minted += 1
        return MintedReference(at: wall, tail: minted)
    }
}

/// What is to happen, in the order of time; of the same instant in the order in which it was planned.
struct Agenda<Item> {
    private struct Entry {
        let at: ContinuousClock.Instant
        let number: Int
        let item: Item
    }

    /// The next one last.
    private var entries: [Entry] = []
    private var planned = 0

    /// Whether nothing is to happen any more.
    var isEmpty: Bool { entries.isEmpty }

    /// Plans something.
    mutating func plan(_ item: Item, at instant: ContinuousClock.Instant) {
        planned += 1
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].at > instant { low = middle + 1 } else { high = middle }
        }
        entries.insert(Entry(at: instant, number: planned, item: item), at: low)
    }

    /// Takes what happens next.
    mutating func next() -> (at: ContinuousClock.Instant, item: Item)? {
        entries.popLast().map { ($0.at, $0.item) }
    }

    /// Takes out everything that `isOver` says will not happen any more.
    mutating func cancel(where isOver: (Item) -> Bool) {
        entries.removeAll { isOver($0.item) }
    }

    /// Takes out some of what is to happen, in order.
    mutating func take(where isMeant: (Item) -> Bool) -> [(at: ContinuousClock.Instant, item: Item)]
    {
        let taken = entries.filter { isMeant($0.item) }.reversed().map { ($0.at, $0.item) }
        entries.removeAll { isMeant($0.item) }
        return taken
    }
}

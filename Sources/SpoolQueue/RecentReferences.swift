internal import SpoolCore

/// The logs delivered last, by name: a child of one of them never waits, feedback by reference finds its
/// id, and a repeated request is recognised.
///
/// A ring; entries of one name are chained from the youngest to the oldest.
struct RecentReferences {
    /// A delivered log.
    struct Entry {
        let key: ReferenceKey
        let sequence: EventSequence
        let digest: Digest?
        /// Upstream's id of it, as a key.
        let id: ReferenceKey
        /// The project it was delivered for; nil for what an earlier run has delivered.
        let project: Int64?
        /// The number of the next older entry of the same name, which may have been overwritten; -1: none.
        fileprivate let older: Int
    }

    private var ring: [Entry] = []
    /// How many entries were ever inserted: entry `n` is in slot `n % capacity`.
    private var inserted = 0
    /// The number of the youngest entry of each name.
    private var youngest: [ReferenceKey: Int] = [:]
    /// The number of the youngest entry with each of upstream's ids.
    private var byID: [ReferenceKey: Int] = [:]
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    func contains(_ key: ReferenceKey) -> Bool {
        youngest[key] != nil
    }

    /// The logs of a name, the youngest first.
    func entries(of key: ReferenceKey) -> some Sequence<Entry> {
        sequence(state: youngest[key] ?? -1) { number in
            guard number >= 0, number >= inserted - ring.count else { return nil }
            let entry = ring[number % capacity]
            number = entry.older
            return entry
        }
    }

    /// The youngest log of a name.
    func youngest(of key: ReferenceKey) -> Entry? { entries(of: key).first { _ in true } }

    /// The log that upstream knows by an id.
    func log(withID id: ReferenceKey) -> Entry? {
        byID[id].map { ring[$0 % capacity] }
    }

    mutating func insert(
        _ key: ReferenceKey, _ sequence: EventSequence, _ digest: Digest?, id: ReferenceKey,
        project: Int64? = nil
    ) {
        let number = inserted
        inserted += 1
        if ring.count == capacity { forget(number - capacity) }
        let entry = Entry(
            key: key, sequence: sequence, digest: digest, id: id, project: project,
            older: youngest[key] ?? -1)
        if ring.count < capacity { ring.append(entry) } else { ring[number % capacity] = entry }
        youngest[key] = number
        byID[id] = number
    }

    private mutating func forget(_ number: Int) {
        let entry = ring[number % capacity]
        if youngest[entry.key] == number { youngest[entry.key] = nil }
        if byID[entry.id] == number { byID[entry.id] = nil }
    }
}

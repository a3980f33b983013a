internal import SpoolCore

/// The names of queued logs: how many go by each, and the first. An open-addressing hash table of
/// 20 bytes a slot.
///
/// An SQLite index over random references would cost about a page write for every event once the
/// backlog outgrows the page cache, so the names of queued logs are known by heart instead and read back
/// at start. The keys are keyed hashes already: their low bits place them, and nobody can aim.
///
/// At most 7 of 10 slots are taken, so a name costs 29 to 57 bytes.
struct ReferenceTable {
    private var keys: [Int64]
    private var counts: [Int32]
    private var first: [Int64]
    private(set) var nameCount = 0
    private var mask: Int

    init() {
        keys = Array(repeating: 0, count: 1024)
        counts = Array(repeating: 0, count: 1024)
        first = Array(repeating: 0, count: 1024)
        mask = 1023
    }

    /// How many queued logs go by `key`.
    func count(of key: ReferenceKey) -> Int {
        Int(counts[slot(of: key.rawValue)])
    }

    /// The log in the queue that was accepted first under `key`.
    func first(of key: ReferenceKey) -> EventSequence? {
        let slot = slot(of: key.rawValue)
        return counts[slot] == 0 ? nil : EventSequence(rawValue: first[slot])
    }

    /// Adds a queued log.
    mutating func insert(_ key: ReferenceKey, _ sequence: EventSequence) {
        if (nameCount + 1) * 10 > keys.count * 7 { grow() }
        let slot = slot(of: key.rawValue)
        if counts[slot] == 0 {
            keys[slot] = key.rawValue
            first[slot] = sequence.rawValue
            nameCount += 1
        }
        counts[slot] += 1
        first[slot] = min(first[slot], sequence.rawValue)
    }

    /// Names the first of those left under `key`, where the first was taken away.
    mutating func setFirst(_ sequence: EventSequence, of key: ReferenceKey) {
        first[slot(of: key.rawValue)] = sequence.rawValue
    }

    /// Takes a log away that is in the table. Returns how many of that name are left.
    mutating func remove(_ key: ReferenceKey) -> Int {
        let slot = slot(of: key.rawValue)
        precondition(counts[slot] > 0, "no queued log has the key \(key.rawValue)")
        counts[slot] -= 1
        let left = Int(counts[slot])
        if left == 0 {
            nameCount -= 1
            first[slot] = 0
            closeGap(at: slot)
        }
        return left
    }

    /// The slot that holds `key`, or the free one where it would go.
    private func slot(of key: Int64) -> Int {
        var slot = Int(truncatingIfNeeded: key) & mask
        while counts[slot] != 0, keys[slot] != key { slot = (slot + 1) & mask }
        return slot
    }

    /// Moves later entries of the same run back, so that no search ends too early.
    private mutating func closeGap(at freed: Int) {
        var gap = freed
        var next = (gap + 1) & mask
        while counts[next] != 0 {
            let home = Int(truncatingIfNeeded: keys[next]) & mask
            if (next - home) & mask >= (next - gap) & mask {
                keys[gap] = keys[next]
                counts[gap] = counts[next]
                first[gap] = first[next]
                counts[next] = 0
                first[next] = 0
                gap = next
            }
            next = (next + 1) & mask
        }
    }

    private mutating func grow() {
        let (oldKeys, oldCounts, oldFirst) = (keys, counts, first)
        keys = Array(repeating: 0, count: oldKeys.count * 2)
        counts = Array(repeating: 0, count: oldKeys.count * 2)
        first = Array(repeating: 0, count: oldKeys.count * 2)
        mask = keys.count - 1
        for old in oldKeys.indices where oldCounts[old] > 0 {
            let slot = slot(of: oldKeys[old])
            keys[slot] = oldKeys[old]
            counts[slot] = oldCounts[old]
            first[slot] = oldFirst[old]
        }
    }
}

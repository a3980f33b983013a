import SpoolCore
import SpoolTestKit
import Testing

@testable import SpoolQueue

@Suite("The table of names")
struct ReferenceTableTests {
    @Test("agrees with a dictionary over random insertions and removals", arguments: 1...8)
    func agreesWithADictionary(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var table = ReferenceTable()
        var model: [Int64: [Int64]] = [:]
        // Few low bits, so that runs grow long and gaps must be closed over the end of the table.
        let names = (0..<3000).map { _ in
            Int64.random(in: -1 << 40...1 << 40, using: &random) & ~0x3e0
        }
        for sequence in 1...20_000 {
            let name = names.randomElement(using: &random)!
            let key = ReferenceKey(rawValue: name)
            if Bool.random(using: &random), let sequences = model[name] {
                let left = table.remove(key)
                model[name] = sequences.count == 1 ? nil : sequences.dropLast()
                #expect(left == sequences.count - 1)
            } else {
                table.insert(key, EventSequence(rawValue: Int64(sequence)))
                model[name, default: []].append(Int64(sequence))
            }
        }
        #expect(table.nameCount == model.count)
        for name in names {
            #expect(table.count(of: ReferenceKey(rawValue: name)) == model[name]?.count ?? 0)
        }
    }

    @Test("gives the latest log of a name until the last of them has left")
    func givesTheLatest() {
        var table = ReferenceTable()
        let key = ReferenceKey(rawValue: 7)
        #expect(table.latest(of: key) == nil)
        table.insert(key, EventSequence(rawValue: 3))
        table.insert(key, EventSequence(rawValue: 9))
        #expect(table.latest(of: key) == EventSequence(rawValue: 9))
        #expect(table.remove(key) == 1)
        #expect(table.remove(key) == 0)
        #expect(table.latest(of: key) == nil)
    }
}

@Suite("The names delivered last")
struct RecentReferencesTests {
    @Test("are forgotten oldest first, and only when their last mention goes")
    func forgetsTheOldest() {
        var recent = RecentReferences(capacity: 3)
        let keys = (0..<4).map { ReferenceKey(rawValue: Int64($0)) }
        for key in [keys[0], keys[1], keys[0], keys[2]] { recent.insert(key) }
        #expect(recent.contains(keys[0]))
        recent.insert(keys[3])
        #expect(!recent.contains(keys[1]))
        #expect(recent.contains(keys[0]))
        recent.insert(keys[3])
        #expect(!recent.contains(keys[0]))
    }
}

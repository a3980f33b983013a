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

    @Test("gives the first log of a name until the last of them has left")
    func givesTheFirst() {
        var table = ReferenceTable()
        let key = ReferenceKey(rawValue: 7)
        #expect(table.first(of: key) == nil)
        table.insert(key, EventSequence(rawValue: 3))
        table.insert(key, EventSequence(rawValue: 9))
        #expect(table.first(of: key) == EventSequence(rawValue: 3))
        #expect(table.remove(key) == 1)
        #expect(table.remove(key) == 0)
        #expect(table.first(of: key) == nil)
    }
}

@Suite("The names delivered last")
struct RecentReferencesTests {
    private func id(_ number: Int) -> ReferenceKey { ReferenceKey(rawValue: Int64(-1 - number)) }

    private func sequence(_ number: Int) -> EventSequence {
        EventSequence(rawValue: Int64(number))
    }

    @Test("are forgotten oldest first, and only when their last mention goes")
    func forgetsTheOldest() {
        var recent = RecentReferences(capacity: 3)
        let keys = (0..<4).map { ReferenceKey(rawValue: Int64($0)) }
        for (number, key) in [keys[0], keys[1], keys[0], keys[2]].enumerated() {
            recent.insert(key, sequence(number), nil, id: id(number))
        }
        #expect(recent.contains(keys[0]))
        recent.insert(keys[3], sequence(4), nil, id: id(4))
        #expect(!recent.contains(keys[1]))
        #expect(recent.contains(keys[0]))
        recent.insert(keys[3], sequence(5), nil, id: id(5))
        #expect(!recent.contains(keys[0]))
        #expect(recent.entries(of: keys[3]).map(\.sequence) == [sequence(5), sequence(4)])
    }

    @Test("agree with a list of the last ones", arguments: 1...4)
    func agreesWithAList(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var recent = RecentReferences(capacity: 50)
        var model: [(Int64, Int)] = []
        for number in 0..<2000 {
            let name = Int64.random(in: 0..<20, using: &random)
            recent.insert(
                ReferenceKey(rawValue: name), sequence(number), nil, id: id(number))
            model = Array((model + [(name, number)]).suffix(50))
            let probe = Int64.random(in: 0..<20, using: &random)
            let expected = model.filter { $0.0 == probe }.map { sequence($0.1) }.reversed()
            let found = recent.entries(of: ReferenceKey(rawValue: probe)).map(\.sequence)
            #expect(found == Array(expected))
            #expect(recent.contains(ReferenceKey(rawValue: probe)) == !found.isEmpty)
            #expect(recent.log(withID: id(number))?.sequence == sequence(number))
            #expect((recent.log(withID: id(number - 49)) == nil) == (number < 49))
            #expect(recent.log(withID: id(number - 50)) == nil)
        }
    }
}

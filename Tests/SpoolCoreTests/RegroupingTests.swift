import SpoolCore
import Testing

@Suite struct `Travelling in smaller company` {
    private let alike = { (_: Int) in 0 }

    @Test(arguments: 1...9)
    func `keeps every event once, in order, in smaller company`(count: Int) {
        let members = Array(0..<count)
        let afterDoubt = EventKind.allCases.map {
            Regrouping.afterDoubt(members, of: $0, by: alike)
        }
        for groups in [Regrouping.halves(members)] + afterDoubt {
            #expect(groups.flatMap { $0 } == members)
            #expect(groups.allSatisfy { !$0.isEmpty && ($0.count < count || count == 1) })
        }
    }

    @Test func `singles out the named and keeps the others together`() {
        func singledOut(_ count: Int, _ places: [Int]) -> [[Int]] {
            Regrouping.singledOut(Array(0..<count), places: places, by: alike)
        }
        #expect(singledOut(5, [3, 1]) == [[1], [3], [0, 2, 4]])
        #expect(singledOut(2, [0, 1]) == [[0], [1]])
        #expect(singledOut(3, []) == [[0], [1, 2]])
    }

    @Test func `parts members by a key, in order`() {
        #expect(Regrouping.apart([1, 2, 3, 4, 5], by: { $0 % 2 }) == [[1, 3, 5], [2, 4]])
    }

    @Test func `after doubt feedback travels singly and logs by halves`() {
        #expect(Regrouping.afterDoubt([1, 2, 3], of: .feedback, by: alike) == [[1], [2], [3]])
        #expect(Regrouping.afterDoubt([1, 2, 3, 4], of: .log, by: alike) == [[1, 2], [3, 4]])
    }

    @Test(arguments: 2...12)
    func `lanes part before their events do, in one step more than halves at most`(lanes: Int) {
        let members = (0..<60).map { (lane: $0 % lanes, number: $0) }
        var groups = [members]
        var steps = 0
        while groups.contains(where: { Set($0.map(\.lane)).count > 1 }) {
            groups = groups.flatMap { group in
                Set(group.map(\.lane)).count > 1 ? Regrouping.parted(group, by: \.lane) : [group]
            }
            steps += 1
        }
        #expect(groups.count == lanes, "a lane was parted before it was alone")
        #expect(1 << (steps - 1) < lanes * 2, "\(steps) steps")
        #expect(groups.allSatisfy { $0.map(\.number) == $0.map(\.number).sorted() })
        #expect(groups.flatMap { $0 }.count == members.count)
    }

    @Test func `a lane with most of the events parts from the others`() {
        let parts = Regrouping.parted([1, 2, 2, 2, 2, 3], by: { $0 })
        #expect(parts == [[1], [2, 2, 2, 2, 3]])
    }
}

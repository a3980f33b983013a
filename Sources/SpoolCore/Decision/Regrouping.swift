/// In what company events travel after travelling together went wrong. Every event is in exactly one
/// group, and no group is the company it came from, so that the smallest cause is found and no event
/// takes others down for ever.
public enum Regrouping {
    /// Two halves, in order; a single event stays alone.
    public static func halves<Member>(_ members: [Member]) -> [[Member]] {
        guard members.count > 1 else { return members.map { [$0] } }
        let middle = members.count / 2
        return [Array(members[..<middle]), Array(members[middle...])]
    }

    /// Those at `places` alone, first, and the others together; nobody named: halves.
    public static func singledOut<Member>(_ members: [Member], places: [Int]) -> [[Member]] {
        guard !places.isEmpty else { return halves(members) }
        let named = Set(places)
        let others = members.indices.filter { !named.contains($0) }.map { members[$0] }
        return named.sorted().map { [members[$0]] } + (others.isEmpty ? [] : [others])
    }

    /// Those that share a key together, in order of their first member.
    public static func apart<Member, Key: Hashable>(
        _ members: [Member], by key: (Member) -> Key
    ) -> [[Member]] {
        var groups: [[Member]] = []
        var places: [Key: Int] = [:]
        for member in members {
            if let place = places[key(member)] {
                groups[place].append(member)
            } else {
                places[key(member)] = groups.count
                groups.append([member])
            }
        }
        return groups
    }

    /// After an outcome in doubt: logs by halves, because most of them are innocent and can be asked
    /// about; others singly, because each further doubt may duplicate them.
    public static func afterDoubt<Member>(_ members: [Member], of kind: EventKind) -> [[Member]] {
        kind == .log ? halves(members) : members.map { [$0] }
    }
}

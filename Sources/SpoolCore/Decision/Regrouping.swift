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

    /// Two parts, each in order, which share no lane as long as there are several lanes; else halves. So what
    /// goes wrong with one project's events soon holds up nobody else's.
    public static func parted<Member, Lane: Hashable>(
        _ members: [Member], by lane: (Member) -> Lane
    ) -> [[Member]] {
        let lanes = apart(members, by: lane)
        guard lanes.count > 1 else { return halves(members) }
        var first = Set([lane(lanes[0][0])])
        var count = lanes[0].count
        for group in lanes.dropFirst().dropLast() where (count + group.count) * 2 <= members.count {
            first.insert(lane(group[0]))
            count += group.count
        }
        return [
            members.filter { first.contains(lane($0)) },
            members.filter { !first.contains(lane($0)) },
        ]
    }

    /// Those at `places` alone, first, and the others together; nobody named: two parts.
    public static func singledOut<Member, Lane: Hashable>(
        _ members: [Member], places: [Int], by lane: (Member) -> Lane
    ) -> [[Member]] {
        guard !places.isEmpty else { return parted(members, by: lane) }
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

    /// After an outcome in doubt: logs in two parts, because most of them are innocent and can be asked
    /// about; others singly, because each further doubt may duplicate them.
    public static func afterDoubt<Member, Lane: Hashable>(
        _ members: [Member], of kind: EventKind, by lane: (Member) -> Lane
    ) -> [[Member]] {
        kind == .log ? parted(members, by: lane) : members.map { [$0] }
    }
}

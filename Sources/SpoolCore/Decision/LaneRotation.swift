/// Who is served next: the lanes of one operation that have something ready, in turn.
///
/// A lane takes its turn at the front, gives a quantum of bytes, and goes to the back, so that a noisy
/// project slows nobody but itself. Two arrays make the queue: one read from, one written to.
public struct LaneRotation: Sendable {
    private var front: [Int64] = []
    private var back: [Int64] = []
    private var members: Set<Int64> = []

    /// An empty rotation.
    public init() {}

    /// How many lanes wait for their turn.
    public var count: Int { members.count }

    /// Lets a lane take part; it joins at the back. Nothing happens when it already does.
    public mutating func join(_ lane: Int64) {
        if members.insert(lane).inserted { back.append(lane) }
    }

    /// Takes the lane whose turn it is out of the rotation.
    public mutating func takeNext() -> Int64? {
        if front.isEmpty {
            front = back.reversed()
            back = []
        }
        guard let lane = front.popLast() else { return nil }
        members.remove(lane)
        return lane
    }
}

import SpoolCore
import Synchronization

extension EventLookup {
    /// What became of several things, told once when it is known of all, in the order asked; without the
    /// bodies of those that are queued.
    func findAll(
        _ things: [(thing: SpoolIdentity.Thing, sequence: EventSequence)],
        _ done: @escaping @Sendable ([ProvisionalStanding]) -> Void
    ) {
        guard !things.isEmpty else { return done([]) }
        let gathering = Gathering(count: things.count, done)
        for (place, (thing, sequence)) in things.enumerated() {
            find(thing, sequence, withBody: false) { gathering.add($0, at: place) }
        }
    }
}

/// Answers that come one by one and are wanted together.
private final class Gathering: Sendable {
    private let standings: Mutex<(known: [ProvisionalStanding?], missing: Int)>
    private let done: @Sendable ([ProvisionalStanding]) -> Void

    init(count: Int, _ done: @escaping @Sendable ([ProvisionalStanding]) -> Void) {
        self.standings = Mutex((Array(repeating: nil, count: count), count))
        self.done = done
    }

    func add(_ standing: ProvisionalStanding, at place: Int) {
        let all: [ProvisionalStanding]? = standings.withLock { state in
            state.known[place] = standing
            state.missing -= 1
            return state.missing == 0 ? state.known.compactMap(\.self) : nil
        }
        if let all { done(all) }
    }
}

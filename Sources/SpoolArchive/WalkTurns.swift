import Synchronization

/// Lets a few lists walk at a time, in the order they came: each holds what it has found so far.
final class WalkTurns: Sendable {
    private struct State {
        var walking = 0
        var waiting: [@Sendable () -> Void] = []
    }

    private let walkingMax: Int
    private let state = Mutex(State())

    /// Turns for so many lists at a time.
    init(walkingMax: Int) {
        self.walkingMax = walkingMax
    }

    /// Calls `start` now, or when a turn is given back.
    func take(_ start: @escaping @Sendable () -> Void) {
        let isFree = state.withLock { state in
            guard state.walking < walkingMax else {
                state.waiting.append(start)
                return false
            }
            state.walking += 1
            return true
        }
        if isFree { start() }
    }

    /// Gives a turn back, to the one that has waited longest.
    func give() {
        let next = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.walking -= 1
            return nil
        }
        next?()
    }
}

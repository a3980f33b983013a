import Synchronization

/// How many connections may be served at a time, over all listeners of the process.
///
/// At the limit a listener stops accepting: further clients wait in the kernel's backlog until a
/// connection closes, as they would for a busy server, and need not be told anything.
public final class ConnectionLimit: Sendable {
    private struct State {
        var open = 0
        var waiting: [@Sendable () -> Void] = []
    }

    /// The most that are served at a time.
    public let max: Int
    private let state = Mutex(State())

    /// A limit of `max` connections, at least 1.
    public init(max: Int) {
        precondition(max > 0, "a limit of \(max) connections serves nobody")
        self.max = max
    }

    /// Connections being served now.
    public var open: Int { state.withLock { $0.open } }

    /// Takes a place; false when there is none.
    func enter() -> Bool {
        state.withLock { state in
            guard state.open < max else { return false }
            state.open += 1
            return true
        }
    }

    /// Gives a place back and wakes whoever waits for one.
    func leave() {
        let waiting = state.withLock { state in
            precondition(state.open > 0, "a connection left that had never entered")
            state.open -= 1
            defer { state.waiting = [] }
            return state.waiting
        }
        for wake in waiting { wake() }
    }

    /// Calls `wake` once, on any thread, when a place may be free; at once if one is free now.
    func whenFree(_ wake: @escaping @Sendable () -> Void) {
        let isFree = state.withLock { state in
            if state.open >= max { state.waiting.append(wake) }
            return state.open < max
        }
        if isFree { wake() }
    }
}

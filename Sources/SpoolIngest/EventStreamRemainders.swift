import Synchronization

/// Streams whose clients are gone while what they left behind is still on its way to the disk. A
/// drain waits for these too.
final class EventStreamRemainders: Sendable {
    private struct State {
        var count = 0
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// A client has left something behind.
    func enter() {
        state.withLock { $0.count += 1 }
    }

    /// What it left is dealt with.
    func leave() {
        let waiting = state.withLock { state in
            state.count -= 1
            return state.count == 0 ? state.waiting.take() : nil
        }
        waiting?.resume()
    }

    /// Returns when nothing is left, or the task is cancelled. One caller at a time.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    let isOver = state.count == 0 || Task.isCancelled
                    if !isOver { state.waiting = continuation }
                    return isOver
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.take() }?.resume()
        }
    }
}

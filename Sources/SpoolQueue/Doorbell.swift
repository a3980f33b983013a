internal import Synchronization

/// Tells the sender that there is something to lease.
final class Doorbell: Sendable {
    /// A bare function here would be wrapped anew by every access: `Mutex` holds it in the form for any
    /// type, and each ring would be dearer than the last.
    private struct Listener {
        let notify: @Sendable () -> Void
    }

    private let listener = Mutex<Listener?>(nil)

    func install(_ notify: @escaping @Sendable () -> Void) {
        listener.withLock { $0 = Listener(notify: notify) }
    }

    func ring() {
        listener.withLock { $0 }?.notify()
    }
}

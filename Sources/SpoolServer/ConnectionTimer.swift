package import NIOCore

/// One timer for each connection, moved without cost: setting a later deadline only stores it, and
/// the timer that fires too early sets itself again. A busy connection would otherwise schedule and
/// cancel two timers for each request.
package final class ConnectionTimer {
    private let loop: any EventLoop
    private var deadline: NIODeadline?
    private var scheduled: (task: Scheduled<Void>, deadline: NIODeadline)?
    /// Called on the loop when a deadline has passed; the deadline is cleared before.
    package var onExpiry: (() -> Void)?

    /// A timer on `loop`, on which all calls must be made.
    package init(loop: any EventLoop) {
        self.loop = loop
    }

    /// Moves the deadline; nil for none.
    package func set(_ deadline: NIODeadline?) {
        self.deadline = deadline
        guard let deadline else { return }
        if let scheduled {
            guard deadline < scheduled.deadline else { return }
            scheduled.task.cancel()
        }
        schedule(deadline)
    }

    /// Ends the timer for good.
    package func cancel() {
        deadline = nil
        onExpiry = nil
        scheduled?.task.cancel()
        scheduled = nil
    }

    private func schedule(_ deadline: NIODeadline) {
        let task = loop.assumeIsolated().scheduleTask(deadline: deadline) { self.fired() }
        scheduled = (task, deadline)
    }

    private func fired() {
        scheduled = nil
        guard let deadline else { return }
        if deadline <= .now() {
            self.deadline = nil
            onExpiry?()
        } else {
            schedule(deadline)
        }
    }
}

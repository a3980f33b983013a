public import NIOCore

/// The event loops as the door needs them: turns, and ends of waits.
public struct DoorLoops: Sendable {
    /// Something to do on a loop.
    package typealias Turn = @Sendable () -> Void

    /// Runs something on an event loop, soon.
    let run: @Sendable (@escaping Turn) -> Void
    /// Runs something after a while, unless what it returns is called before.
    let runAfter: @Sendable (Duration, @escaping Turn) -> Turn

    /// The loops of a group.
    public init(_ group: any EventLoopGroup) {
        run = { body in group.any().execute(body) }
        runAfter = { delay, body in
            let task = group.any().scheduleTask(in: TimeAmount(delay), body)
            return { task.cancel() }
        }
    }

    /// Turns and time as a test gives them.
    package init(
        run: @escaping @Sendable (@escaping Turn) -> Void,
        runAfter: @escaping @Sendable (Duration, @escaping Turn) -> Turn
    ) {
        self.run = run
        self.runAfter = runAfter
    }
}

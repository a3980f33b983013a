internal import Glibc
public import NIOCore
public import SpoolCore

/// Time and turn-taking on one event loop.
public struct NIOScheduler: Scheduler {
    private let loop: any EventLoop

    /// Everything runs on `loop`, in the order it was asked for.
    public init(on loop: any EventLoop) {
        self.loop = loop
    }

    /// The monotonic now.
    public var instant: ContinuousClock.Instant { .now }

    /// The wall clock's now.
    public var now: Timestamp {
        var time = timespec()
        let result = clock_gettime(CLOCK_REALTIME, &time)
        precondition(result == 0, "clock_gettime failed with errno \(errno)")
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Runs `body` on the loop, soon.
    public func run(_ body: @escaping @Sendable () -> Void) {
        loop.execute(body)
    }

    /// Runs `body` on the loop after `delay`.
    public func run(after delay: Duration, _ body: @escaping @Sendable () -> Void) {
        loop.scheduleTask(in: TimeAmount(delay), body)
    }
}

/// Where time enters the sender: a monotonic clock for waiting, the wall clock for what is stored and
/// for dates in `Retry-After`. A simulation replaces it.
public protocol Scheduler: Sendable {
    /// The monotonic now.
    var instant: ContinuousClock.Instant { get }
    /// The wall clock's now.
    var now: Timestamp { get }
    /// Runs `body` on the scheduler's own thread, soon. Bodies never run at the same time.
    func run(_ body: @escaping @Sendable () -> Void)
    /// Runs `body` on the scheduler's own thread after `delay`.
    func run(after delay: Duration, _ body: @escaping @Sendable () -> Void)
}

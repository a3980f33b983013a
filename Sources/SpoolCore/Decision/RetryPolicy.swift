/// When to try again: exponential backoff with full jitter, for a destination as for a single event.
public enum RetryPolicy {
    /// The most that failure number `failures` in a row costs: base 1 s, doubled each time, at most
    /// 60 s (``Limits/backoffBase``, ``Limits/backoffMax``).
    public static func ceiling(failures: Int) -> Duration {
        precondition(failures > 0, "nothing failed, so nothing needs a delay: \(failures)")
        let doublings = min(failures - 1, 16)
        return min(Limits.backoffBase * (1 << doublings), Limits.backoffMax)
    }

    /// How long to wait after failure number `failures` in a row: evenly drawn between nothing and the
    /// ceiling, so that daemons that failed together do not return together, but never less than
    /// upstream asked for.
    public static func delay(
        failures: Int, atLeast minimum: Duration? = nil,
        using generator: inout some RandomNumberGenerator
    ) -> Duration {
        let ceiling = ceiling(failures: failures).wholeMilliseconds
        let drawn = Duration.milliseconds(Int64.random(in: 0...ceiling, using: &generator))
        return max(drawn, min(minimum ?? .zero, Limits.retryAfterMax))
    }
}

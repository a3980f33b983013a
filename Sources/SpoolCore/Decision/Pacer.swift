/// How many requests may be under way to one destination: one more after each window of successes, half
/// after a failure (additive increase, multiplicative decrease, as TCP does: Chiu and Jain, 1989).
public struct Pacer: Equatable, Sendable {
    /// Requests allowed at a time.
    public private(set) var limit: Int
    private let limits: ClosedRange<Int>
    private var successes = 0

    /// Starts at the low end of `limits`.
    public init(_ limits: ClosedRange<Int> = Limits.inFlightStart...Limits.inFlightMax) {
        precondition(limits.lowerBound > 0, "at least one request must be allowed: \(limits)")
        self.limits = limits
        self.limit = limits.lowerBound
    }

    /// A request succeeded. A window is as many successes as requests were allowed.
    public mutating func succeeded() {
        successes += 1
        guard successes >= limit else { return }
        successes = 0
        limit = min(limit + 1, limits.upperBound)
    }

    /// The destination failed, or asked to be left alone.
    public mutating func failed() {
        successes = 0
        limit = max(limit / 2, limits.lowerBound)
    }
}

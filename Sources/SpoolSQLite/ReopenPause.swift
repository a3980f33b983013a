/// How long a thing that failed is left alone: not at all after one failure, which may be a passing one,
/// and after each further one twice as long as before, up to a bound.
struct ReopenPause {
    private let shortest: Duration
    private let longest: Duration
    private var next = Duration.zero
    private var until: ContinuousClock.Instant?

    /// A thing that has not failed.
    ///
    /// - Parameters:
    ///   - shortest: the pause after the second failure in a row.
    ///   - longest: the bound.
    init(shortest: Duration, longest: Duration) {
        self.shortest = shortest
        self.longest = longest
    }

    /// It failed.
    mutating func begin(at now: ContinuousClock.Instant) {
        until = now + next
        next = min(max(next * 2, shortest), longest)
    }

    /// It may be tried now; how long the next pause is, is not forgotten.
    mutating func end() { until = nil }

    /// It succeeded.
    mutating func reset() {
        until = nil
        next = .zero
    }

    /// Whether it may be tried.
    func isOver(at now: ContinuousClock.Instant) -> Bool { left(at: now) <= .zero }

    /// How long it is still to be left alone.
    func left(at now: ContinuousClock.Instant) -> Duration {
        until.map { max(.zero, $0 - now) } ?? .zero
    }
}

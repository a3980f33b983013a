internal import SpoolCore

/// When questions may go, apart from the destination's own backoff.
///
/// Where questions fail and deliveries work, failing questions must not hold up the deliveries: only the
/// first of a row speaks against the destination, and the others wait for each other here.
struct Asking: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Questions in a row that got no clear answer.
    private(set) var failures = 0
    /// Nothing is asked before.
    private(set) var notBefore: Instant?

    /// Whether questions have to wait.
    func mustWait(at now: Instant) -> Bool { notBefore.map { now < $0 } ?? false }

    /// A question was answered clearly.
    mutating func succeeded() { self = Asking() }

    /// A question was not.
    mutating func failed(
        retryAfter: Duration?, at now: Instant, using generator: inout some RandomNumberGenerator
    ) {
        failures += 1
        let delay = RetryPolicy.delay(failures: failures, atLeast: retryAfter, using: &generator)
        notBefore = max(now + delay, notBefore ?? now)
    }

    /// The next question may go at once.
    mutating func resume() { notBefore = nil }
}

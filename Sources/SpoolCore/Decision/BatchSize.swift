/// How many bytes a batch may have, after upstream has called some too large (413).
///
/// Upstream's limit is nowhere announced, so it is found by halving, and remembered over restarts, so
/// that no new batch runs into it again. Limits are raised too: after every ``interval`` without another
/// 413 the size doubles, until the setting is reached. A wrong guess costs one request an hour.
public struct BatchSize: Equatable, Sendable {
    /// An instant on the monotonic clock.
    public typealias Instant = ContinuousClock.Instant

    /// How long a smaller size is kept before a larger one is tried.
    public static let interval = Duration.seconds(3600)

    /// Body bytes that a batch may have now; a larger event travels alone.
    public private(set) var bytes: Int
    /// When twice as many are tried; nil while the setting holds.
    public private(set) var growsAt: Instant?
    private let bytesMax: Int

    /// The size that the setting allows, `bytesMax` of at least one byte.
    public init(bytesMax: Int) {
        precondition(bytesMax > 0, "a batch must have room for something: \(bytesMax) bytes")
        self.bytesMax = bytesMax
        self.bytes = bytesMax
    }

    /// Upstream called a batch of so many body bytes too large.
    public mutating func tooLarge(_ batchBytes: Int, at now: Instant) {
        limit(to: batchBytes / 2, until: now + Self.interval)
    }

    /// Takes over what an earlier run has found out.
    public mutating func limit(to bytes: Int, until growsAt: Instant) {
        self.bytes = max(min(bytes, self.bytes), 1)
        self.growsAt = self.bytes < bytesMax ? growsAt : nil
    }

    /// Grows when it is time to.
    public mutating func elapse(at now: Instant) {
        guard let growsAt, growsAt <= now else { return }
        bytes = min(bytes * 2, bytesMax)
        self.growsAt = bytes < bytesMax ? now + Self.interval : nil
    }
}

package import NIOCore

/// How fast something comes that holds a share of the memory until it is there: a request, a line.
package struct ReadPace {
    private let pause: TimeAmount
    private let bytesPerSecondMin: Int
    private var since: NIODeadline?
    private var bytes = 0

    /// May pause for `pause`, and after that has to come with `bytesPerSecondMin`, at least 1, on the
    /// whole.
    package init(pause: Duration, bytesPerSecondMin: Int) {
        self.pause = TimeAmount(pause)
        self.bytesPerSecondMin = bytesPerSecondMin
    }

    /// Bytes have come.
    package mutating func arrived(_ count: Int) { bytes += count }

    /// Nothing is being read.
    package mutating func stop() {
        since = nil
        bytes = 0
    }

    /// When it has paused too long, or is too slow on the whole.
    package mutating func deadline(_ now: NIODeadline) -> NIODeadline {
        let since = self.since ?? now
        self.since = since
        let seconds = Double(bytes) / Double(bytesPerSecondMin)
        return min(now + pause, since + pause + TimeAmount(.seconds(seconds)))
    }
}

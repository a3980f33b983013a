import NIOCore

/// How fast the request that is being read comes: it holds a share of the memory until it is there.
struct ReadPace {
    private var since: NIODeadline?
    private var bytes = 0

    /// Bytes have come.
    mutating func arrived(_ count: Int) { bytes += count }

    /// No request is being read.
    mutating func stop() { self = ReadPace() }

    /// When the request has paused too long, or is too slow on the whole.
    mutating func deadline(_ now: NIODeadline, settings: HTTPSettings) -> NIODeadline {
        let since = self.since ?? now
        self.since = since
        let patience = TimeAmount(settings.readTimeout)
        let seconds = Double(bytes) / Double(settings.readBytesPerSecondMin)
        return min(now + patience, since + patience + TimeAmount(.seconds(seconds)))
    }
}

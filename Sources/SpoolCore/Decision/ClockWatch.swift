/// Whether the wall clock can be trusted with ages: after a jump of more than an hour, and after a start,
/// not before it has gone evenly for ten minutes. A wrong clock must not discard what is young.
public struct ClockWatch: Sendable {
    /// A difference to the monotonic clock that counts as a jump where ages are long.
    public static let jump = Duration.seconds(3600)
    /// How long the clock must go evenly.
    public static let settling = Duration.seconds(600)

    private var wall: Timestamp
    private var instant: ContinuousClock.Instant
    private var evenSince: ContinuousClock.Instant

    /// Begins to watch.
    public init(wall: Timestamp, instant: ContinuousClock.Instant) {
        self.wall = wall
        self.instant = instant
        self.evenSince = instant
    }

    /// Looks at both clocks; returns whether ages can be trusted.
    @discardableResult
    public mutating func look(
        wall: Timestamp, instant: ContinuousClock.Instant
    ) -> Bool {
        let difference = (wall - self.wall) - (instant - self.instant)
        if difference > Self.jump || difference < .zero - Self.jump { evenSince = instant }
        self.wall = wall
        self.instant = instant
        return isTrusted
    }

    /// Whether ages can be trusted, as of the last look.
    public var isTrusted: Bool { instant - evenSince >= Self.settling }
}

internal import SpoolCore

/// What upstream has lately made of single lanes, kept over restarts.
struct LaneHistory: Equatable, Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Lanes whose deaths are counted at most, and remembered over a restart; the one that died longest ago
    /// is forgotten.
    static let countedMax = 20_000
    static let keptMax = 1000
    /// Lanes that travel alone at most; the one refused longest ago is forgotten.
    static let lonelyMax = 300

    private struct Deaths: Equatable {
        var count: Int
        /// Grows with every death, whosever it is.
        var order: Int
    }

    private var deaths: [Int64: Deaths] = [:]
    private var deathsCounted = 0
    /// Lanes that share no request with another one, each until then.
    private(set) var lonely: [Int64: Instant] = [:]

    /// Deaths in a row without a 2xx between them, by lane.
    var deathsInARow: [Int64: Int] { deaths.mapValues(\.count) }

    /// The same, latest first, as they are written down.
    var latestDeaths: [(lane: Int64, count: Int)] {
        deaths.sorted { $0.value.order > $1.value.order }.map { ($0.key, $0.value.count) }
    }

    /// `count` more events of the lane have died, less than none when they could not. Returns how many
    /// that makes in a row.
    @discardableResult
    mutating func died(_ lane: Int64, _ count: Int = 1) -> Int {
        deathsCounted += 1
        let total = max((deaths[lane]?.count ?? 0) + count, 0)
        deaths[lane] = total == 0 ? nil : Deaths(count: total, order: deathsCounted)
        if deaths.count > Self.countedMax,
            let oldest = deaths.min(by: { $0.value.order < $1.value.order })
        {
            deaths[oldest.key] = nil
        }
        return total
    }

    /// A batch with events of these lanes was accepted.
    mutating func succeeded(_ lanes: Set<Int64>) {
        guard !deaths.isEmpty else { return }
        for lane in lanes { deaths[lane] = nil }
    }

    /// Events of the lane were refused: for a while it travels alone.
    mutating func refused(_ lane: Int64, until: Instant) {
        lonely[lane] = max(until, lonely[lane] ?? until)
        if lonely.count > Self.lonelyMax,
            let oldest = lonely.min(by: { ($0.value, $0.key) < ($1.value, $1.key) })
        {
            lonely[oldest.key] = nil
        }
    }

    /// Lets lanes share requests again whose time is over.
    mutating func elapse(at now: Instant) {
        guard lonely.contains(where: { $0.value <= now }) else { return }
        lonely = lonely.filter { $0.value > now }
    }

    /// Every lane may share requests again.
    mutating func resume() { lonely = [:] }
}

/// Whether upstream denies the right to deliver (402, 403) to single lanes or to all.
struct LaneRights: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How long an answer speaks for the present.
    static let memory = Duration.seconds(60)

    /// When any other answer came last.
    private var allowedAt: Instant?
    private var deniedAt: [Int64: Instant] = [:]

    /// An answer came that was no denial.
    mutating func allowed(at now: Instant) { allowedAt = now }

    /// A request with events of these lanes was denied.
    mutating func denied(_ lanes: Set<Int64>, at now: Instant) {
        deniedAt = deniedAt.filter { now - $0.value <= Self.memory }
        for lane in lanes { deniedAt[lane] = now }
    }

    /// Whether every lane that was tried in the last minute was denied, and there was more than one: of
    /// a single lane, nothing can be concluded for others.
    func areDeniedToAll(at now: Instant) -> Bool {
        if let allowedAt, now - allowedAt <= Self.memory { return false }
        return deniedAt.values.count { now - $0 <= Self.memory } > 1
    }
}

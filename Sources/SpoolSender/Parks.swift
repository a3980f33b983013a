internal import SpoolCore

/// What gives nothing for now while the destination as a whole goes on: lanes and operations.
///
/// Each park is tried with one event whenever its backoff is over, parked lanes one after the other.
struct Parks: Equatable, Sendable {
    typealias Instant = ContinuousClock.Instant

    /// What is parked, and tried, as one.
    enum Scope: Hashable, Sendable {
        case lane(Int64)
        case route(Route)
    }

    /// One park.
    struct Entry: Equatable, Sendable {
        /// Why.
        var park: Park
        /// The operation that the scope belongs to.
        var route: Route
        /// What upstream said last; nil where a restart has forgotten it.
        var said: SenderSnapshot.Trouble?
        /// Refusals in a row.
        var failures: Int
        /// When one event may try, as far as the backoff goes.
        var triableAt: Instant
        /// There was nothing to try with: not before then, unless something comes.
        var emptyUntil: Instant?

        /// When one event may try.
        var probeAt: Instant { emptyUntil.map { max($0, triableAt) } ?? triableAt }
    }

    /// The parks.
    private(set) var entries: [Scope: Entry] = [:]

    /// Every parked lane, for the next wish.
    var lanes: Set<Int64> {
        entries.keys.reduce(into: []) { if case .lane(let lane) = $1 { $0.insert(lane) } }
    }

    /// Every parked operation, for the next wish.
    var routes: Set<Route> {
        entries.keys.reduce(into: []) { if case .route(let route) = $1 { $0.insert(route) } }
    }

    /// Lanes of an operation that are parked themselves.
    func lanes(of route: Route) -> Set<Int64> {
        lanes.filter { entries[.lane($0)]?.route == route }
    }

    /// When the next probe is due.
    var probeAt: Instant? { entries.lazy.filter(isTriable).map(\.value.probeAt).min() }

    /// Parks a scope, or keeps it parked for longer, because of what upstream `said`.
    mutating func park(
        _ scope: Scope, of route: Route, because park: Park,
        saying said: SenderSnapshot.Trouble? = nil, at now: Instant,
        using generator: inout some RandomNumberGenerator
    ) {
        let failures = (entries[scope]?.failures ?? 0) + 1
        let delay = RetryPolicy.delay(failures: failures, using: &generator)
        entries[scope] = Entry(
            park: park, route: route, said: said ?? entries[scope]?.said, failures: failures,
            triableAt: now + delay)
    }

    /// Takes over what an earlier run has left: tried at once, because a restart may have mended it.
    mutating func restore(_ scope: Scope, _ entry: Entry) {
        entries[scope] = entry
    }

    /// Everything may be tried at once.
    mutating func resume(at now: Instant) {
        for scope in entries.keys {
            entries[scope]?.triableAt = now
            entries[scope]?.emptyUntil = nil
        }
    }

    /// A batch was accepted: its route and its lanes are fine.
    mutating func release(_ route: Route, lanes: Set<Int64>) {
        guard !entries.isEmpty else { return }
        entries[.route(route)] = nil
        for lane in lanes { entries[.lane(lane)] = nil }
    }

    /// What parked these lanes is over for them.
    mutating func release(_ park: Park, lanes: Set<Int64>) {
        guard !entries.isEmpty else { return }
        for lane in lanes where entries[.lane(lane)]?.park == park { entries[.lane(lane)] = nil }
    }

    /// What parked them is over.
    mutating func release(_ park: Park) {
        entries = entries.filter { $0.value.park != park }
    }

    /// The park that holds a lane, its own before its operation's.
    func entry(for lane: Int64, of route: Route) -> Entry? {
        entries[.lane(lane)] ?? entries[.route(route)]
    }

    /// Whether a batch must not be sent.
    func holdBack(_ route: Route, lanes: Set<Int64>) -> Bool {
        guard !entries.isEmpty else { return false }
        return entries[.route(route)] != nil || lanes.contains { entries[.lane($0)] != nil }
    }

    // MARK: Probes

    /// What may be tried now, an operation before lanes, whose own turn comes once it is parked no more.
    func due(at now: Instant) -> ProbeScope? {
        var lanes: Set<Int64> = []
        var first: Route?
        for (scope, entry) in entries where entry.probeAt <= now && isTriable((scope, entry)) {
            switch scope {
            case .route(let route):
                if route.rawValue < first?.rawValue ?? .max { first = route }
            case .lane(let lane): lanes.insert(lane)
            }
        }
        return first.map(ProbeScope.route) ?? (lanes.isEmpty ? nil : .lanes(lanes))
    }

    /// Whether a park may be tried by itself: a lane of a parked operation may not.
    private func isTriable(_ park: (key: Scope, value: Entry)) -> Bool {
        if case .route = park.key { return true }
        return entries[.route(park.value.route)] == nil
    }

    /// A probe brought an event of `lane`, or nothing: it is not tried again before its next backoff is
    /// over, and what was empty not before `emptyUntil` either, unless something comes.
    mutating func tried(
        _ probe: ProbeScope, lane: Int64?, at now: Instant, emptyUntil: Instant? = nil,
        using generator: inout some RandomNumberGenerator
    ) {
        let scopes: [Scope] =
            switch probe {
            case .everywhere: []
            case .route(let route): [.route(route)]
            case .lanes(let lanes): (lane.map { [$0] } ?? lanes.sorted()).map(Scope.lane)
            }
        for scope in scopes {
            guard let entry = entries[scope] else { continue }
            let delay = RetryPolicy.delay(
                failures: entry.failures, atLeast: Limits.backoffBase, using: &generator)
            entries[scope]?.triableAt = now + delay
            entries[scope]?.emptyUntil = emptyUntil
        }
    }

    /// Something came, or was set free: there may be something to try with.
    mutating func refilled() {
        for (scope, entry) in entries where entry.emptyUntil != nil {
            entries[scope]?.emptyUntil = nil
        }
    }

    /// How long an event that was tried in vain gives way, from the next probe on: for as many more
    /// probes as there were before, so that each of them is tried sooner or later, and none waits for
    /// more than a quarter of an hour when the park is over. A wrong key is no event's fault: there the
    /// next one will do.
    static func givesWay(_ park: Park, failures: Int) -> Duration {
        guard park != .unauthorized, failures > 1 else { return Limits.backoffBase }
        return min(RetryPolicy.ceiling(failures: failures) * failures, .seconds(900))
    }
}

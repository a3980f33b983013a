internal import SpoolCore

/// Lanes that give nothing for now while the destination as a whole goes on.
///
/// The queue knows lanes only. So a parked route is the set of its lanes seen so far: a lease that brings
/// another of them is handed back, and its lane joins.
struct LaneParks: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// What is parked together, and tried together.
    enum Scope: Hashable, Sendable {
        case lane(Int64)
        case route(Route)
    }

    private struct Entry {
        let park: Park
        var lanes: Set<Int64>
        var failures: Int
        /// When one event may try.
        var probeAt: Instant
    }

    private var entries: [Scope: Entry] = [:]

    /// Every parked lane, for the next wish.
    var lanes: Set<Int64> { entries.values.reduce(into: []) { $0.formUnion($1.lanes) } }

    /// When the next probe is due.
    var probeAt: Instant? { entries.values.map(\.probeAt).min() }

    /// Why lanes are parked, worst known only: for status.
    var parks: Set<Park> { Set(entries.values.map(\.park)) }

    /// Parks a scope, or keeps it parked for longer.
    mutating func park(
        _ scope: Scope, lanes: Set<Int64>, because park: Park, at now: Instant,
        using generator: inout some RandomNumberGenerator
    ) {
        let before = entries[scope]
        let failures = (before?.failures ?? 0) + 1
        let delay = RetryPolicy.delay(failures: failures, using: &generator)
        entries[scope] = Entry(
            park: park, lanes: lanes.union(before?.lanes ?? []), failures: failures,
            probeAt: now + delay)
    }

    /// A batch was accepted: its route and its lanes are fine.
    mutating func release(_ route: Route, lanes: Set<Int64>) {
        guard !entries.isEmpty else { return }
        entries[.route(route)] = nil
        for lane in lanes { entries[.lane(lane)] = nil }
    }

    /// Whether a batch must not be sent; lanes of a parked route are remembered.
    mutating func holdsBack(_ route: Route, lanes: Set<Int64>) -> Bool {
        guard !entries.isEmpty else { return false }
        if entries[.route(route)] != nil {
            entries[.route(route)]?.lanes.formUnion(lanes)
            return true
        }
        return lanes.contains { entries[.lane($0)] != nil }
    }

    /// The lanes to leave out of a probe that is due now, nil when none is. Due scopes count as tried,
    /// whatever the probe brings, so that an empty lane is not asked for without end.
    mutating func takeProbe(
        at now: Instant, using generator: inout some RandomNumberGenerator
    ) -> Set<Int64>? {
        let due = entries.filter { $0.value.probeAt <= now }
        guard let failures = due.values.map(\.failures).max() else { return nil }
        let delay = RetryPolicy.delay(
            failures: failures, atLeast: Limits.backoffBase, using: &generator)
        for scope in due.keys { entries[scope]?.probeAt = now + delay }
        return lanes.subtracting(due.values.reduce(into: []) { $0.formUnion($1.lanes) })
    }
}

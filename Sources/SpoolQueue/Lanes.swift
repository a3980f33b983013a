internal import SpoolCore

/// A lane as the queue knows it in memory.
struct Lane {
    let id: Int64
    let route: Route
    let project: Int64
    /// Body bytes of its events, as the ledger counts them.
    var payloadBytes: Int64 = 0
    /// Its events, whatever they wait for, those that are leased included.
    var heldCount = 0
    /// Ready events not leased.
    var readyCount = 0
    /// Everything at or below it is leased, held, or gone: where the next look begins.
    var cursor: Int64 = 0
}

/// The lanes and their turns, by operation.
struct Lanes {
    private(set) var all: [Int64: Lane] = [:]
    private var rotations: [Route: LaneRotation] = [:]
    private var totals: [Route: Int] = [:]
    private var since: [Route: Timestamp] = [:]
    /// Which operation's turn it is: an index into `Route.allCases`.
    private var turn = 0
    /// Lanes and operations that give nothing now. The events of such lanes do not count as ready.
    private(set) var parked: Set<Int64> = []
    private(set) var parkedRoutes: Set<Route> = []
    /// Something came into a parked lane that was empty: there is something to try with again.
    var hasParkedNews = false
    /// The lane that was tried last, by which probes go round.
    private var triedLast: Int64 = 0
    /// What the events of each project take of the spool, and lanes whose bytes are not written down yet.
    private var projectBytes: [Int64: Int64] = [:]
    private(set) var unwritten: Set<Int64> = []

    subscript(id: Int64) -> Lane {
        // Safety: events carry only ids of the lane table, all of which are loaded.
        all[id]!
    }

    mutating func add(_ lane: Lane) {
        precondition(all[lane.id] == nil, "lane \(lane.id) is known already")
        all[lane.id] = lane
        projectBytes[lane.project, default: 0] += lane.payloadBytes
    }

    // MARK: What they weigh

    /// An event is there, as the file has it.
    mutating func holds(_ id: Int64) {
        all[id]!.heldCount += 1
        projectBytes[self[id].project, default: 0] += Limits.eventOverheadBytes
    }

    /// An event came with its bytes, or left with them where `isGone`. Returns whether the lane had so many.
    mutating func weigh(_ id: Int64, _ bytes: Int, isGone: Bool) -> Bool {
        let lane = self[id]
        let total = lane.payloadBytes + Int64(isGone ? -bytes : bytes)
        guard total >= 0 else { return false }
        all[id]!.payloadBytes = total
        all[id]!.heldCount += isGone ? -1 : 1
        let overhead = Limits.eventOverheadBytes
        projectBytes[lane.project, default: 0] +=
            total - lane.payloadBytes + (isGone ? -overhead : overhead)
        unwritten.insert(id)
        return true
    }

    /// Projects that have a lane.
    var projectCount: Int { projectBytes.count }

    /// What a project's events take of the spool: their bodies, and the overhead of each.
    func spoolBytes(ofProject project: Int64) -> Int64 { projectBytes[project, default: 0] }

    /// What the lanes weigh is written down.
    mutating func wrote() { unwritten.removeAll(keepingCapacity: true) }

    // MARK: What is ready

    /// `count` more events of the lane are ready, the first of them at or after `sequence`.
    mutating func ready(_ id: Int64, _ count: Int, from sequence: EventSequence, at now: Timestamp)
    {
        let route = self[id].route
        if self[id].readyCount == 0, parked.contains(id) || parkedRoutes.contains(route) {
            hasParkedNews = true
        }
        all[id]!.readyCount += count
        all[id]!.cursor = min(all[id]!.cursor, sequence.rawValue - 1)
        if parked.contains(id) { return }
        rotations[route, default: LaneRotation()].join(id)
        if totals[route, default: 0] == 0 { since[route] = now }
        totals[route, default: 0] += count
    }

    /// `count` events of the lane are ready no more: leased, or found to be waiting.
    mutating func unready(_ id: Int64, _ count: Int) {
        all[id]!.readyCount -= count
        precondition(
            self[id].readyCount >= 0, "lane \(id) counts \(self[id].readyCount) ready events")
        if !parked.contains(id) { totals[self[id].route, default: 0] -= count }
    }

    /// The lane was looked through up to `sequence`.
    mutating func advance(_ id: Int64, to sequence: EventSequence) {
        all[id]!.cursor = sequence.rawValue
    }

    /// Every ready event of the lane was looked at, from the first.
    mutating func rewind(_ id: Int64) {
        all[id]!.cursor = 0
    }

    /// Changes which lanes and operations give nothing.
    mutating func park(_ lanes: Set<Int64>, _ routes: Set<Route>, at now: Timestamp) {
        parkedRoutes = routes
        guard lanes != parked else { return }
        let freed = parked.subtracting(lanes)
        for id in lanes.subtracting(parked) {
            guard let lane = all[id] else { continue }
            totals[lane.route, default: 0] -= lane.readyCount
        }
        parked = lanes
        for id in freed {
            guard let lane = all[id], lane.readyCount > 0 else { continue }
            rotations[lane.route, default: LaneRotation()].join(id)
            if totals[lane.route, default: 0] == 0 { since[lane.route] = now }
            totals[lane.route, default: 0] += lane.readyCount
        }
    }

    // MARK: Whose turn it is

    /// When an operation's batch is due: now if it fills one, else when its oldest event has waited for
    /// company long enough; nil when nothing is ready.
    func due(_ route: Route, _ wish: LeaseWish) -> Timestamp? {
        let count = totals[route, default: 0]
        guard count > 0, !parkedRoutes.contains(route) else { return nil }
        let isFull = count >= (route.takesArray ? wish.eventsMax : 1)
        if isFull || wish.isProbe { return Timestamp(milliseconds: 0) }
        return since[route].map { $0 + wish.linger }
    }

    /// The operations in the order of their turns, the next one first.
    func routesInTurn() -> [Route] {
        let routes = Route.allCases
        return routes.indices.map { routes[(turn + $0) % routes.count] }
    }

    /// The operation has had its turn. Events that are left begin to wait for company anew.
    mutating func served(_ route: Route, at now: Timestamp) {
        // Safety: routes come from `allCases`.
        turn = Route.allCases.firstIndex(of: route)! + 1
        since[route] = now
    }

    /// The operation has had its turn without giving anything; its events have waited long enough.
    mutating func passed(_ route: Route) {
        // Safety: routes come from `allCases`.
        turn = Route.allCases.firstIndex(of: route)! + 1
    }

    /// The clock was set: batches that are filling wait as long as they would have.
    mutating func shift(by jump: Duration) {
        for route in since.keys { since[route] = since[route].map { $0 + jump } }
    }

    /// Takes the next lane of an operation that has something ready and is not parked.
    mutating func takeNext(_ route: Route) -> Int64? {
        while let id = rotations[route]?.takeNext() {
            if !parked.contains(id), self[id].readyCount > 0 { return id }
        }
        return nil
    }

    /// The lanes of a scope that have something ready, whose turn it is to be tried first.
    func inTurn(_ scope: ProbeScope) -> [Int64] {
        let lanes: [Lane] =
            switch scope {
            case .lanes(let ids): ids.compactMap { all[$0] }
            case .route(let route):
                all.values.filter { $0.route == route && !parked.contains($0.id) }
            case .everywhere:
                all.values.filter {
                    !parked.contains($0.id) && !parkedRoutes.contains($0.route)
                }
            }
        let ids = lanes.filter { $0.readyCount > 0 }.map(\.id).sorted()
        return ids.filter { $0 > triedLast } + ids.filter { $0 <= triedLast }
    }

    /// The lane gave an event to try with.
    mutating func tried(_ id: Int64) { triedLast = id }

    /// Puts a lane that still has something ready at the end of the turn.
    mutating func putBack(_ id: Int64) {
        if self[id].readyCount > 0 { rotations[self[id].route, default: LaneRotation()].join(id) }
    }
}

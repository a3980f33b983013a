internal import SpoolCore

/// What a delivery's verdict says about the destination, its operations and its lanes.
extension SenderMachine {
    mutating func judge(
        _ verdict: Verdict, _ open: OpenLease, places: [Int], _ outcome: UpstreamOutcome,
        _ request: OpenExchange
    ) {
        if verdict != .parked(.notAllowed), !verdict.isSilence { rights.allowed(at: now.instant) }
        if !verdict.isSilence {
            failingLanes.subtract(open.lanes)
            parks.release(.failing, lanes: open.lanes)
        }
        let stretch = request.stretch
        switch verdict {
        case .delivered, .accepted:
            succeeded(open, places: places, request)
        case .notApplied(let retryAfter):
            if !outcome.mayBeAboutEvents || !isOwnTrouble(open, places: places) {
                failed(sentIn: stretch, isDoubtful: false, retryAfter: retryAfter, outcome.pace)
            }
        case .tooLarge(let retryAfter):
            batchSize.tooLarge(open.bodyBytes(of: places), at: now.instant)
            if let retryAfter {
                failed(sentIn: stretch, isDoubtful: false, retryAfter: retryAfter, .busy)
            } else {
                answered(sentIn: stretch)
            }
        case .faulty(let named):
            refused(named.map { places[$0] }, of: open, sentIn: stretch)
        case .refused:
            let event = open.lease.events[places[0]]
            countDeath(of: event, by: open.lease.route)
            refused(places, of: open, sentIn: stretch)
        case .inDoubt(.refusedTogether):
            refused([], of: open, sentIn: stretch)
        case .causeMissing:
            answered(sentIn: stretch)
        case .inDoubt(.unusableAnswer):
            if willAsk(open.kind) {
                failed(sentIn: stretch, isDoubtful: true, retryAfter: nil, .failing)
            } else {
                park(.misconfigured, open, sentIn: stretch)
            }
        case .inDoubt(.failed), .inDoubt(.lost):
            if !isOwnTrouble(open, places: places) {
                failed(sentIn: stretch, isDoubtful: true, retryAfter: nil, .failing)
            }
        case .parked(let park):
            self.park(park, open, sentIn: stretch)
        }
    }

    private mutating func succeeded(_ open: OpenLease, places: [Int], _ request: OpenExchange) {
        health.succeeded(sentIn: request.stretch)
        troubled = []
        pacer.succeeded(after: now.instant - request.sentAt, underWay: sending)
        parks.release(open.lease.route, lanes: open.lanes)
        lanes.succeeded(open.lanes)
        answeredRoutes.insert(open.lease.route)
        calibrator.delivered(open, places: places, settings: settings, at: now.instant)
    }

    /// Upstream refused events, which says that it works. The lanes of those at `places` travel alone for
    /// a while; where none is named, a lane that was alone is meant.
    private mutating func refused(_ places: [Int], of open: OpenLease, sentIn stretch: Int) {
        answered(sentIn: stretch)
        var guilty = Set(places.map { open.lease.events[$0].lane })
        if guilty.isEmpty, open.lanes.count == 1 { guilty = open.lanes }
        for lane in guilty {
            lanes.refused(lane, until: now.instant + Limits.refusedLaneAlone)
        }
    }

    /// Upstream answered, which says that it works.
    private mutating func answered(sentIn stretch: Int, saying park: Park? = nil) {
        health.answered(sentIn: stretch, saying: park, at: now.instant, using: &generator)
    }

    /// The destination failed, or asked to be left alone.
    mutating func failed(
        sentIn stretch: Int, isDoubtful: Bool, isQuestion: Bool = false, retryAfter: Duration?,
        _ pace: Pacer.Failure
    ) {
        let isNews = health.failed(
            sentIn: stretch, isDoubtful: isDoubtful, isQuestion: isQuestion,
            retryAfter: retryAfter, at: now.instant, using: &generator)
        if isNews { pacer.failed(pace) }
    }

    /// Whether a request failed by its own trouble, since the others succeed: one event that has failed
    /// before backs off alone, and so does a lane whose request before has failed too. Where many events have
    /// such trouble and none succeeds, it is upstream's.
    private mutating func isOwnTrouble(_ open: OpenLease, places: [Int]) -> Bool {
        guard health.failures == 0 else { return false }
        let isAlone = places.count == 1 && open.lease.events[places[0]].attempts > 0
        guard open.lanes.count == 1, let lane = open.lanes.first else { return isAlone }
        let isRepeated = !failingLanes.insert(lane).inserted
        let parked = parks.entries[.lane(lane)]?.park
        // What was under way when the lane was parked says nothing new.
        if parked != nil ? open.isProbe : isRepeated && !isAlone {
            park(.lane(lane), of: open, because: parked ?? .failing)
        }
        // A lane rests while it is parked; events by themselves would try in turn.
        guard isAlone, parked == nil else { return isRepeated || parked != nil }
        troubled.insert(open.lease.events[places[0]].sequence)
        return troubled.count <= Self.troubledMax
    }

    /// Events in trouble without a success between: as many as are under way at a time by default.
    private static let troubledMax = Limits.inFlightMax

    private func willAsk(_ kind: EventKind) -> Bool {
        kind.isLog && settings.inDoubt == .ask && calibrator.result == .ask
    }

    // MARK: Parks

    private mutating func park(_ park: Park, _ open: OpenLease, sentIn stretch: Int) {
        let isForAll: Bool
        switch park {
        case .unauthorized:
            isForAll = true
        case .notAllowed:
            isForAll = deny(open)
        case .misconfigured:
            isForAll = answeredRoutes.isEmpty
            if !isForAll { self.park(.route(open.lease.route), of: open, because: park) }
        case .refusing, .failing, .deadLettersFull:
            isForAll = false
            for lane in open.lanes.sorted() { self.park(.lane(lane), of: open, because: park) }
        }
        if isForAll || health.park != nil { parkTrouble = trouble }
        if isForAll {
            health.park(park, sentIn: stretch, at: now.instant, using: &generator)
        } else {
            answered(sentIn: stretch, saying: park)
        }
    }

    /// Rights were denied. One lane is parked; several part first, so that each is asked by itself. Returns
    /// whether the whole destination is denied.
    private mutating func deny(_ open: OpenLease) -> Bool {
        rights.denied(open.lanes, at: now.instant)
        if open.lanes.count == 1, let lane = open.lanes.first {
            park(.lane(lane), of: open, because: .notAllowed)
        }
        return rights.areDeniedToAll(at: now.instant)
    }

    private mutating func park(_ scope: Parks.Scope, of open: OpenLease, because park: Park) {
        parks.park(
            scope, of: open.lease.route, because: park, saying: trouble, at: now.instant,
            using: &generator)
    }
}

extension Verdict {
    /// Whether it rests on no answer at all, which says nothing about rights.
    fileprivate var isSilence: Bool {
        switch self {
        case .notApplied, .inDoubt(.lost), .inDoubt(.failed): true
        default: false
        }
    }
}

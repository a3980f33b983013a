internal import SpoolCore

extension SenderMachine {
    /// What is known about the queue's readiness to give.
    struct Supply: Sendable {
        /// Wishes under way.
        private(set) var batchesAsked = 0
        private(set) var probesAsked = 0
        /// Nothing is asked before the earlier leases are known.
        var isRecalling = false
        /// The last answer was nothing, or a failure: ask again at ``againAt``, or when told to.
        private(set) var isDry = false
        private(set) var againAt: Instant?
        /// The last answer was a batch: there is probably one for every free slot.
        var flows = false

        var isAsked: Bool { batchesAsked + probesAsked > 0 }

        mutating func asked(_ purpose: LeasePurpose) {
            switch purpose {
            case .batch: batchesAsked += 1
            case .probe: probesAsked += 1
            }
        }

        mutating func answered(_ purpose: LeasePurpose) {
            switch purpose {
            case .batch: batchesAsked -= 1
            case .probe: probesAsked -= 1
            }
            precondition(
                batchesAsked >= 0 && probesAsked >= 0, "a lease came that nobody asked for")
        }

        mutating func refilled() {
            isDry = false
            againAt = nil
        }

        mutating func ranDry(until again: Instant?) {
            isDry = true
            againAt = again
            flows = false
        }

        /// A batch is due then, says the answer to a probe: the queue does not ring for what it has told.
        mutating func heard(of due: Instant) {
            if isDry { againAt = min(againAt ?? due, due) }
        }

        mutating func elapse(at now: Instant) {
            if let againAt, againAt <= now { refilled() }
        }
    }

    /// Asks for as many batches as may be sent.
    mutating func askForLeases() {
        supply.elapse(at: now.instant)
        guard !supply.isRecalling else { return }
        switch health.mode(at: now.instant) {
        case .closed:
            return
        case .one(let gently):
            guard !supply.isAsked, sending == 0, hasRoom else { return }
            if !supply.isDry {
                askForBatch(isProbe: gently)
            } else if health.park == nil {
                // Perhaps only what is parked has something left to try with.
                probeParks()
            }
        case .open:
            probeParks()
            while mayAskForBatch { askForBatch(isProbe: false) }
        }
    }

    /// Leases with a delivery under way, or about to be.
    var sending: Int { leases.values.count { $0.isDelivering } }

    /// Whether another lease may be open.
    var hasRoom: Bool {
        let inDoubt = leases.values.count { $0.isInDoubt }
        let others = leases.count - inDoubt + supply.batchesAsked + supply.probesAsked
        // Where no question is answered, a delivery has to show whether it is the questions' fault.
        let isStuck = calibrator.isOutOfPatience(at: now.instant) && others == 0
        let doubtsMax = isStuck ? SenderSettings.stuckDoubtsMax : SenderSettings.doubtsMax
        return others < settings.inFlight.upperBound && inDoubt < doubtsMax
    }

    private var mayAskForBatch: Bool {
        guard hasRoom, !supply.isDry else { return false }
        // Questions about doubts take slots too, but never the last one.
        let deliveries = sending + supply.batchesAsked
        guard deliveries == 0 || deliveries + questionsAboutDoubts < pacer.limit else {
            return false
        }
        return supply.batchesAsked == 0 || supply.flows
    }

    // MARK: Wishes

    private mutating func askForBatch(isProbe: Bool) {
        lanes.elapse(at: now.instant)
        batchSize.elapse(at: now.instant)
        // A destination that parked everything is tried through what is parked.
        let isParked = health.park != nil
        let wish = LeaseWish(
            eventsMax: isProbe ? 1 : settings.batchEventsMax, bytesMax: batchSize.bytes,
            linger: isProbe ? .zero : settings.batchLinger,
            parkedLanes: isParked ? [] : parks.lanes, parkedRoutes: isParked ? [] : parks.routes,
            lonelyLanes: Set(lanes.lonely.keys), probe: isProbe ? .everywhere : nil)
        ask(wish, .batch)
    }

    /// One event tries what is parked and due, one probe at a time.
    private mutating func probeParks() {
        guard hasRoom, supply.probesAsked == 0 else { return }
        guard !leases.values.contains(where: { $0.isProbe && $0.isDelivering }) else { return }
        guard let scope = parks.due(at: now.instant) else { return }
        var others = parks.lanes
        if case .route(let route) = scope { others.subtract(parks.lanes(of: route)) }
        let wish = LeaseWish(
            eventsMax: 1, bytesMax: batchSize.bytes, linger: .zero, parkedLanes: others,
            parkedRoutes: parks.routes, probe: scope)
        ask(wish, .probe(scope))
    }

    private mutating func ask(_ wish: LeaseWish, _ purpose: LeasePurpose) {
        var wish = wish
        noteFreed()
        wish.freed = freed
        freed = []
        supply.asked(purpose)
        actions.append(.lease(wish, purpose))
    }

    /// Notes what has been parked and is no more.
    private mutating func noteFreed() {
        let parked = Set(parks.entries.keys)
        if wasParked, health.park == nil { freed = [.everywhere] }
        for scope in parkedBefore.subtracting(parked) where freed != [.everywhere] {
            switch scope {
            case .lane(let lane): freed.append(.lanes([lane]))
            case .route(let route): freed.append(.route(route))
            }
        }
        parkedBefore = parked
        wasParked = health.park != nil
    }

    // MARK: Answers

    /// The queue answered a wish.
    mutating func leased(_ answer: LeaseAnswer, _ purpose: LeasePurpose) {
        supply.answered(purpose)
        switch (answer, purpose) {
        case (.batch(let lease), .batch):
            supply.flows = true
            take(lease, isProbe: false)
        case (.batch(let lease), .probe(let scope)):
            parks.tried(scope, lane: lease.events.first?.lane, at: now.instant, using: &generator)
            // To what else has come, the queue takes it that whoever was given something asks again.
            supply.refilled()
            take(lease, isProbe: true)
        case (.nothing(let due), .probe(let scope)):
            // What waits for a time is looked for then. Work that arrives cuts the wait short.
            let dueAt = due.map { now.instant + waitUntil($0) }
            parks.tried(
                scope, lane: nil, at: now.instant,
                emptyUntil: dueAt ?? now.instant + Limits.backoffMax, using: &generator)
            if let dueAt { supply.heard(of: dueAt) }
        case (.failing, .probe(let scope)):
            freed = [.everywhere]
            parks.tried(scope, lane: nil, at: now.instant, using: &generator)
        case (.nothing(let due), .batch):
            supply.ranDry(until: due.map { now.instant + waitUntil($0) })
        case (.failing, .batch):
            freed = [.everywhere]
            supply.ranDry(until: now.instant + Limits.backoffBase)
        }
    }

    /// How long until the wall clock shows `due`; asked again after a minute in any case, because that
    /// clock may be set.
    private func waitUntil(_ due: Timestamp) -> Duration {
        min(max(due - now.wall, .milliseconds(1)), Limits.backoffMax)
    }

    private mutating func take(_ lease: Lease, isProbe: Bool) {
        precondition(!lease.events.isEmpty, "lease \(lease.id) has no events")
        precondition(leases[lease.id] == nil, "lease \(lease.id) was handed out twice")
        let open = OpenLease(lease, phase: .resolving(.init(of: lease.id)), isProbe: isProbe)
        leases[lease.id] = open
        // A probe goes through what is parked on purpose.
        if isProbe || health.park != nil { return }
        if parks.holdBack(lease.route, lanes: open.lanes) { giveBackUnsent(open) }
    }

    /// Sends open events of a lease, with the ids of logs that they name by reference; `rest` is the
    /// doubt about its others.
    mutating func send(
        _ id: Int64, places: [Int], ids: [ExactName: String] = [:], rest: OpenLease.Doubt? = nil
    ) {
        guard let lease = leases[id]?.lease else { preconditionFailure("no lease \(id) to send") }
        leases[id]?.phase = .sending(rest: rest)
        let request = RequestEncoder.request(
            for: lease, places: places, ids: ids, timeout: settings.answerTimeout)
        exchange(request, for: .delivery(lease: id, places: places))
    }
}

internal import SpoolCore

extension SenderMachine {
    /// What is known about the queue's readiness to give.
    struct Supply: Sendable {
        /// Wishes under way.
        private(set) var batchesAsked = 0
        private(set) var lanesAsked = 0
        /// Nothing is asked before the earlier leases are known.
        var isRecalling = false
        /// The last answer was nothing, or a failure: ask again at ``againAt``, or when told to.
        private(set) var isDry = false
        private(set) var againAt: Instant?
        /// The last answer was a batch: there is probably one for every free slot.
        var flows = false

        var isAsked: Bool { batchesAsked + lanesAsked > 0 }

        mutating func asked(_ purpose: LeasePurpose) {
            switch purpose {
            case .batch: batchesAsked += 1
            case .parkedLanes: lanesAsked += 1
            }
        }

        mutating func answered(_ purpose: LeasePurpose) {
            switch purpose {
            case .batch: batchesAsked -= 1
            case .parkedLanes: lanesAsked -= 1
            }
            precondition(batchesAsked >= 0 && lanesAsked >= 0, "a lease came that nobody asked for")
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
            if supply.isDry {
                // Perhaps only parked lanes have something left to try with.
                probeLanes()
            } else {
                // A destination that parked all its lanes is tried through them.
                ask(.batch, isProbe: gently, without: health.park == nil ? parks.lanes : [])
            }
        case .open:
            probeLanes()
            while mayAskForBatch { ask(.batch, isProbe: false, without: parks.lanes) }
        }
    }

    /// Leases with a delivery under way, or about to be.
    var sending: Int { leases.values.count { $0.isDelivering } }

    private var hasRoom: Bool {
        leases.count + supply.batchesAsked + supply.lanesAsked < settings.inFlight.upperBound
    }

    private var mayAskForBatch: Bool {
        guard hasRoom, !supply.isDry, sending + supply.batchesAsked < pacer.limit else {
            return false
        }
        return supply.batchesAsked == 0 || supply.flows
    }

    private mutating func probeLanes() {
        guard hasRoom, supply.lanesAsked == 0 else { return }
        guard let others = parks.takeProbe(at: now.instant, using: &generator) else { return }
        ask(.parkedLanes, isProbe: true, without: others)
    }

    private mutating func ask(_ purpose: LeasePurpose, isProbe: Bool, without lanes: Set<Int64>) {
        supply.asked(purpose)
        let wish = LeaseWish(
            eventsMax: isProbe ? 1 : settings.batchEventsMax, bytesMax: settings.batchBytesMax,
            linger: isProbe ? .zero : settings.batchLinger, parkedLanes: lanes, isProbe: isProbe)
        actions.append(.lease(wish, purpose))
    }

    /// The queue answered a wish.
    mutating func leased(_ answer: LeaseAnswer, _ purpose: LeasePurpose) {
        supply.answered(purpose)
        switch (answer, purpose) {
        case (.batch(let lease), _):
            if purpose == .batch { supply.flows = true }
            take(lease, purpose)
        case (.nothing, .parkedLanes), (.failing, .parkedLanes):
            break
        case (.nothing(let due), .batch):
            supply.ranDry(until: due.map { now.instant + waitUntil($0) })
        case (.failing, .batch):
            supply.ranDry(until: now.instant + Limits.backoffBase)
        }
    }

    /// How long until the wall clock shows `due`; asked again after a minute in any case, because that
    /// clock may be set.
    private func waitUntil(_ due: Timestamp) -> Duration {
        min(max(due - now.wall, .milliseconds(1)), Limits.backoffMax)
    }

    private mutating func take(_ lease: Lease, _ purpose: LeasePurpose) {
        precondition(!lease.events.isEmpty, "lease \(lease.id) has no events")
        precondition(leases[lease.id] == nil, "lease \(lease.id) was handed out twice")
        let open = OpenLease(lease, phase: .resolving(.init(of: lease.id)))
        leases[lease.id] = open
        // A probe goes through the parked lanes on purpose.
        let isProbe = purpose == .parkedLanes || health.park != nil
        if !isProbe, parks.holdsBack(lease.route, lanes: open.lanes) { giveBackUnsent(open) }
    }

    /// Sends open events of a lease, with the ids of logs that they name by reference; `rest` is the
    /// doubt about its others.
    mutating func send(
        _ id: Int64, places: [Int], ids: [String: String] = [:], rest: OpenLease.Doubt? = nil
    ) {
        guard let lease = leases[id]?.lease else { preconditionFailure("no lease \(id) to send") }
        leases[id]?.phase = .sending(rest: rest)
        let request = RequestEncoder.request(
            for: lease, places: places, ids: ids, timeout: settings.answerTimeout)
        exchange(request, for: .delivery(lease: id, places: places))
    }
}

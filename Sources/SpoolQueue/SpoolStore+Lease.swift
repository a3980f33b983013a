internal import SpoolCore
internal import SpoolSQLite

/// Leasing: ready events become a batch, written down before its request is.
///
/// A crash after the commit leaves the lease's row: the next start finds its events in doubt.
extension SpoolStore {
    func lease(_ wish: LeaseWish) throws -> LeaseAnswer {
        let now = clock()
        self.wish = wish
        // Something may have come since, in the same transaction.
        walks.cleared.removeAll()
        lanes.park(wish.parkedLanes, wish.parkedRoutes, at: now)
        try setFree(wish.freed, at: now)
        try wakeDue(at: now)
        // A sender that was given a batch asks again by itself: until then there is no news for it.
        announced = Timestamp(milliseconds: 0)
        if wish.isProbe { lanes.hasParkedNews = false }
        if let lease = try wish.probe.map({ try leaseOne($0, wish, at: now) })
            ?? leaseBatch(wish, at: now)
        {
            return .batch(lease)
        }
        announced = [nextDue(), try nextTimed()].compactMap { $0 }.min()
        return .nothing(due: announced)
    }

    /// The next batch that is due.
    private func leaseBatch(_ wish: LeaseWish, at now: Timestamp) throws -> Lease? {
        // Groups are older. But there may be many of them, so they take turns with what was never leased.
        let isGroupsTurn = !groupHadTurn
        if isGroupsTurn, let lease = try leaseGroup() { return lease }
        if let lease = try leaseFresh(wish, at: now) {
            groupHadTurn = false
            return lease
        }
        return isGroupsTurn ? nil : try leaseGroup()
    }

    private func leaseGroup() throws -> Lease? {
        let lease = try leaseRegrouped()
        groupHadTurn = lease != nil
        return lease
    }

    private func leaseFresh(_ wish: LeaseWish, at now: Timestamp) throws -> Lease? {
        for route in lanes.routesInTurn() {
            guard let due = lanes.due(route, wish), due <= now else { continue }
            let fill = try fill(route, wish, at: now)
            guard !fill.events.isEmpty else {
                // Another operation's events are the next to be walked for.
                if fill.isSpent { lanes.passed(route) }
                continue
            }
            lanes.served(route, at: now)
            return try write(fill, route)
        }
        return nil
    }

    /// One event of a scope, of the lane whose turn it is; else the next group that lies in it.
    private func leaseOne(
        _ scope: ProbeScope, _ wish: LeaseWish, at now: Timestamp
    ) throws -> Lease? {
        for lane in lanes.inTurn(scope).prefix(Self.lanesTriedMax) {
            var fill = Fill()
            _ = try take(from: lane, into: &fill, wish, at: now)
            guard !fill.events.isEmpty else { continue }
            lanes.tried(lane)
            return try write(fill, lanes[lane].route)
        }
        return try leaseRegrouped { lane in
            switch scope {
            case .everywhere: self.isOpen(lane)
            case .lanes(let lanes): lanes.contains(lane)
            case .route(let route):
                self.lanes[lane].route == route && !self.lanes.parked.contains(lane)
            }
        }
    }

    /// Lanes that one probe looks through at most.
    private static let lanesTriedMax = 64

    func isOpen(_ lane: Int64) -> Bool {
        !lanes.parked.contains(lane) && !lanes.parkedRoutes.contains(lanes[lane].route)
    }

    // MARK: Filling a batch

    private struct Fill {
        var bytes: [UInt8] = []
        var events: [LeasedEvent] = []
        var held: [HeldEvent] = []
        /// Feedback in the batch: items on one log may share it.
        var feedback: Set<EventSequence> = []
        /// It holds an event that was refused alone before, and so travels alone.
        var isAlone = false
        /// Events that were looked at and cannot go yet.
        var misses = 0
        /// The transaction has walked through as many ancestors as it may: the next one goes on.
        var isSpent = false

        func isFull(_ wish: LeaseWish, _ route: Route) -> Bool {
            if misses >= Limits.rowsPerStepMax || isAlone || isSpent { return true }
            let eventsMax = route.takesArray && !wish.isProbe ? wish.eventsMax : 1
            return events.count >= eventsMax || bytes.count >= wish.bytesMax
        }
    }

    /// Why a look through a lane ended.
    private enum LaneEnd {
        /// It gave its share, or the batch is full.
        case share
        /// Its next event cannot join this batch.
        case misfit
        /// It was looked through to its end; what it has now was woken by the look.
        case empty
    }

    private func fill(_ route: Route, _ wish: LeaseWish, at now: Timestamp) throws -> Fill {
        var fill = Fill()
        var served: [Int64] = []
        var isLonely = false
        while !isLonely, !fill.isFull(wish, route), let lane = lanes.takeNext(route) {
            isLonely = wish.lonelyLanes.contains(lane)
            if isLonely, !fill.events.isEmpty {
                isLonely = false
                served.append(lane)
                continue
            }
            var end = try take(from: lane, into: &fill, wish, at: now)
            while isLonely, end == .share, !fill.isFull(wish, route) {
                end = try take(from: lane, into: &fill, wish, at: now)
            }
            if isLonely, fill.events.isEmpty { isLonely = false }
            if end == .misfit { served.append(lane) } else { lanes.putBack(lane) }
        }
        for lane in served { lanes.putBack(lane) }
        fill.events.sort { $0.sequence < $1.sequence }
        return fill
    }

    /// Moves up to a share of a lane's ready events into the batch.
    private func take(
        from lane: Int64, into fill: inout Fill, _ wish: LeaseWish, at now: Timestamp
    ) throws -> LaneEnd {
        let route = lanes[lane].route
        let shareEnd = fill.bytes.count + Self.shareBytes
        var findings: [Finding] = []
        var end = LaneEnd.empty
        let ready = statements.readyEvents
        ready.bind(1, lane)
        let start = lanes[lane].cursor
        ready.bind(2, start)
        var last = EventSequence(rawValue: start)
        while try ready.step() {
            let sequence = EventSequence(rawValue: ready.integer(0))
            if leased.contains(sequence.rawValue) {
                last = sequence
                continue
            }
            if fill.isFull(wish, route) || fill.bytes.count >= shareEnd {
                end = .share
                break
            }
            let row = try EventRow(ready, column: 1, sequence: sequence, lane: lane)
            let standing = try DependencyOrder.standing(
                of: row.causalFacts, at: now, batch: fill.feedback, in: self)
            guard case .ready(let namesUnknownLog) = standing, !isAmbiguous(row) else {
                findings.append(Finding(row: row, standing: standing))
                fill.misses += 1
                last = sequence
                continue
            }
            let fits = try add(ready, row, namesUnknownLog: namesUnknownLog, to: &fill, wish)
            if !fits {
                end = .misfit
                break
            }
            last = sequence
        }
        ready.reset()
        lanes.advance(lane, to: last)
        let unseen = end == .empty ? lanes[lane].readyCount - findings.count : 0
        if let untold = try apply(findings, at: now) {
            lanes.advance(lane, to: EventSequence(rawValue: untold.rawValue - 1))
            fill.isSpent = true
        }
        if unseen > 0 {
            // They lie before the place where this look began; after a whole look there can be none.
            assert(start > 0, "lane \(lane) counts \(unseen) ready events too many")
            if start > 0 { lanes.rewind(lane) } else { lanes.unready(lane, unseen) }
        }
        return end
    }

    /// Adds a ready row to the batch; false when it must travel in other company.
    private func add(
        _ statement: Statement, _ row: EventRow, namesUnknownLog: Bool, to fill: inout Fill,
        _ wish: LeaseWish
    ) throws -> Bool {
        if let first = fill.events.first, first.namesUnknownLog != namesUnknownLog { return false }
        let bodyBytes = statement.blob(8) { $0.count }
        if !fill.events.isEmpty {
            if row.attempts > 0 || fill.bytes.count + bodyBytes > wish.bytesMax { return false }
        }
        fill.isAlone = row.attempts > 0
        let event = try leasedEvent(
            statement, column: 8, row, namesUnknownLog: namesUnknownLog, bytes: &fill.bytes)
        fill.events.append(event)
        fill.held.append(row.held(bodyBytes: bodyBytes))
        if row.kind == .feedback { fill.feedback.insert(row.sequence) }
        leased.insert(row.sequence.rawValue)
        lanes.unready(row.lane, 1)
        return true
    }

    /// Copies a row's body behind `bytes`, provisional ids and references swapped as far as known.
    func leasedEvent(
        _ statement: Statement, column: Int32, _ row: EventRow, namesUnknownLog: Bool,
        bytes: inout [UInt8]
    ) throws -> LeasedEvent {
        let start = bytes.count
        let holdsID = row.flags & EventFlag.holdsProvisionalID != 0
        var unresolved: String?
        if row.flags & EventFlag.namesLogByReference != 0 {
            unresolved = try statement.blob(column) { body in
                try appendResolving(body, row, to: &bytes)
            }
        } else if holdsID {
            try statement.blob(column) { try swap($0, row.kind, into: &bytes) }
        } else {
            statement.blob(column) { bytes.append(contentsOf: $0) }
        }
        return LeasedEvent(
            sequence: row.sequence, kind: row.kind, lane: row.lane, body: start..<bytes.count,
            address: holdsID ? try row.address.map { try swapped($0) } : row.address,
            acceptedAt: row.acceptedAt, attempts: row.attempts, isAskable: try isAskable(row),
            namesUnknownLog: namesUnknownLog, unresolvedReference: unresolved)
    }

    /// Copies a body that names its log by reference, with the id in its place where one log of that name
    /// is known. Else the body stays as it is, and the reference is returned.
    private func appendResolving(
        _ body: UnsafeRawBufferPointer, _ row: EventRow, to bytes: inout [UInt8]
    ) throws -> String? {
        if let log = row.reference.flatMap(recent.youngest),
            let id = try identityEntry(of: log.sequence)?.id
        {
            ReferenceSwap.append(body, kind: row.kind, id: id, to: &bytes)
            return nil
        }
        bytes.append(contentsOf: body)
        return LogFacts(body)?.referenceID
    }

    /// Whether a question by reference can only find this log: the reference is the daemon's own, or no
    /// other log with it was accepted, as far as is remembered.
    private func isAskable(_ row: EventRow) throws -> Bool {
        guard row.kind.isLog, let key = row.reference else { return false }
        if row.flags & EventFlag.referenceIsMinted != 0 { return true }
        return try !hasNamesake(key)
    }

    // MARK: What cannot go yet

    private struct Finding {
        let row: EventRow
        let standing: DependencyOrder.Standing
    }

    /// Writes down what the look through a lane found, after its statement was reset: an update under a
    /// running select on the same rows has no defined order (sqlite.org/isolation.html). Who waits is noted
    /// first, so that whoever leaves wakes them. Returns the first event of which it cannot be told in this
    /// transaction whether it waits for itself: such events stay ready.
    private func apply(_ findings: [Finding], at now: Timestamp) throws -> EventSequence? {
        var circles: [EventRow] = []
        var untold: EventSequence?
        for finding in findings {
            switch finding.standing {
            case .waits(let key):
                switch try isOwnAncestor(finding.row) {
                case true?: circles.append(finding.row)
                case nil:
                    untold = untold ?? finding.row.sequence
                    continue
                case false?:
                    statements.holdForName.bind(1, key.rawValue)
                    statements.holdForName.bind(2, finding.row.sequence.rawValue)
                    try statements.holdForName.run()
                    waitingCount += 1
                }
            case .waitsForUnknown(let key, let until):
                try hold(finding.row.sequence, waitingFor: key, until: until)
                waitingCount += 1
            case .ready, .causeIsDead, .causeIsDeleted: break
            }
            lanes.unready(finding.row.lane, 1)
        }
        for row in circles { try condemn(row, .causeCycle, at: now) }
        for finding in findings {
            switch finding.standing {
            case .ready: try condemn(finding.row, .referenceAmbiguous, at: now)
            case .causeIsDeleted:
                let event = finding.row.held(bodyBytes: finding.row.bodyBytes)
                try discard(event, try discardReason(of: finding.row))
            case .causeIsDead:
                let cause = try finding.row.causes.lazy.compactMap(deadCause).first
                let words = cause.map { "it names \(identity.id(.log, $0)), which is dead" }
                try condemn(finding.row, .causeDead, words: words ?? "", at: now)
            case .waits, .waitsForUnknown: break
            }
        }
        return untold
    }

    /// Buries an event that is not to be sent; while there is no room, it is looked at again and again.
    private func condemn(
        _ row: EventRow, _ reason: DeadLetterReason, words: String = "", at now: Timestamp
    ) throws {
        let event = row.held(bodyBytes: row.bodyBytes)
        if try bury(event, reason: reason, words: words, at: now) { return }
        try hold(row.sequence, waitingFor: nil, until: now + Limits.backoffMax)
    }

    private func hold(
        _ sequence: EventSequence, waitingFor key: ReferenceKey?, until: Timestamp
    ) throws {
        statements.holdForTime.bind(1, key?.rawValue)
        statements.holdForTime.bind(2, until.milliseconds)
        statements.holdForTime.bind(3, sequence.rawValue)
        try statements.holdForTime.run()
    }

    private func isAmbiguous(_ row: EventRow) -> Bool {
        guard row.flags & EventFlag.namesLogByReference != 0, let key = row.reference else {
            return false
        }
        guard let youngest = recent.youngest(of: key) else { return false }
        return recent.entries(of: key).contains { $0.id != youngest.id }
    }

    // MARK: Writing the lease

    private func write(_ fill: Fill, _ route: Route) throws -> Lease {
        let sequences = fill.events.map(\.sequence)
        let id = try insertLease(route, sequences, isBegun: true)
        let held = fill.held.sorted { $0.sequence < $1.sequence }
        leases[id] = OpenLease(id: id, route: route, events: held, isRegrouped: false)
        return Lease(
            id: id, route: route, bytes: fill.bytes, events: fill.events, isRegrouped: false)
    }

    func insertLease(
        _ route: Route, _ sequences: [EventSequence], isBegun: Bool
    ) throws -> Int64 {
        let insert = statements.insertLease
        insert.bind(1, destination)
        insert.bind(2, Int64(route.rawValue))
        insert.bind(3, isBegun ? 1 : 0)
        insert.bind(4, SequenceList.encode(sequences))
        try insert.run()
        return connection.lastRowID
    }

    /// Bytes a lane gives before the next one's turn.
    private static let shareBytes = 64 << 10
}

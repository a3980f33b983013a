internal import SpoolCore
internal import SpoolSQLite

/// Leasing: ready events become a batch, written down before its request is.
///
/// A crash after the commit leaves the lease's row: the next start finds its events in doubt.
extension SpoolStore {
    func lease(_ wish: LeaseWish) throws -> LeaseAnswer {
        let now = clock()
        self.wish = wish
        lanes.park(wish.parkedLanes, at: now)
        try wakeDue(at: now)
        // A sender that was given a batch asks again by itself: until then there is no news for it.
        announced = Timestamp(milliseconds: 0)
        // A probe gives every lane its turn; otherwise groups go first, because they are older.
        if !wish.isProbe, let lease = try leaseRegrouped() { return .batch(lease) }
        for route in lanes.routesInTurn() {
            guard let due = lanes.due(route, wish), due <= now else { continue }
            let fill = try fill(route, wish, at: now)
            guard !fill.events.isEmpty else { continue }
            lanes.served(route, at: now)
            return .batch(try write(fill, route))
        }
        if wish.isProbe, let lease = try leaseRegrouped() { return .batch(lease) }
        announced = [nextDue(), try nextTimed()].compactMap { $0 }.min()
        return .nothing(due: announced)
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

        func isFull(_ wish: LeaseWish, _ route: Route) -> Bool {
            if misses >= Limits.rowsPerStepMax || isAlone { return true }
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
        while !fill.isFull(wish, route), let lane = lanes.takeNext(route) {
            switch try take(from: lane, into: &fill, wish, at: now) {
            case .share, .empty: lanes.putBack(lane)
            case .misfit: served.append(lane)
            }
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
            let row = EventRow(ready, column: 1, sequence: sequence, lane: lane)
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
        try apply(findings, at: now)
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
    private func leasedEvent(
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
            acceptedAt: row.acceptedAt, attempts: row.attempts, isAskable: isAskable(row),
            namesUnknownLog: namesUnknownLog, unresolvedReference: unresolved)
    }

    /// Copies a body that names its log by reference, with the id in its place where one log of that name
    /// is known. Else the body stays as it is, and the reference is returned.
    private func appendResolving(
        _ body: UnsafeRawBufferPointer, _ row: EventRow, to bytes: inout [UInt8]
    ) throws -> String? {
        let known = row.reference.map { recent.entries(of: $0) } ?? []
        if let log = known.first, let id = try identityEntry(of: log.sequence)?.id {
            ReferenceSwap.append(body, kind: row.kind, id: id, to: &bytes)
            return nil
        }
        bytes.append(contentsOf: body)
        return LogFacts(body)?.referenceID
    }

    /// Whether a question by reference can only find this log: the reference is the daemon's own, or no
    /// other log with it was accepted, as far as is remembered.
    private func isAskable(_ row: EventRow) -> Bool {
        guard row.kind.isLog, let key = row.reference else { return false }
        if row.flags & EventFlag.referenceIsMinted != 0 { return true }
        return references.count(of: key) == 1 && !recent.contains(key)
    }

    // MARK: What cannot go yet

    private struct Finding {
        let row: EventRow
        let standing: DependencyOrder.Standing
    }

    /// Writes down what the look through a lane found, after its statement was reset: an update under a
    /// running select on the same rows has no defined order (sqlite.org/isolation.html).
    private func apply(_ findings: [Finding], at now: Timestamp) throws {
        for finding in findings {
            let sequence = finding.row.sequence
            lanes.unready(finding.row.lane, 1)
            switch finding.standing {
            case .ready:
                try bury(
                    finding.row.held(bodyBytes: finding.row.bodyBytes), reason: .referenceAmbiguous,
                    status: nil, words: "", at: now)
            case .waits(let key):
                if try isOwnAncestor(finding.row, waitingFor: key) {
                    try bury(
                        finding.row.held(bodyBytes: finding.row.bodyBytes), reason: .causeCycle,
                        status: nil, words: "", at: now)
                    continue
                }
                statements.holdForName.bind(1, key.rawValue)
                statements.holdForName.bind(2, sequence.rawValue)
                try statements.holdForName.run()
                waitingCount += 1
            case .waitsForUnknown(let key, let until):
                statements.holdForTime.bind(1, key.rawValue)
                statements.holdForTime.bind(2, until.milliseconds)
                statements.holdForTime.bind(3, sequence.rawValue)
                try statements.holdForTime.run()
                waitingCount += 1
            case .causeIsDeleted:
                try discard(finding.row.held(bodyBytes: finding.row.bodyBytes))
            case .causeIsDead:
                try bury(
                    finding.row.held(bodyBytes: finding.row.bodyBytes), reason: .causeDead,
                    status: nil,
                    words: "", at: now)
            }
        }
    }

    private func isAmbiguous(_ row: EventRow) -> Bool {
        guard row.flags & EventFlag.namesLogByReference != 0, let key = row.reference else {
            return false
        }
        return recent.entries(of: key).count > 1
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

    /// Begins the next lease that travels in company fixed earlier, whose lanes are not parked.
    private func leaseRegrouped() throws -> Lease? {
        let place = regrouped.firstIndex { id in
            // Safety: every id of `regrouped` is a key of `leases`.
            leases[id]!.events.allSatisfy { !lanes.parked.contains($0.lane) }
        }
        guard let place else { return nil }
        let id = regrouped.remove(at: place)
        statements.beginLease.bind(1, id)
        try statements.beginLease.run()
        return try lease(rebuilding: id)
    }

    /// The lease with its bodies, read from its events' rows.
    func lease(rebuilding id: Int64) throws -> Lease {
        // Safety: callers name leases they have just found in the table.
        let open = leases[id]!
        var bytes: [UInt8] = []
        var events: [LeasedEvent] = []
        for held in open.events {
            let body = statements.eventBody
            body.bind(1, held.sequence.rawValue)
            guard try body.step() else {
                throw QueueError.damaged(
                    connection.path,
                    "lease \(id) names event \(held.sequence.rawValue), which is gone")
            }
            defer { body.reset() }
            let row = EventRow(body, column: 1, sequence: held.sequence, lane: held.lane)
            events.append(
                try leasedEvent(
                    body, column: 8, row, namesUnknownLog: try namesUnknownLog(row), bytes: &bytes))
        }
        return Lease(
            id: id, route: open.route, bytes: bytes, events: events, isRegrouped: open.isRegrouped)
    }

    /// Whether an event that was leased before names a log nobody here has heard of.
    private func namesUnknownLog(_ row: EventRow) throws -> Bool {
        let standing = try DependencyOrder.standing(
            of: row.causalFacts, at: Timestamp(milliseconds: .max / 2), batch: [], in: self)
        return standing == .ready(namesUnknownLog: true)
    }

    /// Bytes a lane gives before the next one's turn.
    private static let shareBytes = 64 << 10
}

/// A row of `event`, without its body.
struct EventRow {
    let sequence: EventSequence
    let lane: Int64
    let kind: EventKind
    let reference: ReferenceKey?
    let flags: Int64
    let attempts: Int
    let acceptedAt: Timestamp
    let causes: [Cause]
    let address: String?
    let digest: Digest?
    let bodyBytes: Int

    /// Reads kind, reference, flags, attempts, accepted_at, causes, address, body and digest from
    /// `column` on.
    init(_ row: Statement, column: Int32, sequence: EventSequence, lane: Int64) {
        guard let kind = EventKind(rawValue: Int(row.integer(column))) else {
            preconditionFailure("event \(sequence.rawValue) has no known kind")
        }
        self.sequence = sequence
        self.lane = lane
        self.kind = kind
        reference = row.optionalInteger(column + 1).map(ReferenceKey.init(rawValue:))
        flags = row.integer(column + 2)
        attempts = Int(row.integer(column + 3))
        acceptedAt = Timestamp(milliseconds: row.integer(column + 4))
        causes = row.isNull(column + 5) ? [] : row.blob(column + 5, CauseList.decode)
        address = row.optionalText(column + 6)
        bodyBytes = row.blob(column + 7) { $0.count }
        digest = row.blob(column + 8) { Digest($0) }
    }

    var causalFacts: CausalFacts {
        CausalFacts(
            sequence: sequence, kind: kind, reference: reference, causes: causes,
            acceptedAt: acceptedAt)
    }

    func held(bodyBytes: Int) -> HeldEvent {
        HeldEvent(
            sequence: sequence, lane: lane, kind: kind, reference: reference, flags: flags,
            digest: digest, bodyBytes: bodyBytes)
    }
}

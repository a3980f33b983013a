public import SpoolCore
internal import SpoolSQLite

/// The state of the spool in numbers; the ledger's terms are explained in `docs/guarantees.md`.
public struct QueueReport: Sendable {
    /// Every event once, at its commit.
    public var accepted: Int64 = 0
    /// Ready or waiting.
    public var queued: Int64 = 0
    /// In flight or in doubt.
    public var inFlight: Int64 = 0
    /// Upstream has it.
    public var delivered: Int64 = 0
    /// Kept with a reason, not tried again.
    public var dead: Int64 = 0
    /// Given up by a policy or command of the operator.
    public var discarded: Int64 = 0
    /// Of the queued, those that wait for a log.
    public var waiting: Int64 = 0
    /// Body bytes in the queue.
    public var payloadBytes: Int64 = 0
    /// What counts towards the spool's limit, and that limit.
    public var usedBytes: Int64 = 0
    /// Beyond it nothing is accepted.
    public var usedBytesMax: Int64 = 0
    /// What counts towards the limit of dead letters, and that limit.
    public var deadBytes: Int64 = 0
    /// Beyond it nothing dies.
    public var deadBytesMax: Int64 = 0
    /// Whether the file system has less free than its reserve, so that nothing is accepted.
    public var isDiskFull = false
    /// What the file system has free, if that can be known, and that reserve.
    public var freeDiskBytes: Int64?
    /// Below it nothing is accepted.
    public var freeDiskBytesMin: Int64 = 0
    /// Items kept of input that could not be understood.
    public var malformedCount: Int64 = 0
    /// What they cost: bytes kept, and ``Limits/eventOverheadBytes`` for each.
    public var malformedBytes: Int64 = 0
    /// When the oldest event in the queue was accepted.
    public var oldestAcceptedAt: Timestamp?
    /// Counts that are no part of the balance.
    public var counters: [String: Int64] = [:]
    /// The youngest dead letters, at most five, without their bodies.
    public var lastDead: [DeadLetter] = []
    /// What the lanes are that were asked about.
    public var lanes: [Int64: LaneFacts] = [:]
    /// Of the queued, those of each operation.
    public var routes: [Route: Int] = [:]

    /// A lane as an operator knows it.
    public struct LaneFacts: Sendable, Equatable {
        /// Its operation.
        public let route: Route
        /// Its project as its caller named it; the caller, where it named none.
        public let project: String
        /// Its events that are queued, whatever they wait for.
        public let queuedCount: Int
    }
}

/// Why the queue's numbers cannot be read now.
public struct QueueUnreadable: Error, Sendable, Equatable, CustomStringConvertible {
    /// The reason, in words for an operator.
    public let description: String
}

/// What an operator asks.
extension SpoolStore {
    /// The state of the spool in numbers.
    func report(about lanes: Set<Int64> = []) throws -> QueueReport {
        var report = QueueReport()
        let waiting = regrouped.reduce(0) { $0 + (leases[$1]?.events.count ?? 0) }
        report.accepted = ledger.accepted
        report.inFlight = Int64(leased.count - waiting)
        report.queued = ledger.held - report.inFlight
        report.delivered = ledger.delivered
        report.dead = ledger.dead
        report.discarded = ledger.discarded
        report.payloadBytes = ledger.payloadBytes
        report.usedBytes = usedBytes
        report.usedBytesMax = settings.bytesMax
        report.deadBytes = ledger.deadBytes
        report.deadBytesMax = settings.deadBytesMax
        report.isDiskFull = !hasRoomOnDisk(at: clock())
        report.freeDiskBytes = settings.freeDiskBytes()
        report.freeDiskBytesMin = settings.freeDiskBytesMin
        report.malformedCount = Int64(malformedCount)
        report.malformedBytes = malformedBytes
        report.waiting = Int64(waitingCount)
        report.oldestAcceptedAt = try connection.integer(
            "SELECT accepted_at FROM event ORDER BY sequence LIMIT 1"
        ).map(Timestamp.init(milliseconds:))
        let counters = try connection.prepare("SELECT name, value FROM counter")
        while try counters.step() { report.counters[counters.text(0)] = counters.integer(1) }
        let dead = try connection.prepare(
            "SELECT sequence FROM dead ORDER BY sequence DESC LIMIT 5")
        while try dead.step() {
            let sequence = EventSequence(rawValue: dead.integer(0))
            if let letter = try deadLetter(sequence, withBody: false) {
                report.lastDead.append(letter)
            }
        }
        let underWay = underWayByLane
        for (id, lane) in self.lanes.all {
            report.routes[lane.route, default: 0] += lane.heldCount - underWay[id, default: 0]
        }
        for id in lanes {
            report.lanes[id] = try facts(ofLane: id, underWay: underWay[id, default: 0])
        }
        return report
    }

    /// Events in flight or in doubt, by lane.
    private var underWayByLane: [Int64: Int] {
        let waiting = Set(regrouped)
        var counts: [Int64: Int] = [:]
        for (id, lease) in leases where !waiting.contains(id) {
            for event in lease.events { counts[event.lane, default: 0] += 1 }
        }
        return counts
    }

    private func facts(ofLane id: Int64, underWay: Int) throws -> QueueReport.LaneFacts? {
        guard let lane = lanes.all[id] else { return nil }
        let find = try connection.prepare("SELECT name FROM project WHERE number = ?")
        find.bind(1, lane.project)
        guard try find.step() else { return nil }
        return QueueReport.LaneFacts(
            route: lane.route, project: ProjectName.shown(find.text(0)),
            queuedCount: lane.heldCount - underWay)
    }
}

/// What became of a lease's events. Each event of the lease appears at most once; those that do not
/// appear stay in the lease, in doubt.
public struct Settlement: Sendable {
    /// The lease.
    public var lease: Int64
    /// Arrived: upstream's 2xx, or its answer to a question, gave an id.
    public var delivered: [Delivered]
    /// Surely not applied: back to the queue.
    public var returned: [Returned]
    /// Back to the queue too, but never again in the same company: each group travels by itself. A
    /// group may be a single event. Remembered over restarts.
    public var regrouped: [[EventSequence]]
    /// Refused for good.
    public var dead: [Dead]
    /// Events that go back although upstream may have applied them, counted as possible duplicates.
    public var possibleDuplicates: Int
    /// Whether this settlement rests on a 2xx of the lease's route.
    public var routeAnswered: Bool
    /// What asking has shown about the destination, where it changed.
    public var calibration: Calibration?
    /// The sender's own notes, where they changed: see ``EventSource/keep(notes:)``.
    public var notes: String?

    /// A settlement that moves nothing yet.
    public init(lease: Int64) {
        self.lease = lease
        self.delivered = []
        self.returned = []
        self.regrouped = []
        self.dead = []
        self.possibleDuplicates = 0
        self.routeAnswered = false
        self.calibration = nil
        self.notes = nil
    }

    /// An event that arrived.
    public struct Delivered: Sendable {
        /// The event.
        public let sequence: EventSequence
        /// Upstream's id: `data_…` for a log, `ann_…` for feedback; empty where upstream gives none.
        public let id: String
        /// Upstream's project id where the answer carried one.
        public let projectID: String?
        /// Upstream's session id where the answer carried one.
        public let sessionID: String?

        /// An event and the ids upstream gave it.
        public init(
            sequence: EventSequence, id: String, projectID: String?, sessionID: String? = nil
        ) {
            self.sequence = sequence
            self.id = id
            self.projectID = projectID
            self.sessionID = sessionID
        }
    }

    /// An event that goes back to the queue.
    public struct Returned: Sendable {
        /// The event.
        public let sequence: EventSequence
        /// When it may be tried again; nil: at once.
        public let notBefore: Timestamp?
        /// Whether the try counts against the event itself.
        public let countsAttempt: Bool

        /// An event that was surely not applied.
        public init(
            sequence: EventSequence, notBefore: Timestamp? = nil, countsAttempt: Bool = false
        ) {
            self.sequence = sequence
            self.notBefore = notBefore
            self.countsAttempt = countsAttempt
        }
    }

    /// An event that will not be tried again unless the operator says so.
    public struct Dead: Sendable {
        /// The event.
        public let sequence: EventSequence
        /// Why it will not be tried again.
        public let reason: DeadLetterReason
        /// Upstream's status, where it answered.
        public let status: Int?
        /// Upstream's words, at most ``Limits/upstreamWordsMax`` bytes.
        public let words: String

        /// An event and why it died.
        public init(sequence: EventSequence, reason: DeadLetterReason, status: Int?, words: String)
        {
            self.sequence = sequence
            self.reason = reason
            self.status = status
            self.words = words
        }
    }
}

/// What became of a settlement.
public enum SettleOutcome: Equatable, Sendable {
    /// All of it is recorded.
    case committed
    /// All of it is recorded but the deaths of these events: there is no room for more dead letters, so
    /// they are back in the queue, and their lanes had better be parked.
    case withoutRoomForDead([EventSequence])
    /// The disk refused, and nothing changed: try again later.
    case failing
}

/// Why an event will not be tried again, and what the operator can do about it.
public enum DeadLetterReason: String, Sendable, CaseIterable {
    /// Upstream refused it for good: mend the event, or upstream, and replay.
    case refused = "refused"
    /// Alone and still too large for upstream (413): raise upstream's limit and replay.
    case tooLarge = "too large"
    /// It names a log that upstream does not know and that never came: log that first and replay.
    case causeUnknown = "cause unknown"
    /// It names a log that is dead: replay that, and this follows.
    case causeDead = "cause dead"
    /// It names its log by a reference that several logs share: name the log by its id.
    case referenceAmbiguous = "reference ambiguous"
    /// It is its own ancestor: mend one of the parent references and log it again.
    case causeCycle = "cause cycle"
}

/// Whether asking by reference tells the truth about a destination.
public enum Calibration: Int, Sendable {
    /// Not yet shown.
    case undecided = 0
    /// A delivered reference answered 200 and a fresh one 404.
    case ask = 1
    /// Asking does not work there: what is in doubt is sent again and counted.
    case resend = 2
}

/// What a restart finds about a destination.
public struct Recollection: Sendable {
    /// Leases whose requests may have been written: in doubt.
    public var leases: [Lease]
    /// Routes that have answered 2xx under this base URL.
    public var answeredRoutes: Set<Route>
    /// References of the last deliveries, newest first, at most three.
    public var deliveredReferences: [String]
    /// What asking has shown so far.
    public var calibration: Calibration
    /// The sender's own notes, empty when it left none.
    public var notes: String

    /// Made by the queue.
    public init(
        leases: [Lease], answeredRoutes: Set<Route>, deliveredReferences: [String],
        calibration: Calibration, notes: String = ""
    ) {
        self.leases = leases
        self.answeredRoutes = answeredRoutes
        self.deliveredReferences = deliveredReferences
        self.calibration = calibration
        self.notes = notes
    }
}

/// What the sender may do with the queue: lease, settle, and look at what a restart left open.
///
/// Every `done` is called exactly once, after the commit, on the queue's own thread: it must not block.
public protocol EventSource: Sendable {
    /// Hands out the next batch. The lease is committed before `done` runs, so that a crash while its
    /// request is on the way is found as *in doubt* at the next start.
    func lease(_ wish: LeaseWish, _ done: @escaping @Sendable (LeaseAnswer) -> Void)

    /// Records what became of a lease's events, in one transaction with the ledger. Events that the
    /// settlement does not name stay in the lease.
    func settle(_ settlement: Settlement, _ done: @escaping @Sendable (SettleOutcome) -> Void)

    /// Keeps the sender's own notes about the destination over restarts, at most
    /// ``Limits/senderNotesMax`` bytes; they come back in ``Recollection/notes``. When the disk refuses, the
    /// earlier ones stay.
    func keep(notes: String)

    /// The leases whose requests were under way when the last run ended, and what this destination
    /// is known to do.
    func recall(_ done: @escaping @Sendable (Recollection) -> Void)

    /// Registers who is told that a batch may be due: at a commit that filled one, or that brought the
    /// first event after a ``LeaseAnswer/nothing(due:)``.
    func whenWorkArrives(_ notify: @escaping @Sendable () -> Void)
}

/// How large a batch may be, and from where it may come.
public struct LeaseWish: Sendable {
    /// At most so many events.
    public var eventsMax: Int
    /// At most so many body bytes; a larger event travels alone.
    public var bytesMax: Int
    /// A batch smaller than both waits until its oldest event is this old.
    public var linger: Duration
    /// Lanes that give nothing now.
    public var parkedLanes: Set<Int64>
    /// Operations that give nothing now, whatever their lanes.
    public var parkedRoutes: Set<Route>
    /// Lanes that share no request with another lane, because upstream has lately refused events of
    /// theirs.
    public var lonelyLanes: Set<Int64>
    /// Take one event only, at once: to try what is parked.
    public var probe: ProbeScope?
    /// What is parked no more, or to be tried at once: whatever waits for a time there need not any longer,
    /// as events do that have given way to other probes.
    public var freed: [ProbeScope] = []

    /// Whether it is for one event to try with.
    public var isProbe: Bool { probe != nil }

    /// A wish for an ordinary batch.
    public init(
        eventsMax: Int = Limits.batchEventsMax, bytesMax: Int = Limits.batchBytesMax,
        linger: Duration = Limits.batchLinger, parkedLanes: Set<Int64> = [],
        parkedRoutes: Set<Route> = [], lonelyLanes: Set<Int64> = [], probe: ProbeScope? = nil
    ) {
        self.eventsMax = eventsMax
        self.bytesMax = bytesMax
        self.linger = linger
        self.parkedLanes = parkedLanes
        self.parkedRoutes = parkedRoutes
        self.lonelyLanes = lonelyLanes
        self.probe = probe
    }
}

/// Where an event to try with may come from. The lane whose turn it is gives it, so that each probe tries
/// another one.
public enum ProbeScope: Hashable, Sendable {
    /// Any lane that is not excluded.
    case everywhere
    /// One of these lanes, although they are parked.
    case lanes(Set<Int64>)
    /// Any lane of the operation that is not itself parked.
    case route(Route)
}

/// The answer to a ``LeaseWish``.
public enum LeaseAnswer: Sendable {
    /// A batch, leased and committed.
    case batch(Lease)
    /// Nothing may go now; `due` is when an event that waits for time alone may go, nil when only new
    /// work or a settlement can change that.
    case nothing(due: Timestamp?)
    /// The disk refused the lease: ask again in a second.
    case failing
}

/// Events on their way upstream in one request.
public struct Lease: Sendable {
    /// Names the lease in the spool.
    public let id: Int64
    /// The operation all its events travel by.
    public let route: Route
    /// The bodies as they travel, provisional ids already swapped.
    public let bytes: [UInt8]
    /// The events, in acceptance order.
    public let events: [LeasedEvent]
    /// Whether the events are the members of a batch that was refused or doubtful as a whole, and
    /// travel in smaller company since.
    public let isRegrouped: Bool

    /// Made by the queue.
    public init(
        id: Int64, route: Route, bytes: [UInt8], events: [LeasedEvent], isRegrouped: Bool
    ) {
        self.id = id
        self.route = route
        self.bytes = bytes
        self.events = events
        self.isRegrouped = isRegrouped
    }
}

/// One event of a ``Lease``.
public struct LeasedEvent: Sendable {
    /// Its place in the order of acceptance.
    public let sequence: EventSequence
    /// What it is.
    public let kind: EventKind
    /// The lane it queued in.
    public let lane: Int64
    /// Its body in ``Lease/bytes``.
    public let body: Range<Int>
    /// What the request's target needs besides the route, see ``EventDraft/address``; provisional ids
    /// already swapped.
    public let address: String?
    /// The `reference_id` in the body that must become upstream's id before it travels, which is known
    /// nowhere here: upstream must be asked. The sender then removes the member and adds `data_id`
    /// (feedback) or `log_id` (evaluation result).
    public let unresolvedReference: String?
    /// When it was accepted.
    public let acceptedAt: Timestamp
    /// How often upstream refused it in a way that counted against the event alone.
    public let attempts: Int
    /// Whether asking upstream for its reference can only find this event: the daemon minted the
    /// reference, or has accepted no other event with it.
    public let isAskable: Bool
    /// Whether it names a log that was never seen here, so that upstream may not know it yet either.
    public let namesUnknownLog: Bool

    /// Made by the queue.
    public init(
        sequence: EventSequence, kind: EventKind, lane: Int64, body: Range<Int>, address: String?,
        acceptedAt: Timestamp, attempts: Int, isAskable: Bool, namesUnknownLog: Bool,
        unresolvedReference: String? = nil
    ) {
        self.sequence = sequence
        self.kind = kind
        self.lane = lane
        self.body = body
        self.address = address
        self.acceptedAt = acceptedAt
        self.attempts = attempts
        self.isAskable = isAskable
        self.namesUnknownLog = namesUnknownLog
        self.unresolvedReference = unresolvedReference
    }
}

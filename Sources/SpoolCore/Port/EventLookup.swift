/// What the ways in may ask of the queue about events it has taken.
///
/// Every `done` is called exactly once, on the queue's own thread: it must not block.
public protocol EventLookup: Sendable {
    /// What became of the thing a provisional id of this spool stands for. `withBody`: whether a queued event
    /// is to be shown; else its body is left out, which may be megabytes.
    func find(
        _ thing: SpoolIdentity.Thing, _ sequence: EventSequence, withBody: Bool,
        _ done: @escaping @Sendable (ProvisionalStanding) -> Void)

    /// Tells when a log has left the queue: `done` gets upstream's id, or nil when it died or the daemon
    /// stops. Returns a token for ``stopWaiting(_:)``, after which `done` is not called any more.
    func whenDelivered(
        _ sequences: [EventSequence], _ done: @escaping @Sendable ([EventSequence: String?]) -> Void
    ) -> DeliveryWatch

    /// Gives up a wait.
    func stopWaiting(_ watch: DeliveryWatch)

    /// Discards logs that were never leased, with what depends on them, counted as `deleted`. All or
    /// nothing: a log that is in flight or in doubt changes nothing.
    func discard(
        _ sequences: [EventSequence], _ done: @escaping @Sendable (DiscardOutcome) -> Void)

    /// Upstream has deleted logs, named by its own ids or by this spool's: whoever logs the same bytes under
    /// the same reference again means another log.
    func forgetRepeats(of ids: [String])
}

/// What became of the thing a provisional id stands for.
public enum ProvisionalStanding: Sendable {
    /// Upstream does not have it yet.
    case queued(QueuedEvent)
    /// Upstream has it under this id.
    case upstream(String)
    /// It is dead, for this reason.
    case dead(String)
    /// It was never accepted here, or was forgotten.
    case unknown
    /// The disk refuses to say: ask again.
    case failing
}

/// An event that is still in the queue, as `GET /logs/{id}` shows it.
public struct QueuedEvent: Sendable {
    /// What it is.
    public let kind: EventKind
    /// Its body as it will travel; empty where it was not asked for.
    public let body: [UInt8]
    /// When it was accepted.
    public let acceptedAt: Timestamp
    /// Its project's id, provisional until upstream's is known.
    public let projectID: String
    /// Whether its request may be under way.
    public let isInFlight: Bool

    /// Made by the queue.
    public init(
        kind: EventKind = .log, body: [UInt8], acceptedAt: Timestamp, projectID: String,
        isInFlight: Bool
    ) {
        self.kind = kind
        self.body = body
        self.acceptedAt = acceptedAt
        self.projectID = projectID
        self.isInFlight = isInFlight
    }
}

/// Names a wait for a delivery.
public struct DeliveryWatch: Hashable, Sendable {
    /// Unique within the process.
    public let number: UInt64

    /// Made by the queue.
    public init(number: UInt64) {
        self.number = number
    }
}

/// What came of a wish to discard.
public enum DiscardOutcome: Equatable, Sendable {
    /// They are gone.
    case discarded
    /// One of them may be on its way upstream: ask again in a moment.
    case inFlight
    /// The disk refused.
    case failing
}

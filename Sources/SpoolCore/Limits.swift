/// Every bound of the program in one place, each with its unit and its reason.
public enum Limits {
    // MARK: Input

    /// Bytes of one request body, and of one line of a stream. A log with a long conversation is well
    /// below; a mistake is well above.
    public static let bodyBytesMax = 16 << 20
    /// Events of one request: they are one transaction, which everybody else waits for, and their answer
    /// is one body.
    public static let requestEventsMax = 10_000
    /// Bytes of one request's head. Anything longer is not a client of this API.
    public static let headBytesMax = 16 << 10
    /// Bytes of a `reference_id`: it must fit into a request's head even when every byte of it is
    /// percent-encoded, or upstream could never be asked about it.
    public static let referenceBytesMax = 4 << 10
    /// Nested JSON containers. Deeper text is refused, so that no parser downstream overflows.
    public static let jsonDepthMax = 64
    /// Open connections over all ways in.
    public static let connectionsMax = 1024
    /// Open connections to the control socket, which the operator must reach when all others are taken.
    public static let controlConnectionsMax = 16
    /// Descriptors for everything but the clients' connections: the control socket and its connections,
    /// the spool, the archive, deliveries, and some live calls.
    public static let otherFilesMax = 176
    /// Bytes of their requests.
    public static let controlBytesMax = 4 << 20
    /// Bytes between socket and disk, over all connections: the daemon's memory under load.
    public static let ingestBytesMax = 32 << 20
    /// Part of those that only requests of at most ``smallRequestBytesMax`` use, which say their length:
    /// large bodies and long lines never hold them up.
    public static let ingestSmallBytes = 2 << 20
    /// Bytes of a small request; of a longer body no more is reserved before it comes, and an unfinished
    /// line of a stream may be longer only if the rest comes as fast as a request's body has to.
    public static let smallRequestBytesMax = 64 << 10
    /// Bytes of answers to requests that are finished here, and wait for a delivery or to be read by their
    /// clients; beyond it a request whose answer would be longer than ``shortAnswerBytesMax`` is answered
    /// 503. Besides those that come in, so that who does not read keeps nobody from logging.
    public static let heldAnswersBytesMax = 32 << 20
    /// Bytes of an answer that is not counted: each connection holds a few of these at most.
    public static let shortAnswerBytesMax = 64 << 10
    /// How long a connection waits for a share of those bytes before it is answered 503.
    public static let budgetWait = Duration.seconds(5)
    /// How long a submission waits for its transaction before it is withdrawn and answered 503.
    public static let acceptTimeout = Duration.seconds(5)
    /// How long a connection may be silent between requests.
    public static let idleTimeout = Duration.seconds(300)
    /// How long a request that has begun may pause before its next byte.
    public static let readTimeout = Duration.seconds(30)
    /// Bytes a second that a request has to come with, after that time: it holds a share of the memory.
    public static let readBytesPerSecondMin = 256 << 10
    /// How long an answer waits for the delivery at most, whatever a caller prefers.
    public static let preferredWaitMax = Duration.seconds(60)
    /// Seconds a refused client is asked to wait (`Retry-After`).
    public static let retryAfterSeconds = 1
    /// Bytes kept of one item of input that could not be understood.
    public static let malformedBytesMax = 64 << 10
    /// Bytes kept of all such items; the oldest make room for the newest.
    public static let malformedRingBytesMax = 16 << 20

    // MARK: Queue

    /// Live payload plus ``eventOverheadBytes`` an event; beyond it the answer is 503.
    public static let spoolBytesMax: Int64 = 2 << 30
    /// What an event costs besides its payload: row, index, memory.
    public static let eventOverheadBytes: Int64 = 200
    /// Dead letters, ``eventOverheadBytes`` each included; beyond it nothing dies.
    public static let deadBytesMax: Int64 = 512 << 20
    /// Free disk below which nothing is accepted, so that delivering still has room to work.
    public static let freeDiskBytesMin: Int64 = 512 << 20
    /// Deliveries whose ids are kept.
    public static let identitiesMax = 1_000_000
    /// How long ids are kept.
    public static let identityAge = Duration.seconds(30 * 86_400)
    /// Sessions named by `session_reference_id` whose ids are kept.
    public static let sessionsMax = 1_000_000
    /// Delivered references that are known by heart: a child of one of these never waits.
    public static let recentReferencesMax = 100_000
    /// How long an event waits for a log nobody here has heard of.
    public static let unknownCauseWait = Duration.seconds(5)
    /// How long upstream may answer that it does not know that log before the event dies.
    public static let unknownCauseGrace = Duration.seconds(600)
    /// Rows that one transaction wakes or kills at most, so that no commit stalls the door.
    public static let rowsPerStepMax = 500

    /// Ancestors that are looked through for an event that would wait for itself.
    public static let ancestorsMax = 10_000

    // MARK: Delivery

    /// Events of one batch.
    public static let batchEventsMax = 100
    /// Body bytes of one batch; a larger event travels alone.
    public static let batchBytesMax = 1 << 20
    /// How long a smaller batch waits for company, from the arrival of its oldest event.
    public static let batchLinger = Duration.milliseconds(200)
    /// Requests to one destination at a time, at first.
    public static let inFlightStart = 2
    /// Requests to one destination at a time, at most.
    public static let inFlightMax = 8
    /// How long a connection may take to stand.
    public static let connectTimeout = Duration.seconds(10)
    /// How long an answer may take once it does.
    public static let answerTimeout = Duration.seconds(30)
    /// Bytes of an upstream answer that are read. The answer to a question holds the whole log, so it
    /// may be as large as the largest log.
    public static let answerBytesMax = bodyBytesMax + (1 << 20)
    /// Bytes of upstream's words kept with a dead letter.
    public static let upstreamWordsMax = 2048
    /// Bytes of an id that upstream gives, as they stand in its answer.
    public static let upstreamIDBytesMax = 1 << 10
    /// The first backoff of a destination, before jitter; it doubles with each failure.
    public static let backoffBase = Duration.seconds(1)
    /// The longest backoff.
    public static let backoffMax = Duration.seconds(60)
    /// The longest wait that a `Retry-After` can ask for.
    public static let retryAfterMax = Duration.seconds(3600)
    /// How long after a lost answer a 404 is believed: the request may still lie in a buffer.
    public static let inDoubtWait = Duration.seconds(2)
    /// Deaths in a row, without a 2xx between them, that park a lane.
    public static let deathsBeforePark = 20
    /// How long a lane shares no request with others after a refusal.
    public static let refusedLaneAlone = Duration.seconds(600)
    /// Bytes of the sender's own notes that the queue keeps.
    public static let senderNotesMax = 64 << 10
    /// How long a stop waits for outstanding answers.
    public static let stopTimeout = Duration.seconds(10)

    // MARK: Live calls

    /// How long upstream may take to begin its answer to a live call: a model may think for
    /// minutes.
    public static let liveFirstByteTimeout = Duration.seconds(600)
    /// How long upstream may then pause between two parts of it.
    public static let liveIdleTimeout = Duration.seconds(300)
    /// Bytes of a live call's body that is read for provisional ids; a longer one passes unread.
    public static let liveReadBytesMax = 1 << 20
}

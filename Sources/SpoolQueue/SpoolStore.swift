internal import SpoolCore
internal import SpoolSQLite

/// The spool file and what is known of it by heart, on the queue's thread.
///
/// Each of its files holds one kind of transaction: `+Append`, `+Lease`, `+Settle`, `+Discard`, `+Recall`,
/// `+Upkeep`.
/// Synchronous, with clock and disk probe passed in, so that a model test or a simulation drives it
/// directly. Every method runs inside a transaction that the owner opens and commits; a throw means
/// that the owner must drop the store and make a new one from the file.
///
/// Invariants, at every commit:
/// 1. accepted = held + delivered + dead + discarded, and `held` is the number of rows in `event`;
/// 2. an event is in at most one lease, and a lease's events are in `event`;
/// 3. an event waits on a name only while a log or an earlier effect of that name is held, or a time is set;
/// 4. a row leaves `event` only in the transaction that records why.
final class SpoolStore: GroupState {
    let connection: Connection
    let statements: Statements
    let identity: SpoolIdentity
    let destination: Int64
    /// Which file the log was when it was opened; nil: not known.
    let logFile: FileMark?
    let settings: QueueSettings
    let clock: @Sendable () -> Timestamp
    private let ring: @Sendable () -> Void
    /// Who waits for deliveries; outlives the store, which is made anew after a failure.
    let watches: DeliveryWatches

    var ledger: Ledger
    var nextSequence: Int64
    /// Names of the logs in the queue, and of those delivered last.
    var references = ReferenceTable()
    var recent = RecentReferences(capacity: Limits.recentReferencesMax)
    var lanes = Lanes()
    var laneIDs: [LaneName: Int64] = [:]
    /// Numbers of projects by the names callers use, and upstream's ids for them.
    var projects: [ExactName: Int64] = [:]
    var projectIDs: [Int64: String] = [:]
    /// Every lease, and the sequences in them.
    var leases: [Int64: OpenLease] = [:]
    var leased: Set<Int64> = []
    /// Leases whose requests have not begun, the next one first.
    var regrouped: [Int64] = []
    /// Whether the last batch was one of them: then it is the turn of others.
    var groupHadTurn = false
    /// What is known of the destination.
    var answeredRoutes: Set<Route> = []
    var deliveredReferences: [String] = []
    /// Entries in the identity table.
    var identityCount = 0
    /// Blocks of ids that queued or dead events name; nil: to be read before the next id is forgotten.
    var namedBlocks: Set<Int64>?
    /// Rows of ids and sessions forgotten since those blocks were read.
    var forgottenCount = 0
    /// Names whose waiters are still to be woken.
    var wakes: [ReferenceKey] = []
    /// Names of discarded logs whose dependents are still to go, and how many events this transaction may
    /// take along.
    var dooms: [Doom] = []
    var doomLeft = 0
    /// Events that wait for a name.
    var waitingCount = 0
    /// What was found out by walking through ancestors.
    var walks = AncestorWalks()
    /// The earliest batch the sender knows of; nil: it waits to be told.
    var announced: Timestamp?
    /// The sender's last wish, by which it is told what is due.
    var wish = LeaseWish()
    /// Items in the ring of malformed input, and what they cost.
    var malformedCount = 0
    var malformedBytes: Int64 = 0
    /// Logs remembered as discarded.
    var deletedCount = 0
    /// Sessions named by reference, and the last one looked at whether it may be forgotten.
    var sessionCount = 0
    var lastSessionSeen: Int64 = 0
    /// Whether pages were given back since the last checkpoint for them.
    var hasShrunk = false
    /// Whether the wall clock can be trusted with ages.
    var clockWatch: ClockWatch
    /// Both clocks as they were read together last.
    var followed: (wall: Timestamp, instant: ContinuousClock.Instant)
    private var hasRoomOnDisk = true
    private var diskCheckedAt = Timestamp(milliseconds: 0)
    private var storedLedger: Ledger

    /// Opens the file, creating it with a random epoch and secret when it is new.
    ///
    /// - Parameter told: the leases the sender was told of; nil at the start, when all are in doubt.
    init(
        path: String, destination url: String, settings: QueueSettings,
        clock: @escaping @Sendable () -> Timestamp,
        watches: DeliveryWatches = DeliveryWatches(), ring: @escaping @Sendable () -> Void = {},
        vfs: String? = nil, told: ToldLeases? = nil
    ) throws {
        connection = try DurableFile.open(
            path: path, applicationID: QueueSchema.applicationID,
            migrations: QueueSchema.migrations, vfs: vfs)
        statements = try Statements(connection)
        self.settings = settings
        self.clock = clock
        self.ring = ring
        self.watches = watches
        try connection.execute(
            """
            INSERT OR IGNORE INTO spool
            VALUES (1, abs(random() % 1048576), random(), random(), 1)
            """)
        let spool = try connection.prepare("SELECT epoch, key0, key1, next_sequence FROM spool")
        guard try spool.step() else { throw QueueError.damaged(path, "the table `spool` is empty") }
        identity = SpoolIdentity(
            epoch: UInt32(spool.integer(0)), key0: UInt64(bitPattern: spool.integer(1)),
            key1: UInt64(bitPattern: spool.integer(2)))
        nextSequence = spool.integer(3)
        spool.reset()
        let add = try connection.prepare("INSERT OR IGNORE INTO destination (base_url) VALUES (?)")
        add.bind(1, url)
        try add.run()
        let find = try connection.prepare("SELECT id FROM destination WHERE base_url = ?")
        find.bind(1, url)
        guard try find.step() else { throw QueueError.damaged(path, "no destination \(url)") }
        destination = find.integer(0)
        find.reset()
        logFile = FileMark(connection.logPath)
        followed = (clock(), settings.instant())
        clockWatch = ClockWatch(wall: followed.wall, instant: followed.instant)
        ledger = try Ledger(reading: connection)
        storedLedger = ledger
        if let told { try takeBack(leasesNotIn: told) }
        try prepareForAges()
        try load()
    }

    // MARK: Transactions

    func begin() throws {
        try checkPlace()
        watches.forget()
        try statements.begin.run()
        walks = AncestorWalks()
        doomLeft = Limits.rowsPerStepMax
        try followClock()
    }

    func commit() throws {
        try doomStep()
        try wakeStep()
        if ledger != storedLedger { try ledger.store(statements.storeLedger) }
        try storeLaneBytes()
        try statements.commit.run()
        storedLedger = ledger
    }

    private func storeLaneBytes() throws {
        for id in lanes.unwritten {
            statements.storeLane.bind(1, lanes[id].payloadBytes)
            statements.storeLane.bind(2, id)
            try statements.storeLane.run()
        }
        lanes.wrote()
    }

    // MARK: Room

    /// An event came into a lane with its body, or left it with that where `isGone`.
    func add(bytes: Int, to lane: Int64, isGone: Bool = false) throws {
        ledger.payloadBytes += Int64(isGone ? -bytes : bytes)
        guard lanes.weigh(lane, bytes, isGone: isGone) else {
            throw QueueError.damaged(connection.path, "lane \(lane) weighs less than its events")
        }
    }

    /// Whether the disk has more free than its reserve, as of a quarter of a second ago.
    func hasRoomOnDisk(at now: Timestamp) -> Bool {
        if now - diskCheckedAt >= .milliseconds(250) || now < diskCheckedAt {
            diskCheckedAt = now
            hasRoomOnDisk = settings.freeDiskBytes().map { $0 >= settings.freeDiskBytesMin } ?? true
        }
        return hasRoomOnDisk
    }

    // MARK: The sender's doorbell

    /// Tells the sender, once, that something is due: at the end of every group, because the group's own
    /// commit may have woken somebody.
    func rest() {
        watches.tell()
        if hasNews() { ring() }
    }

    /// Whether something is due that the sender has not been told of.
    func hasNews() -> Bool {
        if lanes.hasParkedNews {
            lanes.hasParkedNews = false
            return true
        }
        guard let due = nextDue() else { return false }
        if let announced, announced <= due { return false }
        announced = due
        return true
    }

    /// When the next batch is due; nil when only new work or a settlement can bring one.
    func nextDue() -> Timestamp? {
        // A disk that refuses shows itself in the next transaction.
        if let isDue = try? hasDueGroup(), isDue { return Timestamp(milliseconds: 0) }
        return Route.allCases.compactMap { lanes.due($0, wish) }.min()
    }
}

/// What is served together: an operation and a project.
struct LaneName: Hashable {
    let route: Route
    let project: Int64
}

/// A lease and its events.
struct OpenLease {
    let id: Int64
    let route: Route
    var events: [HeldEvent]
    /// Whether its events travel in no other company.
    let isRegrouped: Bool
}

/// What must be known of a leased event to settle it without reading it again.
struct HeldEvent {
    let sequence: EventSequence
    let lane: Int64
    let kind: EventKind
    let reference: ReferenceKey?
    let flags: Int64
    let digest: Digest?
    /// The session a log names by session_reference_id, where upstream's id was not known.
    let session: EventSequence?
    let bodyBytes: Int
}

/// Flags of the `event` table.
enum EventFlag {
    static let referenceIsMinted: Int64 = 1
    static let holdsProvisionalID: Int64 = 2
    static let namesLogByReference: Int64 = 4
    /// A log whose name another log in the queue had when it came. Of the logs in the queue with one name,
    /// only the first may be without it.
    static let sharesName: Int64 = 8
    /// Of spools before version 3: the first log that named its session by session_reference_id.
    static let namedSession: Int64 = 16
    /// An update whose log was logged elsewhere: upstream's answer tells its id.
    static let targetIsElsewhere: Int64 = 32
}

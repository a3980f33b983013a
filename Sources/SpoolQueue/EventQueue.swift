internal import Glibc
public import SpoolCore
internal import SpoolSQLite
internal import Synchronization

/// The queue: its three ports over one spool file, with one thread that writes.
///
/// Everything that changes the file, from the ways in and from the sender alike, joins the next group
/// commit; see ``GroupCommitter``. Answers come on the queue's thread, after the commit.
public final class EventQueue: EventSink, EventSource, EventLookup, Sendable {
    /// Mints ids and keys for this spool.
    public let identity: SpoolIdentity
    let committer: GroupCommitter<SpoolStore>
    private let lock: SpoolLock
    private let doorbell: Doorbell
    private let watchNumber = Atomic<UInt64>(0)
    private let opening: SpoolOpening
    private let malformed = MalformedIntake()

    /// Opens the spool in a directory this process holds, creating it when there is none.
    ///
    /// - Parameters:
    ///   - lock: kept until the queue is gone.
    ///   - destination: the normalised base URL that ids and calibration are remembered under.
    ///   - clock: the wall clock.
    ///   - report: told of every refusal of the disk.
    /// - Throws: ``QueueError``, or what SQLite or the schema check said.
    public convenience init(
        lock: SpoolLock, destination: String, settings: QueueSettings = QueueSettings(),
        clock: @escaping @Sendable () -> Timestamp,
        report: @escaping @Sendable (any Error) -> Void
    ) throws {
        try self.init(
            lock: lock, destination: destination, settings: settings, clock: clock, report: report,
            vfs: nil)
    }

    /// On a disk of the caller's choice: a VFS by its name.
    init(
        lock: SpoolLock, destination: String, settings: QueueSettings,
        clock: @escaping @Sendable () -> Timestamp,
        report: @escaping @Sendable (any Error) -> Void, vfs: String?
    ) throws {
        self.lock = lock
        let path = lock.directory + "/spool.db"
        try Self.createPrivately(path)
        let identity = Mutex<SpoolIdentity?>(nil)
        let doorbell = Doorbell()
        let opening = SpoolOpening(
            path: path, destination: destination, settings: settings, clock: clock,
            report: report, ring: { doorbell.ring() }, vfs: vfs)
        committer = try GroupCommitter(
            name: "loopspool-queue", report: { opening.failed($0) }
        ) {
            let store = try opening.open()
            identity.withLock { $0 = store.identity }
            return store
        }
        // Safety: the committer's initialiser returns only after the store was opened.
        self.identity = identity.withLock { $0! }
        self.doorbell = doorbell
        self.opening = opening
    }

    /// SQLite would create the file with the umask's mode; its siblings take the mode of the file. One
    /// that others may read, because somebody copied it here, is made private again.
    static func createPrivately(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { if descriptor >= 0 { close(descriptor) } }
        var facts = stat()
        guard descriptor >= 0, fstat(descriptor, &facts) == 0,
            facts.st_mode & 0o077 == 0 || fchmod(descriptor, 0o600) == 0
        else {
            throw QueueError.unusable(
                path: path, errno: errno, words: String(cString: strerror(errno)))
        }
        for ending in ["-wal", "-shm"] { chmod(path + ending, 0o600) }
    }

    // MARK: EventSink

    /// Joins the next group commit; see ``EventSink/append(_:_:)``.
    public func append(
        _ submission: Submission,
        _ done: @escaping @Sendable (Result<Receipt, AppendRefusal>) -> Void
    ) {
        committer.submit(withdrawable: true, bytes: submission.cost) { store in
            let result = try store.append(submission)
            return { done(result) }
        } orElse: { failure in
            switch failure {
            case .withdrawn: done(.failure(.busy))
            case .stopped: done(.failure(.stopping))
            case .refused(let words), .contradicted(let words): done(.failure(.failing(words)))
            }
        }
    }

    /// Takes back what has not begun; see ``EventSink/withdraw(waitingSince:)``.
    public func withdraw(waitingSince instant: ContinuousClock.Instant) {
        committer.withdraw(waitingSince: instant)
    }

    /// Keeps input in the ring; see ``EventSink/keepMalformed(_:reason:source:)``.
    public func keepMalformed(_ input: [UInt8], reason: String, source: String) {
        let bytes = input.count + reason.utf8.count
        guard malformed.enter(bytes) else { return }
        writeMalformed(bytes, items: 1) { store in
            try store.keepMalformed(input, reason: reason, source: source)
        }
    }

    private func writeMalformed(
        _ bytes: Int, items: Int, _ keep: @escaping @Sendable (SpoolStore) throws -> Void
    ) {
        committer.submit(bytes: bytes) { [malformed] store in
            try keep(store)
            let dropped = malformed.count()
            try store.count("malformed", dropped)
            try store.count("malformed_overwritten", dropped)
            return {
                guard malformed.committed(bytes), malformed.enter(0) else { return }
                self.writeMalformed(0, items: 0) { _ in }
            }
        } orElse: { [malformed] _ in
            malformed.refused(bytes, items: items)
        }
    }

    // MARK: EventSource

    /// Fills a batch and commits its lease; see ``EventSource/lease(_:_:)``.
    public func lease(_ wish: LeaseWish, _ done: @escaping @Sendable (LeaseAnswer) -> Void) {
        committer.submit { [opening] store in
            let answer = try store.lease(wish)
            return {
                if case .batch(let lease) = answer { opening.leases.told(lease.id) }
                done(answer)
            }
        } orElse: { _ in
            done(.failing)
        }
    }

    /// Commits what became of a batch; see ``EventSource/settle(_:_:)``.
    public func settle(
        _ settlement: Settlement, _ done: @escaping @Sendable (SettleOutcome) -> Void
    ) {
        committer.submit { [opening] store in
            let rest = store.remainder(of: settlement)
            let outcome = try rest.map { try store.settle($0) } ?? .committed
            let isClosed = store.leases[settlement.lease] == nil
            return {
                if isClosed { opening.leases.closed(settlement.lease) }
                done(outcome)
            }
        } orElse: { _ in
            done(.failing)
        }
    }

    /// Keeps the sender's notes; see ``EventSource/keep(notes:)``.
    public func keep(notes: String) {
        committer.submit { store in
            try store.keep(notes: notes)
            return {}
        } orElse: { _ in
        }
    }

    /// Reads what a restart left open; see ``EventSource/recall(_:)``.
    public func recall(_ done: @escaping @Sendable (Recollection) -> Void) {
        committer.submit(patient: true) { [opening] store in
            let recollection = try store.recall()
            return {
                opening.leases.recalled(recollection.leases.map(\.id))
                done(recollection)
            }
        } orElse: { _ in
            // The queue has stopped: nobody will act on it.
            done(
                Recollection(
                    leases: [], answeredRoutes: [], deliveredReferences: [], calibration: .undecided
                ))
        }
    }

    /// Installs the listener of the doorbell; see ``EventSource/whenWorkArrives(_:)``.
    public func whenWorkArrives(_ notify: @escaping @Sendable () -> Void) {
        doorbell.install(notify)
    }

    // MARK: EventLookup

    /// Looks an event up; see ``EventLookup/find(_:_:withBody:_:)``. A disk that refuses answers `failing`.
    public func find(
        _ thing: SpoolIdentity.Thing, _ sequence: EventSequence, withBody: Bool,
        _ done: @escaping @Sendable (ProvisionalStanding) -> Void
    ) {
        // A body, which may be megabytes, is held until its group is over: two of them fill one.
        let bytes = withBody ? GroupCommitter<SpoolStore>.groupBytesMax / 2 : 0
        committer.submit(bytes: bytes) { store in
            let standing = try store.find(thing, sequence, withBody: withBody)
            return { done(standing) }
        } orElse: { _ in
            done(.failing)
        }
    }

    /// Waits for deliveries; see ``EventLookup/whenDelivered(_:_:)``.
    public func whenDelivered(
        _ sequences: [EventSequence], _ done: @escaping @Sendable ([EventSequence: String?]) -> Void
    ) -> DeliveryWatch {
        let number = watchNumber.add(1, ordering: .relaxed).newValue
        let watch = DeliveryWatch(number: number)
        committer.submit { [opening] store in
            let (missing, found) = try store.standing(of: sequences)
            return { opening.watches.add(watch, missing: missing, found: found, done: done) }
        } orElse: { _ in
            done([:])
        }
        return watch
    }

    /// Gives up a wait; see ``EventLookup/stopWaiting(_:)``.
    public func stopWaiting(_ watch: DeliveryWatch) {
        committer.submit { store in
            store.watches.remove(watch)
            return {}
        } orElse: { [opening] failure in
            // On the committer's thread, as a failing disk's refusals are.
            switch failure {
            case .refused, .contradicted: opening.watches.remove(watch)
            case .withdrawn, .stopped: break
            }
        }
    }

    /// Discards what was never leased; see ``EventLookup/discard(_:_:)``.
    public func discard(
        _ sequences: [EventSequence], _ done: @escaping @Sendable (DiscardOutcome) -> Void
    ) {
        committer.submit { store in
            let outcome = try store.discard(sequences)
            return { done(outcome) }
        } orElse: { _ in
            done(.failing)
        }
    }

    /// Forgets what repeats would be recognised by; see ``EventLookup/forgetRepeats(of:)``.
    public func forgetRepeats(of ids: [String]) {
        committer.submit { store in
            try store.forgetRepeats(of: ids)
            return {}
        } orElse: { _ in
        }
    }

    // MARK: The operator

    /// The state of the spool in numbers. Taken back like an event that waits for too long.
    ///
    /// - Parameter lanes: those that something is to be said about.
    public func report(
        about lanes: Set<Int64> = [],
        _ done: @escaping @Sendable (Result<QueueReport, QueueUnreadable>) -> Void
    ) {
        committer.submit(withdrawable: true) { store in
            let report = try store.report(about: lanes)
            return { done(.success(report)) }
        } orElse: { failure in
            done(.failure(QueueUnreadable(failure)))
        }
    }

    /// Calls back once the queue's thread has taken the next step, whether its disk obeys or not.
    public func ping(_ done: @escaping @Sendable () -> Void) {
        committer.submit { _ in
            done
        } orElse: { _ in
            done()
        }
    }

    /// Commits what was submitted, closes the file, and lets go of the spool.
    public func stop() async {
        await withCheckedContinuation { done in
            committer.stop { [opening] in
                opening.watches.giveUp()
                done.resume()
            }
        }
    }
}

extension QueueUnreadable {
    fileprivate init(_ failure: GroupFailure) {
        switch failure {
        case .refused(let words):
            description = "the spool's disk refuses, mend it or make room: \(words)"
        case .contradicted(let words): description = "the spool refuses: \(words)"
        case .withdrawn: description = "the spool's disk is too slow"
        case .stopped: description = "the daemon is stopping"
        }
    }
}

extension SpoolStore {
    /// Counts the failure that is over: a write that is there for somebody.
    func prove() throws {
        try begin()
        try count("disk_refusals", 1)
        try commit()
    }
}

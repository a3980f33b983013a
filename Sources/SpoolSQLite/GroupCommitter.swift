import Synchronization

/// What a ``GroupCommitter`` owns: a database and what is known about it in memory.
///
/// All calls come on the committer's thread. When anything throws, the state is thrown away whole and
/// made anew from the file: memory and disk can then never disagree, and a commit that failed with an
/// I/O error is never retried on the same connection. Such a commit may be on the disk nevertheless; who
/// asked for it is told no, and must be able to bear that. Only ``PreservesState`` keeps the state.
public protocol GroupState: AnyObject, SendableMetatype {
    /// Opens a transaction.
    func begin() throws
    /// Commits it durably.
    func commit() throws
    /// Work that nobody waits for, done in small steps between groups: pruning, waking, shrinking. Returns
    /// whether more is left. Opens and commits its own transaction.
    func upkeep() throws -> Bool
    /// Writes something durably, in a transaction of its own: asked of a state that was made anew after
    /// a failure, before it is believed. A file on a full disk opens and can be read.
    func prove() throws
    /// Called when a group's answers have been given, after a step of upkeep, and when the state was
    /// made anew.
    func rest()
}

/// A failure of ``GroupState/begin()`` that leaves the state as it was: it must be kept, and is tried again.
public protocol PreservesState: Error {}

/// A thread that owns a database and commits in groups.
///
/// Whatever arrived while the last commit ran goes into the next one: under load a commit's cost is
/// shared, when idle nobody waits for company. An answer is given only after the commit that holds its
/// work.
///
/// A disk that refuses is a state, not an end: every group is answered with a refusal, the state is opened
/// again by and by (``ReopenPause``), also when nobody asks, and work goes on as soon as that succeeds.
public final class GroupCommitter<State: GroupState>: Sendable {
    /// Work on the state. Returns what to do once it is durable.
    public typealias Work = @Sendable (State) throws -> @Sendable () -> Void

    private struct Job: Sendable {
        let work: Work
        let fail: @Sendable (GroupFailure) -> Void
        /// When it came, if it may be taken back; nil if it must run.
        let withdrawableSince: ContinuousClock.Instant?
        /// Whether it waits until the disk is in order again.
        let isPatient: Bool
        /// Bytes it adds to its group.
        let bytes: Int
    }

    private struct Mailbox: Sendable {
        var jobs: [Job] = []
        var isStopping = false
        var hasStopped = false
        var whenStopped: [@Sendable () -> Void] = []
    }

    private let mailbox = Mutex(Mailbox())
    private let signal = ThreadSignal()
    private let open: @Sendable () throws -> State
    private let report: @Sendable (any Error) -> Void

    /// Starts the thread and opens the state on it; throws what opening threw.
    ///
    /// - Parameters:
    ///   - name: the thread's name, at most 15 bytes.
    ///   - open: makes the state from the file; called again after every failure.
    ///   - report: told of every failure, for the operator.
    public init(
        name: String, report: @escaping @Sendable (any Error) -> Void,
        open: @escaping @Sendable () throws -> State
    ) throws {
        self.open = open
        self.report = report
        let opened = Mutex<Result<Void, any Error>?>(nil)
        let isOpen = ThreadSignal()
        Thread.start(name: name) { [self] in
            var first: State?
            do {
                first = try open()
                opened.withLock { $0 = .success(()) }
            } catch {
                opened.withLock { $0 = .failure(error) }
            }
            isOpen.raise()
            if first != nil { run(&first) }
        }
        isOpen.wait()
        // Safety: the thread stores a result before it raises the signal.
        try opened.withLock { $0! }.get()
    }

    // MARK: From any thread

    /// Adds work to the next group.
    ///
    /// - Parameters:
    ///   - withdrawable: whether ``withdraw(waitingSince:)`` may take it back before it starts.
    ///   - patient: whether it is tried again after a failure, in a group of its own, until it succeeds or
    ///     the committer stops.
    ///   - bytes: how much it writes, at least 0: a group that has ``groupBytesMax`` takes no more work, and
    ///     what is left goes into the next one.
    ///   - fail: called instead of the work's own completion when nothing was committed.
    public func submit(
        withdrawable: Bool = false, patient: Bool = false, bytes: Int = 0, _ work: @escaping Work,
        orElse fail: @escaping @Sendable (GroupFailure) -> Void
    ) {
        let job = Job(
            work: work, fail: fail,
            withdrawableSince: withdrawable ? ContinuousClock.now : nil, isPatient: patient,
            bytes: bytes)
        let (isAccepted, wasEmpty) = mailbox.withLock { mailbox in
            if mailbox.isStopping { return (false, false) }
            mailbox.jobs.append(job)
            return (true, mailbox.jobs.count == 1)
        }
        if !isAccepted { return fail(.stopped) }
        if wasEmpty { signal.raise() }
    }

    /// Takes back withdrawable work that waits since before `instant` and has not started.
    public func withdraw(waitingSince instant: ContinuousClock.Instant) {
        let late = mailbox.withLock { mailbox in
            guard mailbox.jobs.contains(where: { isLate($0, instant) }) else { return [Job]() }
            let late = mailbox.jobs.filter { isLate($0, instant) }
            mailbox.jobs.removeAll { isLate($0, instant) }
            return late
        }
        for job in late { job.fail(.withdrawn) }
    }

    private func isLate(_ job: Job, _ instant: ContinuousClock.Instant) -> Bool {
        job.withdrawableSince.map { $0 < instant } ?? false
    }

    /// Commits what was submitted before this call, closes the state and ends the thread; then calls `done`.
    public func stop(_ done: @escaping @Sendable () -> Void) {
        let isOver = mailbox.withLock { mailbox in
            mailbox.isStopping = true
            if mailbox.hasStopped { return true }
            mailbox.whenStopped.append(done)
            return false
        }
        if isOver { done() } else { signal.raise() }
    }

    // MARK: On the thread

    /// What the thread knows besides the state.
    private struct Course {
        /// When the state may be opened or tried again, and what the failure was.
        var reopening = ReopenPause(shortest: .milliseconds(100), longest: .seconds(5))
        var failure = GroupFailure.refused("")
        /// When upkeep may be tried again: its failures must not hold up the groups.
        var upkeep = ReopenPause(shortest: .seconds(1), longest: .seconds(60))
        var hasUpkeep = true
        /// Work that waits for the disk.
        var patient: [Job] = []
    }

    /// Takes the state by reference, so that nobody else holds it when it is to be closed.
    private func run(_ state: inout State?) {
        var course = Course()
        while true {
            let (jobs, isStopping) = take()
            course.patient += jobs.filter(\.isPatient)
            let group = jobs.filter { !$0.isPatient }
            if state == nil { reopen(&state, &course, isUrgent: isStopping) }
            if state == nil || !course.reopening.isOver(at: .now) {
                for job in group { job.fail(course.failure) }
                if isStopping { break }
                if group.isEmpty { signal.wait(atMost: course.reopening.left(at: .now)) }
            } else if !group.isEmpty {
                perform(group, on: &state, &course)
            } else if !course.patient.isEmpty {
                performPatient(on: &state, &course)
            } else if isStopping {
                break
            } else if course.hasUpkeep {
                keepUp(&state, &course)
            } else {
                signal.wait()
            }
        }
        state = nil
        for job in course.patient { job.fail(.stopped) }
        let waiting = mailbox.withLock { mailbox in
            mailbox.hasStopped = true
            defer { mailbox.whenStopped = [] }
            return mailbox.whenStopped
        }
        for done in waiting { done() }
    }

    /// Bytes of work beyond which a group takes no more: what waits behind it, a question of the operator
    /// or the watchdog among it, waits for one such group and not for all that has come.
    public static var groupBytesMax: Int { 4 << 20 }

    /// The next group; whether it is the last one.
    private func take() -> ([Job], isStopping: Bool) {
        mailbox.withLock { mailbox in
            var bytes = 0
            let jobs = mailbox.jobs.prefix { job in
                defer { bytes += job.bytes }
                return bytes < Self.groupBytesMax
            }
            guard jobs.count < mailbox.jobs.count else {
                defer { mailbox.jobs = [] }
                return (mailbox.jobs, mailbox.isStopping)
            }
            mailbox.jobs.removeFirst(jobs.count)
            return (Array(jobs), false)
        }
    }

    private func reopen(_ state: inout State?, _ course: inout Course, isUrgent: Bool) {
        guard isUrgent || course.reopening.isOver(at: .now) else { return }
        do {
            let opened = try open()
            try opened.prove()
            state = opened
            course.reopening.end()
            course.hasUpkeep = true
            state?.rest()
        } catch {
            failed(error, &state, &course)
        }
    }

    private func perform(_ jobs: [Job], on state: inout State?, _ course: inout Course) {
        var completions: [@Sendable () -> Void] = []
        completions.reserveCapacity(jobs.count)
        do {
            try state?.begin()
            for job in jobs {
                // Safety: the caller has seen that there is a state.
                completions.append(try job.work(state!))
            }
            try state?.commit()
        } catch {
            failed(error, &state, &course)
            for job in jobs {
                if job.isPatient {
                    course.patient.append(job)
                } else {
                    job.fail(course.failure)
                }
            }
            return
        }
        course.reopening.reset()
        course.hasUpkeep = true
        for completion in completions { completion() }
        state?.rest()
    }

    private func performPatient(on state: inout State?, _ course: inout Course) {
        let jobs = course.patient
        course.patient = []
        perform(jobs, on: &state, &course)
    }

    private func keepUp(_ state: inout State?, _ course: inout Course) {
        guard course.upkeep.isOver(at: .now) else {
            return signal.wait(atMost: course.upkeep.left(at: .now))
        }
        do {
            course.hasUpkeep = try state?.upkeep() ?? false
            course.upkeep.reset()
            state?.rest()
        } catch {
            course.upkeep.begin(at: .now)
            if !(error is any PreservesState) { state = nil }
            report(error)
        }
    }

    /// The state is not to be trusted any more, unless the failure says so: closes it, and lets some time
    /// pass before the next one.
    private func failed(_ error: any Error, _ state: inout State?, _ course: inout Course) {
        if !(error is any PreservesState) { state = nil }
        let isConstraint = (error as? SQLiteError)?.isConstraint ?? false
        course.failure = isConstraint ? .contradicted("\(error)") : .refused("\(error)")
        course.reopening.begin(at: .now)
        report(error)
    }
}

/// Why submitted work was not committed.
public enum GroupFailure: Error, Sendable {
    /// The database refused, because of its disk or of its content; the text says how.
    case refused(String)
    /// The work breaks the database's own rules: the program is wrong, not the disk.
    case contradicted(String)
    /// It waited too long and was taken back.
    case withdrawn
    /// The committer is stopping or has stopped.
    case stopped
}

extension GroupState {
    /// Nothing to do.
    public func rest() {}

    /// Believed without proof.
    public func prove() {}
}

import Synchronization

/// What a ``GroupCommitter`` owns: a database and what is known about it in memory.
///
/// All calls come on the committer's thread. When anything throws, the state is thrown away whole and
/// made anew from the file: memory and disk can then never disagree, and a commit that failed with an
/// I/O error is never retried on the same connection.
public protocol GroupState: AnyObject, SendableMetatype {
    /// Opens a transaction.
    func begin() throws
    /// Commits it durably.
    func commit() throws
    /// Work that nobody waits for, done in small steps between groups: pruning, waking, shrinking. Returns
    /// whether more is left. Opens and commits its own transaction.
    func upkeep() throws -> Bool
    /// Called when a group's answers have been given, and after a step of upkeep.
    func rest()
}

/// A thread that owns a database and commits in groups.
///
/// Whatever arrived while the last commit ran goes into the next one: under load a commit's cost is
/// shared, when idle nobody waits for company. There is no timer. An answer is given only after the
/// commit that holds its work.
public final class GroupCommitter<State: GroupState>: Sendable {
    /// Work on the state. Returns what to do once it is durable.
    public typealias Work = @Sendable (State) throws -> @Sendable () -> Void

    private struct Job: Sendable {
        let work: Work
        let fail: @Sendable (GroupFailure) -> Void
        /// When it came, if it may be taken back; nil if it must run.
        let withdrawableSince: ContinuousClock.Instant?
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
    ///   - fail: called instead of the work's own completion when nothing was committed.
    public func submit(
        withdrawable: Bool = false, _ work: @escaping Work,
        orElse fail: @escaping @Sendable (GroupFailure) -> Void
    ) {
        let job = Job(
            work: work, fail: fail,
            withdrawableSince: withdrawable ? ContinuousClock.now : nil)
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

    /// Takes the state by reference, so that nobody else holds it when it is to be closed.
    private func run(_ state: inout State?) {
        var hasUpkeep = true
        while true {
            let (jobs, isStopping) = take()
            if !jobs.isEmpty {
                perform(jobs, on: &state)
                hasUpkeep = true
            } else if isStopping {
                break
            } else if hasUpkeep, state != nil {
                hasUpkeep = keepUp(&state)
            } else {
                signal.wait()
            }
        }
        state = nil
        let waiting = mailbox.withLock { mailbox in
            mailbox.hasStopped = true
            defer { mailbox.whenStopped = [] }
            return mailbox.whenStopped
        }
        for done in waiting { done() }
    }

    private func take() -> ([Job], isStopping: Bool) {
        mailbox.withLock { mailbox in
            defer { mailbox.jobs = [] }
            return (mailbox.jobs, mailbox.isStopping)
        }
    }

    private func perform(_ jobs: [Job], on state: inout State?) {
        var completions: [@Sendable () -> Void] = []
        completions.reserveCapacity(jobs.count)
        do {
            let current = try state ?? open()
            state = current
            try current.begin()
            for job in jobs { completions.append(try job.work(current)) }
            try current.commit()
        } catch {
            state = nil
            report(error)
            for job in jobs { job.fail(.refused("\(error)")) }
            return
        }
        for completion in completions { completion() }
        state?.rest()
    }

    private func keepUp(_ state: inout State?) -> Bool {
        do {
            let hasMore = try state?.upkeep() ?? false
            state?.rest()
            return hasMore
        } catch {
            state = nil
            report(error)
            return false
        }
    }
}

/// Why submitted work was not committed.
public enum GroupFailure: Error, Sendable {
    /// The database refused; the text says how.
    case refused(String)
    /// It waited too long and was taken back.
    case withdrawn
    /// The committer is stopping or has stopped.
    case stopped
}

extension GroupState {
    /// Nothing to do.
    public func rest() {}
}

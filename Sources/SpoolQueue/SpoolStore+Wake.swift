internal import SpoolCore
internal import SpoolSQLite

/// Waking: events whose wait is over become ready, in bounded steps.
///
/// A crash between two steps loses the list of names to wake, not the waiters: a start makes the list
/// anew from the table.
extension SpoolStore {
    /// Wakes the children of some names, at most ``Limits/rowsPerStepMax`` rows.
    func wakeStep() throws {
        if waitingCount == 0 { wakes.removeAll() }
        guard !wakes.isEmpty else { return }
        let now = clock()
        var left = Limits.rowsPerStepMax
        while left > 0, let key = wakes.last {
            let woken = try releaseRows(
                statements.wakeChildren, limit: left, at: now,
                bind: { $0.bind(1, key.rawValue) })
            left -= woken
            guard left > 0 else { break }
            wakes.removeLast()
            try wakeEffects(of: key)
        }
    }

    /// Wakes the next effects on a log: the first, and where that is feedback the feedback right after
    /// it, which may share its request.
    private func wakeEffects(of key: ReferenceKey) throws {
        guard waitingCount > 0 else { return }
        let effects = statements.effectsOf
        effects.bind(1, key.rawValue)
        effects.bind(2, Int64(Limits.batchEventsMax))
        var woken: [Waiter] = []
        var isFirst = true
        while try effects.step() {
            let isFeedback = effects.integer(2) == Int64(EventKind.feedback.rawValue)
            guard isFirst || isFeedback else { break }
            if effects.optionalInteger(3) == key.rawValue {
                woken.append(Waiter(effects, waitedForName: true))
            }
            isFirst = false
            if !isFeedback { break }
        }
        effects.reset()
        try release(woken, at: clock())
    }

    /// Wakes what waited for a time that has come.
    func wakeDue(at now: Timestamp) throws {
        guard let next = try nextTimed(), next <= now else { return }
        _ = try releaseRows(
            statements.dueEvents, limit: Limits.rowsPerStepMax, at: now,
            bind: { $0.bind(1, now.milliseconds) })
    }

    /// Wakes what waits for a time in lanes that are parked no more; not who waits for a name. What upstream
    /// has refused more than once may be why its lane was parked: it waits on, but no longer than any backoff,
    /// unless everything is set free.
    func setFree(_ scopes: [ProbeScope], at now: Timestamp) throws {
        guard !scopes.isEmpty, try nextTimed() != nil else { return }
        let timed = try connection.prepare(
            """
            SELECT sequence, lane, 0, attempts FROM event
            WHERE not_before IS NOT NULL AND waits_on IS NULL
            """)
        var free: [Waiter] = []
        var suspects: [EventSequence] = []
        while try timed.step() {
            let row = Waiter(timed, waitedForName: false)
            for scope in scopes {
                switch scope {
                case .everywhere: break
                case .lanes(let lanes): guard lanes.contains(row.lane) else { continue }
                case .route(let route): guard lanes[row.lane].route == route else { continue }
                }
                if scope != .everywhere, timed.integer(3) > 1 {
                    suspects.append(row.sequence)
                } else {
                    free.append(row)
                }
                break
            }
        }
        let shorten = try connection.prepare(
            "UPDATE event SET not_before = min(not_before, ?) WHERE sequence = ?")
        for sequence in suspects {
            shorten.bind(1, (now + Limits.backoffMax).milliseconds)
            shorten.bind(2, sequence.rawValue)
            try shorten.run()
        }
        try release(free, at: now)
    }

    /// Where the wall clock was set since the last transaction, whoever waits for a time waits as long as it
    /// would have: retries go by the monotonic clock.
    func followClock() throws {
        let now = clock()
        let instant = settings.instant()
        let jump = (now - followed.wall) - (instant - followed.instant)
        followed = (now, instant)
        guard jump > Self.jumpMin || jump < .zero - Self.jumpMin else { return }
        let shift = try connection.prepare(
            "UPDATE event SET not_before = not_before + ? WHERE not_before IS NOT NULL")
        shift.bind(1, jump.wholeMilliseconds)
        try shift.run()
        lanes.shift(by: jump)
    }

    /// A smaller difference between the clocks is no jump: they are read one after the other.
    private static let jumpMin = Duration.seconds(1)

    /// When the next event that waits for a time may be looked at.
    func nextTimed() throws -> Timestamp? {
        defer { statements.nextTimed.reset() }
        guard try statements.nextTimed.step() else { return nil }
        return statements.nextTimed.optionalInteger(0).map(Timestamp.init(milliseconds:))
    }

    /// Releases the rows a statement names: sequence and lane, limited by its second value.
    private func releaseRows(
        _ select: Statement, limit: Int, at now: Timestamp, bind: (Statement) -> Void
    ) throws -> Int {
        bind(select)
        select.bind(2, Int64(limit))
        var rows: [Waiter] = []
        while try select.step() {
            rows.append(Waiter(select, waitedForName: select.integer(2) != 0))
        }
        try release(rows, at: now)
        return rows.count
    }

    private func release(_ rows: [Waiter], at now: Timestamp) throws {
        for row in rows {
            statements.release.bind(1, row.sequence.rawValue)
            try statements.release.run()
            if row.waitedForName { waitingCount -= 1 }
            lanes.ready(row.lane, 1, from: row.sequence, at: now)
        }
        assert(waitingCount >= 0, "\(waitingCount) events wait")
    }

    private struct Waiter {
        let sequence: EventSequence
        let lane: Int64
        let waitedForName: Bool

        /// Reads sequence and lane from the first two columns.
        init(_ row: Statement, waitedForName: Bool) {
            sequence = EventSequence(rawValue: row.integer(0))
            lane = row.integer(1)
            self.waitedForName = waitedForName
        }
    }
}

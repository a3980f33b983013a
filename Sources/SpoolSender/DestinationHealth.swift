internal import SpoolCore

/// Whether the destination may be tried, and how hard.
///
/// Several requests are under way at a time, and one outage fails them all: only the first failure of a
/// *stretch* counts, and an answer to a request of an earlier stretch says nothing about this one.
struct DestinationHealth: Equatable, Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The states, and the moves out of them.
    enum State: Equatable, Sendable {
        /// Answers as it should. A failure → `backingOff`, a park → `parked`.
        case steady
        /// Nothing is sent until then, afterwards one request at a time. Any answer → `steady`,
        /// another failure → `backingOff` for longer.
        case backingOff(until: Instant)
        /// Nothing is sent until then, afterwards one event. A 2xx → `steady`, all else → `parked`
        /// for longer.
        case parked(Park, until: Instant)
    }

    /// What may be sent now.
    enum Mode: Equatable {
        /// As much as the pacer allows.
        case open
        /// One request at a time; `gently`, with a single event in it.
        case one(gently: Bool)
        /// Nothing.
        case closed
    }

    private(set) var state = State.steady
    /// Failures in a row.
    private(set) var failures = 0
    /// Those of them that were questions.
    private var questionFailures = 0
    /// Names the current stretch; requests remember the stretch they were sent in.
    private(set) var stretch = 0
    /// Whether the last failure left its events in doubt: then a whole batch is too much to try with.
    private(set) var isDoubtful = false

    /// What may be sent at `now`.
    func mode(at now: Instant) -> Mode {
        switch state {
        case .steady: .open
        case .backingOff(let until): now < until ? .closed : .one(gently: isDoubtful)
        case .parked(_, let until): now < until ? .closed : .one(gently: true)
        }
    }

    /// Why nothing is delivered although upstream answers.
    var park: Park? {
        if case .parked(let park, _) = state { park } else { nil }
    }

    /// When it may be tried again; nil while steady.
    var until: Instant? {
        switch state {
        case .steady: nil
        case .backingOff(let until), .parked(_, let until): until
        }
    }

    /// A request sent in `stretch` was answered by a 2xx.
    mutating func succeeded(sentIn stretch: Int) {
        guard stretch == self.stretch else { return }
        failures = 0
        questionFailures = 0
        state = .steady
    }

    /// A request sent in `stretch` was answered by something that says nothing against the destination; a
    /// park only a 2xx ends, so it goes on for longer, now for the reason `park` if there is one.
    mutating func answered(
        sentIn stretch: Int, saying park: Park? = nil, at now: Instant,
        using generator: inout some RandomNumberGenerator
    ) {
        if let before = self.park {
            guard stretch == self.stretch else { return }
            self.park(park ?? before, sentIn: stretch, at: now, using: &generator)
        } else {
            succeeded(sentIn: stretch)
        }
    }

    /// A question sent in `stretch` was answered, so that requests may go again. How often questions have
    /// failed is forgotten; how often deliveries have is not: they may fail on.
    mutating func answeredQuestion(sentIn stretch: Int) {
        guard stretch == self.stretch, park == nil else { return }
        state = .steady
        failures -= questionFailures
        questionFailures = 0
    }

    /// A request sent in `stretch` failed. Returns whether that is news.
    mutating func failed(
        sentIn stretch: Int, isDoubtful: Bool, isQuestion: Bool = false, retryAfter: Duration?,
        at now: Instant, using generator: inout some RandomNumberGenerator
    ) -> Bool {
        guard stretch == self.stretch else {
            // An answer of before says nothing new, but for how long upstream asks to be left alone.
            if let retryAfter { rest(until: max(until ?? now, now + retryAfter)) }
            return false
        }
        begin(isDoubtful: isDoubtful)
        if isQuestion { questionFailures += 1 }
        let delay = RetryPolicy.delay(failures: failures, atLeast: retryAfter, using: &generator)
        rest(until: now + delay)
        return true
    }

    /// A request sent in `stretch` was refused in a way that all others would be.
    mutating func park(
        _ park: Park, sentIn stretch: Int, at now: Instant,
        using generator: inout some RandomNumberGenerator
    ) {
        guard self.park == nil || stretch == self.stretch else { return }
        begin(isDoubtful: true)
        let delay = RetryPolicy.delay(failures: failures, using: &generator)
        state = .parked(park, until: now + delay)
    }

    /// Takes over how an earlier run has left the destination.
    mutating func restore(_ state: State, failures: Int, isDoubtful: Bool) {
        self.state = state
        self.failures = failures
        questionFailures = 0
        self.isDoubtful = isDoubtful
    }

    /// It may be tried at once.
    mutating func resume(at now: Instant) {
        if until != nil { rest(until: now) }
    }

    private mutating func begin(isDoubtful: Bool) {
        failures += 1
        stretch += 1
        self.isDoubtful = isDoubtful
    }

    private mutating func rest(until: Instant) {
        state = park.map { .parked($0, until: until) } ?? .backingOff(until: until)
    }
}

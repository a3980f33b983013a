package import SpoolCore

/// Everything the sender decides between queue and upstream: events in, actions out.
///
/// No I/O, no clock, no thread: the driver (``Sender``) brings each event with its moment and performs
/// the actions. All waiting is instants in the state; after every event ``advance()`` does what is due,
/// and one wake-up is asked for the earliest instant that is left. A wake-up too many does no harm.
///
/// Its invariants, with ``Limits``:
/// - a lease is held until every event of it is settled and committed; a refused commit is tried again;
/// - at most ``SenderSettings/inFlight`` deliveries are under way, and as many leases open, beside at most
///   ``SenderSettings/doubtsMax`` in doubt, or ``SenderSettings/stuckDoubtsMax`` where no question is answered;
/// - what names a log by reference is sent only with the id that upstream gave for it;
/// - nothing in doubt goes back to the queue before it was asked about, or counted;
/// - no event is given up because of time or attempts;
/// - a stop always ends in ``Action/stopped``.
package struct SenderMachine: Sendable {
    package typealias Instant = ContinuousClock.Instant

    /// Names a request under way.
    package typealias ExchangeID = Int

    /// The two clocks, read together.
    package struct Moment: Sendable {
        package let instant: Instant
        package let wall: Timestamp

        package init(instant: Instant, wall: Timestamp) {
            self.instant = instant
            self.wall = wall
        }
    }

    /// What can happen to the sender.
    package enum Event: Sendable {
        case start
        case recalled(Recollection)
        case leased(LeaseAnswer, LeasePurpose)
        case workArrived
        case exchanged(ExchangeID, UpstreamOutcome)
        case settled(lease: Int64, SettleOutcome)
        /// Somebody has mended something: what is parked or backing off is tried at once.
        case resume
        case woke(Int)
        case stop
    }

    /// What the driver has to do.
    package enum Action: Sendable {
        case recall
        case lease(LeaseWish, LeasePurpose)
        case exchange(ExchangeID, UpstreamRequest)
        case settle(Settlement)
        case keep(notes: String)
        case wake(Int, after: Duration)
        case stopped
    }

    /// What a wish to the queue is for; comes back with its answer.
    package enum LeasePurpose: Sendable {
        /// The next batch.
        case batch
        /// One event of something that is parked, to see whether it still has to be.
        case probe(ProbeScope)
    }

    /// The machine's own life.
    enum Life: Equatable, Sendable {
        case idle
        case running
        case stopping(until: Instant)
        case stopped
    }

    let settings: SenderSettings
    var generator: any RandomNumberGenerator & Sendable
    var now: Moment
    var life = Life.idle
    var actions: [Action] = []

    var leases: [Int64: OpenLease] = [:]
    var exchanges: [ExchangeID: OpenExchange] = [:]
    var exchangesBegun = 0
    var supply = Supply()
    var health = DestinationHealth()
    var pacer: Pacer
    var parks = Parks()
    /// What was parked at the last wish, and what the queue is still to be told is parked no more.
    var parkedBefore: Set<Parks.Scope> = []
    var wasParked = false
    var freed: [ProbeScope] = []
    var lanes = LaneHistory()
    var rights = LaneRights()
    /// Lanes whose last request failed while others succeeded.
    var failingLanes: Set<Int64> = []
    /// Events that failed alone, by their own trouble, since the last success.
    var troubled: Set<EventSequence> = []
    var batchSize: BatchSize
    var answeredRoutes: Set<Route> = []
    var calibrator: Calibrator
    var asking = Asking()
    /// Since when upstream has not known what an event names.
    var graces = Graces()
    /// Logs in doubt that were sent again on the word of an upstream whose word is not proven yet.
    var sentUnproven: [EventKind: Int] = [:]
    /// What was last handed over to be kept, and when something may be again without a settlement.
    var keptNotes: SenderNotes?
    var keepAt: Instant
    var tally = SenderSnapshot.Tally()
    var trouble: SenderSnapshot.Trouble?
    /// How the last question that brought no clear answer ended.
    var questionTrouble: SenderSnapshot.Trouble?
    /// What upstream said last, because of which the destination is parked as a whole.
    var parkTrouble: SenderSnapshot.Trouble?
    /// The wake-up that is asked for; one that an earlier one has overtaken is ignored.
    private var wakeAt: Instant?
    private var wakesBegun = 0

    /// A machine that has seen nothing yet.
    package init(
        settings: SenderSettings, generator: any RandomNumberGenerator & Sendable, at now: Moment
    ) {
        self.settings = settings
        self.generator = generator
        self.now = now
        self.pacer = Pacer(settings.inFlight)
        self.batchSize = BatchSize(bytesMax: settings.batchBytesMax)
        self.calibrator = Calibrator()
        self.keepAt = now.instant
        self.keptNotes = notes
    }

    /// Whether nothing will ever be done again.
    package var isStopped: Bool { life == .stopped }

    /// Takes one event; returns what is to be done now, in order.
    package mutating func handle(_ event: Event, at moment: Moment) -> [Action] {
        guard life != .stopped else { return [] }
        now = moment
        switch event {
        case .start: start()
        case .recalled(let recollection): recalled(recollection)
        case .leased(let answer, let purpose): leased(answer, purpose)
        case .workArrived: refilled()
        case .exchanged(let id, let outcome): exchanged(id, outcome)
        case .settled(let lease, let outcome): settled(lease, outcome)
        case .resume: resume()
        case .woke(let number): if number == wakesBegun { wakeAt = nil }
        case .stop: stop()
        }
        advance()
        defer { actions = [] }
        return actions
    }

    /// Does what is due.
    private mutating func advance() {
        settleAgain()
        sendLeases()
        if life == .running {
            examine()
            resolveDoubts()
            makeRoom()
            askForLeases()
        }
        keepNotes()
        finishStop()
        scheduleWake()
    }

    private mutating func start() {
        precondition(life == .idle, "the sender was started in \(life)")
        life = .running
        supply.isRecalling = true
        actions.append(.recall)
    }

    /// What an earlier run left under way is in doubt: asked about once nothing of it can still be
    /// travelling.
    private mutating func recalled(_ recollection: Recollection) {
        supply.isRecalling = false
        answeredRoutes = recollection.answeredRoutes
        calibrator.recall(recollection, at: now.instant)
        let remembered = restore(recollection.notes)
        let believedAt = now.instant + settings.inDoubtWait
        for lease in recollection.leases {
            let kept = remembered[lease.id]
            let doubt = OpenLease.Doubt(
                believedAt: max(believedAt, kept?.believedAt ?? believedAt),
                splits: kept?.splits ?? false)
            leases[lease.id] = OpenLease(lease, phase: .inDoubt(doubt))
            forgetBodies(lease.id)
        }
        keptNotes = notes
    }

    /// The queue may have something to give again.
    mutating func refilled() {
        supply.refilled()
        parks.refilled()
    }

    /// Tries at once what waits because something failed. What waits because it might still arrive, or
    /// for its cause, goes on waiting.
    private mutating func resume() {
        health.resume(at: now.instant)
        parks.resume(at: now.instant)
        lanes.resume()
        freed = [.everywhere]
        asking.resume()
        calibrator.resume(at: now.instant)
        for (id, open) in leases {
            guard case .inDoubt(var doubt) = open.phase, !doubt.isAsking else { continue }
            doubt.resolveAt = doubt.believedAt
            leases[id]?.phase = .inDoubt(doubt)
        }
        supply.refilled()
    }

    // MARK: Requests

    mutating func exchange(_ request: UpstreamRequest, for purpose: OpenExchange.Purpose) {
        exchangesBegun += 1
        exchanges[exchangesBegun] = OpenExchange(
            purpose: purpose, stretch: health.stretch, sentAt: now.instant)
        actions.append(.exchange(exchangesBegun, request))
    }

    private mutating func exchanged(_ id: ExchangeID, _ outcome: UpstreamOutcome) {
        guard let exchange = exchanges.removeValue(forKey: id) else {
            preconditionFailure("request \(id) has no outcome to expect")
        }
        tally.requests += 1
        switch exchange.purpose {
        case .delivery(let lease, let places):
            delivered(lease, places: places, outcome, exchange)
        case .question(let lease, let place, let facts):
            answered(lease, place: place, facts, outcome, sentIn: exchange.stretch)
        case .resolution(let lease, let place):
            resolved(lease, place: place, outcome, sentIn: exchange.stretch)
        case .examination:
            examined(outcome, sentIn: exchange.stretch)
        }
    }

    // MARK: Time

    private mutating func scheduleWake() {
        guard life != .stopped, let due = nextDue else { return }
        if let wakeAt, wakeAt <= due { return }
        wakeAt = due
        wakesBegun += 1
        actions.append(.wake(wakesBegun, after: due - now.instant))
    }

    /// The earliest instant at which something waits for time alone.
    private var nextDue: Instant? {
        var due = leases.values.compactMap { open -> Instant? in
            switch open.phase {
            case .inDoubt(let doubt): doubt.resolveAt
            case .unsettled(_, _, let again): again
            case .resolving, .sending, .settling: nil
            }
        }
        if case .stopping(let until) = life { due.append(until) }
        due += [
            health.until, supply.againAt, parks.probeAt, calibrator.examineAt, asking.notBefore,
            notesDue,
        ].compactMap { $0 }
        return due.filter { $0 > now.instant }.min()
    }

    // MARK: Stop

    private mutating func stop() {
        switch life {
        case .idle: finish()
        case .running:
            life = .stopping(until: now.instant + settings.stopTimeout)
            for id in leases.keys.sorted() { concludeKnown(id) }
        case .stopping, .stopped: break
        }
    }

    /// What is still in doubt stays in flight: the next start finds it.
    private mutating func finishStop() {
        guard case .stopping(let until) = life else { return }
        let isQuiet =
            exchanges.isEmpty && !supply.isAsked
            && leases.values.allSatisfy(\.isInDoubt)
        if isQuiet || now.instant >= until { finish() }
    }

    private mutating func finish() {
        if life != .idle, !supply.isRecalling, let text = takeNotes() {
            actions.append(.keep(notes: text))
        }
        life = .stopped
        actions.append(.stopped)
    }
}

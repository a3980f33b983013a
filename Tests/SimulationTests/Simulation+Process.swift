import SpoolCore
import SpoolSQLite
import SpoolSender
import SpoolTestKit

@testable import SpoolQueue

/// The daemon's process: the sender between queue and upstream, its starts, stops and deaths.
extension Simulation {
    /// The daemon starts, if it does not run.
    func start() throws {
        guard machine == nil else { return }
        note("start")
        do {
            try spool.start()
        } catch let error as SQLiteError where spool.isFailing {
            note("the disk is still failing: \(error)")
            saw(.diskStillFailing)
            spool.stop()
            return plan(.start, after: anyDuration(upTo: .seconds(20)))
        }
        try learnWhatIsOnDisk()
        startedAt = time.instant
        machine = SenderMachine(
            settings: climate.settings, generator: SeededRandom(seed: random.next()), at: moment)
        try give(.start)
    }

    private var moment: SenderMachine.Moment { .init(instant: time.instant, wall: time.wall) }

    /// Gives the sender an event and performs what it decides, as its driver would.
    func give(_ event: SenderMachine.Event) throws {
        if case .exchanged(let id, let outcome) = event {
            note("outcome of \(id): \(outcome.inBrief)", Int64(id))
            underWay.remove(id)
        }
        guard let actions = machine?.handle(event, at: moment) else { return }
        for action in actions {
            try perform(action)
            guard machine != nil else { return }
            if !isCalm, chance(perMille: climate.crashesBetweenActions) {
                saw(.crashBetweenActions)
                return try crash()
            }
        }
    }

    private func perform(_ action: SenderMachine.Action) throws {
        switch action {
        case .recall: submit(.recall)
        case .lease(let wish, let purpose):
            note("wishes for \(wish.eventsMax) but of \(wish.parkedLanes), probe \(wish.isProbe)")
            submit(.lease(wish, purpose))
        case .exchange(let id, let request): try send(id, request)
        case .settle(var settlement):
            note("settles \(settlement.inBrief)", settlement.lease)
            spoil(&settlement)
            submit(.settle(settlement))
        case .keep(let notes): submit(.keep(notes: notes))
        case .wake(let number, let delay):
            note("wants to be woken after \(delay)")
            plan(.event(.woke(number)), after: delay)
        case .stopped: try stopped()
        }
    }

    private func spoil(_ settlement: inout Settlement) {
        if canary == .forgetsDuplicates { settlement.possibleDuplicates = 0 }
        guard canary == .swapsIDs, settlement.delivered.count > 1 else { return }
        let (first, second) = (settlement.delivered[0], settlement.delivered[1])
        settlement.delivered[0] = .init(sequence: first.sequence, id: second.id, projectID: nil)
        settlement.delivered[1] = .init(sequence: second.sequence, id: first.id, projectID: nil)
    }

    // MARK: Its end

    /// The operator stops the daemon.
    func stop() {
        guard machine != nil, stopAskedAt == nil else { return }
        note("stop")
        saw(.gracefulStop)
        stopAskedAt = time.instant
        plan(.event(.stop), after: .zero)
    }

    /// The sender has stopped: what was submitted is committed, and the file is closed.
    private func stopped() throws {
        note("stopped")
        guard let asked = stopAskedAt else { throw Violation("the sender stopped unasked") }
        guard time.instant - asked <= climate.settings.stopTimeout + .seconds(1) else {
            throw Violation("the stop took \(time.instant - asked)")
        }
        if !books.leases.isEmpty { saw(.stopInDoubt) }
        end()
        spool.stop()
        plan(.start, after: anyDuration(upTo: .seconds(20)))
    }

    /// The process dies, by itself or with the power.
    func crash(_ death: SimulatedSpool.Death? = nil) throws {
        guard machine != nil else { return }
        let death = death ?? anyDeath()
        note("crash: \(death)")
        if case .powerCut = death { saw(.powerCut) } else { saw(.crash) }
        end()
        try spool.die(death)
        plan(.start, after: anyDuration(upTo: .seconds(20)))
    }

    /// Nothing that was to happen to this process happens any more. Requests that it has written reach
    /// upstream, or do not: within the time that `in_doubt_wait` allows for, as the guarantees say.
    private func end() {
        machine = nil
        jobs = []
        isCommitPlanned = false
        underWay = []
        stopAskedAt = nil
        agenda.cancel {
            switch $0 {
            case .event, .commitGroup, .upkeep: true
            default: false
            }
        }
        let travelling = agenda.take {
            switch $0 {
            case .reaches, .appliesUnseen: true
            default: false
            }
        }
        for (at, step) in travelling {
            let latest = min(at, time.instant + climate.settings.inDoubtWait - .milliseconds(100))
            switch step {
            case .appliesUnseen(let exchange): agenda.plan(.appliesUnseen(exchange), at: latest)
            case .reaches(_, let exchange, let reply):
                guard reply.applies == .all, Bool.random(using: &random) else { continue }
                agenda.plan(.appliesUnseen(exchange), at: latest)
            default: preconditionFailure("\(step) does not travel")
            }
        }
    }
}

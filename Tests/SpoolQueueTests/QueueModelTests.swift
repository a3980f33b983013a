import SpoolCore
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// The real queue on a real file against a naive model, one random action at a time, with the death of
/// the process among the actions: in the middle of a transaction, and between two.
@Suite("The queue against a model")
struct QueueModelTests {
    @Test("agrees over random histories with crashes", arguments: 1...16)
    func agrees(seed: UInt64) throws {
        var run = try ModelRun(seed: seed)
        for _ in 0..<250 { try run.step() }
        try run.finish()
        #expect(run.model.crashes > 0, "seed \(seed) never crashed: the test proves little")
        #expect(run.spool.recoveries == run.model.crashes, "seed \(seed): a crash tidied up")
        #expect(run.model.delivered > 20, "seed \(seed) delivered next to nothing")
    }

    @Test("meets replays, discards and split groups in some histories")
    func isThorough() throws {
        var (replays, discards, splits) = (0, 0, 0)
        for seed in UInt64(1)...12 {
            var run = try ModelRun(seed: seed)
            for _ in 0..<200 { try run.step() }
            replays += run.model.replays
            discards += run.model.discards
            splits += run.model.splits
        }
        #expect(replays > 0 && discards > 0 && splits > 0, "\(replays), \(discards), \(splits)")
    }
}

private struct ModelRun {
    let seed: UInt64
    let spool: TestSpool
    var model = QueueModel()
    private var random: SeededRandom
    private var names: [String] = []
    private var logs: [EventSequence] = []
    private var sessions: [EventSequence] = []
    private var open: [Int64: Lease] = [:]
    /// Events whose death by a dead cause was judged.
    private var doomed: Set<EventSequence> = []

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededRandom(seed: seed)
        // Small, so that a death meets spilled pages, checkpoints, and a log that began anew.
        spool = try TestSpool(pragmas: "PRAGMA cache_size = 10; PRAGMA wal_autocheckpoint = 20")
    }

    mutating func step() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<40: try append()
        case ..<65: try lease()
        case ..<88: try settle()
        case 88: try replay()
        case 89: try discard()
        case ..<93: spool.time.advance(.milliseconds(Int.random(in: 1...4000, using: &random)))
        case ..<96: _ = try spool.store.upkeep()
        default: try crash()
        }
        try check()
    }

    // MARK: Actions

    private mutating func randomEvents() -> [TestEvent] {
        (0..<Int.random(in: 1...6, using: &random)).map { _ in
            let project = ["a", "b", "c"].randomElement(using: &random)!
            switch Int.random(in: 0..<14, using: &random) {
            case ..<5:
                let name = "n\(names.count)"
                names.append(name)
                return .log(name, project: project)
            case 5: return .log(names.randomElement(using: &random), project: project)
            case 6:
                // Sometimes a parent that is still to come, or never comes.
                let parent = "n\(Int.random(in: 0...(names.count + 4), using: &random))"
                let name = "n\(names.count)"
                names.append(name)
                return .log(name, parent: parent == name ? nil : parent, project: project)
            case 7:
                let name = "n\(names.count)"
                names.append(name)
                return logs.randomElement(using: &random).map { .child(of: $0, name) } ?? .log(name)
            case 8: return .newSession
            case 9:
                var event = TestEvent.log(nil, project: project)
                event.session = sessions.randomElement(using: &random).map { .provisional($0) }
                return event
            case 10:
                let name = "n\(names.count)"
                names.append(name)
                return TestEvent(kind: .evaluationLog, project: project, reference: name)
            case 11:
                return logs.randomElement(using: &random).map { .result(on: $0) } ?? .log("first")
            case 12: return .update("n\(Int.random(in: 0...(names.count + 1), using: &random))")
            default:
                return logs.randomElement(using: &random).map { .feedback(on: $0) } ?? .log("first")
            }
        }
    }

    private mutating func append() throws {
        let events = randomEvents()
        let caller = Bool.random(using: &random) ? "uid:1" : "uid:2"
        let sequences = try spool.append(events, by: caller)
        for (sequence, event) in zip(sequences, events) {
            if event.kind.isLog { logs.append(sequence) }
            if event.kind == .session { sessions.append(sequence) }
            var entry = QueueModel.Event(
                sequence: sequence, event: event, acceptedAt: spool.time.now, state: .queued,
                name: name(of: event, sequence))
            let known = model.causes(of: entry)
            let isHere = known.contains(.held) || known.contains(.delivered)
            entry.isElsewhere = event.kind == .update && !isHere
            model.events[sequence] = entry
        }
    }

    private func name(of event: TestEvent, _ sequence: EventSequence) -> String {
        if event.kind.isLog { return event.reference ?? "minted \(sequence.rawValue)" }
        switch event.cause {
        case .reference(let name): return name
        case .event(let log): return model.events[log]?.name ?? "lost \(log.rawValue)"
        case nil, .project, .foreign: return "none \(sequence.rawValue)"
        }
    }

    private mutating func lease() throws {
        let lanes = spool.store.lanes.all.keys.sorted()
        let parked = lanes.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
        let wish = LeaseWish(
            eventsMax: Int.random(in: 1...8, using: &random), linger: .zero,
            parkedLanes: Set(parked))
        let lease = try spool.lease(wish)
        try buryTheDoomed()
        try giveUpTheForsaken()
        guard let lease else { return }
        try check(lease, wish)
        for event in lease.events {
            if case .grouped(let group) = model.events[event.sequence]?.state {
                model.split(group, by: lease.events.map(\.sequence))
            }
            model.events[event.sequence]?.state = .leased(lease.id)
        }
        open[lease.id] = lease
    }

    private mutating func settle() throws {
        guard let lease = open.values.sorted(by: { $0.id < $1.id }).randomElement(using: &random)
        else { return }
        var settlement = Settlement(lease: lease.id)
        settlement.routeAnswered = true
        var group: [EventSequence] = []
        // Sometimes upstream refuses all of it, and names nobody.
        let isRefused = Int.random(in: 0..<5, using: &random) == 0
        for event in lease.events where model.events[event.sequence]?.state == .leased(lease.id) {
            let sequence = event.sequence
            switch isRefused ? 16 : Int.random(in: 0..<20, using: &random) {
            case ..<13:
                settlement.delivered.append(
                    .init(sequence: sequence, id: "data_up\(sequence.rawValue)", projectID: nil))
                model.events[sequence]?.state = .delivered
            case ..<15:
                settlement.returned.append(.init(sequence: sequence))
                model.events[sequence]?.state = .queued
            case 15:
                let until = spool.time.now + .milliseconds(1500)
                settlement.returned.append(
                    .init(sequence: sequence, notBefore: until, countsAttempt: true))
                model.events[sequence]?.state = .delayed(until)
            case ..<18: group.append(sequence)
            case 18:
                settlement.dead.append(
                    .init(sequence: sequence, reason: .refused, status: 400, words: "no"))
                model.events[sequence]?.state = .dead
            default: break
            }
        }
        if !group.isEmpty {
            settlement.regrouped = [group]
            for sequence in group { model.events[sequence]?.state = .grouped(group) }
        }
        try spool.settle(settlement)
        let isLeft = lease.events.contains {
            model.events[$0.sequence]?.state == .leased(lease.id)
        }
        if !isLeft { open[lease.id] = nil }
    }

    /// The operator puts every dead letter back.
    private mutating func replay() throws {
        let step = try spool.commit { try $0.replay(DeadFilter(), after: nil) }
        for sequence in step.matches {
            #expect(model.events[sequence]?.state == .dead, "seed \(seed): \(sequence.rawValue)")
            model.events[sequence]?.state = .queued
            model.events[sequence]?.acceptedAt = spool.time.now
            doomed.remove(sequence)
        }
        #expect(model.dead == 0, "seed \(seed): \(model.dead) were not revived")
        if !step.matches.isEmpty { model.replays += 1 }
    }

    /// An app deletes a log: of several that share a name none, because effects are theirs together.
    private mutating func discard() throws {
        let unique = logs.filter { log in
            model.events[log].map { model.logs(named: $0.name).count == 1 } ?? false
        }
        guard let log = unique.randomElement(using: &random) else { return }
        let wasHeld = model.events[log]?.isHeld ?? false
        let outcome = try spool.commit { try $0.discard([log]) }
        guard outcome == .discarded, wasHeld else { return }
        let until = EventSequence(rawValue: spool.store.nextSequence)
        model.events[log]?.state = .discarded(until: until)
        model.discards += 1
        try giveUpTheForsaken()
    }

    private mutating func crash() throws {
        model.crashes += 1
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            let lost = TestEvent.submission(randomEvents(), identity: spool.store.identity)
            try spool.crash(during: { _ = try $0.append(lost).get() })
        case 1: try spool.crash(during: { _ = try $0.lease(LeaseWish(linger: .zero)) })
        default: try spool.crash()
        }
        let recalled = try spool.commit { try $0.recall() }.leases
        #expect(Set(recalled.map(\.id)) == Set(open.keys), "seed \(seed)")
        for lease in recalled {
            let left = open[lease.id]?.events.map(\.sequence).filter {
                model.events[$0]?.state == .leased(lease.id)
            }
            #expect(lease.events.map(\.sequence) == left, "seed \(seed)")
        }
    }

    // MARK: Checks

    /// Every event of a lease was free to go, and none of them went before its cause.
    private func check(_ lease: Lease, _ wish: LeaseWish) throws {
        let sequences = Set(lease.events.map(\.sequence))
        #expect(sequences.count == lease.events.count, "seed \(seed): twice in one lease")
        for leased in lease.events {
            let event = try #require(model.events[leased.sequence])
            #expect(event.event.kind.route == lease.route, "seed \(seed)")
            #expect(!wish.parkedLanes.contains(leased.lane), "seed \(seed): a parked lane gave")
            switch event.state {
            case .queued: #expect(!lease.isRegrouped)
            case .delayed(let until): #expect(until <= spool.time.now, "seed \(seed): too early")
            case .grouped(let group):
                #expect(sequences.isSubset(of: group), "seed \(seed): a group in other company")
                checkOrder(of: event, in: sequences)
                continue
            default: Issue.record("seed \(seed): \(event) leased though \(event.state)")
            }
            let causes = model.causes(of: event)
            #expect(!causes.contains(.held), "seed \(seed): \(event) before its cause")
            #expect(!causes.contains(.dead), "seed \(seed): \(event) after its cause died")
            #expect(!causes.contains(.discarded), "seed \(seed): \(event) after its cause left")
            let isUnknown = causes.contains(.unknown)
            #expect(leased.namesUnknownLog == isUnknown, "seed \(seed): \(event)")
            if isUnknown {
                let wait = spool.time.now - event.acceptedAt
                #expect(wait >= Limits.unknownCauseWait, "seed \(seed): \(event) after \(wait)")
            }
            checkOrder(of: event, in: sequences)
        }
        // What a group's members name may have come or gone since they travelled together.
        guard !lease.isRegrouped else { return }
        #expect(Set(lease.events.map(\.namesUnknownLog)).count == 1, "seed \(seed): mixed company")
        #expect(lease.events.count <= wish.eventsMax, "seed \(seed)")
    }

    /// No effect goes before an earlier one on the same log.
    private func checkOrder(of event: QueueModel.Event, in lease: Set<EventSequence>) {
        guard event.event.kind.isEffect else { return }
        let prior = model.priorEffects(of: event).filter { !lease.contains($0.sequence) }
        #expect(prior.isEmpty, "seed \(seed): \(event) before \(prior)")
    }

    /// Moves over the deaths that the queue decided by itself: of events that are their own ancestors,
    /// and of those whose cause is dead.
    private mutating func buryTheDoomed() throws {
        let rows = try spool.store.connection.prepare(
            "SELECT sequence, reason FROM dead WHERE status IS NULL ORDER BY died_at, rowid")
        var deaths: [(EventSequence, String)] = []
        while try rows.step() {
            deaths.append((EventSequence(rawValue: rows.integer(0)), rows.text(1)))
        }
        for (sequence, reason) in deaths where reason == DeadLetterReason.causeCycle.rawValue {
            guard let event = model.events[sequence], event.state != .dead else { continue }
            #expect(model.isOwnAncestor(event), "seed \(seed): \(event) is in no circle")
            model.events[sequence]?.state = .dead
        }
        for (sequence, reason) in deaths where model.events[sequence]?.state != .dead {
            // A cause that died in the same look may come later in the list: the whole look is judged.
            model.events[sequence]?.state = .dead
            if reason != DeadLetterReason.causeDead.rawValue {
                Issue.record("seed \(seed): \(sequence.rawValue) died of \(reason), which is new")
            }
        }
        for (sequence, reason) in deaths where reason == DeadLetterReason.causeDead.rawValue {
            let event = try #require(model.events[sequence])
            guard !doomed.contains(sequence) else { continue }
            doomed.insert(sequence)
            #expect(
                model.causes(of: event).contains(.dead), "seed \(seed): \(event) died of nothing")
        }
    }

    /// Moves over what the queue gave up because the log it names was discarded.
    private mutating func giveUpTheForsaken() throws {
        let rows = try spool.store.connection.prepare("SELECT sequence FROM event")
        var left: Set<EventSequence> = []
        while try rows.step() { left.insert(EventSequence(rawValue: rows.integer(0))) }
        let until = EventSequence(rawValue: spool.store.nextSequence)
        let gone = model.events.values.filter { $0.isHeld && !left.contains($0.sequence) }
        for event in gone { model.events[event.sequence]?.state = .discarded(until: until) }
        for event in gone {
            let isForsaken = model.causes(of: event).contains(.discarded)
            #expect(isForsaken, "seed \(seed): \(event) was given up for nothing")
        }
    }

    /// The ledger, the tables and what is known by heart agree with the model.
    private func check() throws {
        let store = spool.store!
        #expect(store.ledger.accepted == Int64(model.events.count), "seed \(seed)")
        #expect(store.ledger.held == Int64(model.held), "seed \(seed)")
        #expect(store.ledger.delivered == Int64(model.delivered), "seed \(seed)")
        #expect(store.ledger.dead == Int64(model.dead), "seed \(seed)")
        #expect(store.ledger.discarded == Int64(model.discarded), "seed \(seed)")
        let rows = try store.connection.integer("SELECT count(*) FROM event")
        #expect(rows == store.ledger.held, "seed \(seed): rows and ledger differ")
        let bytes = try store.connection.integer("SELECT coalesce(sum(length(body)), 0) FROM event")
        #expect(bytes == store.ledger.payloadBytes, "seed \(seed): bytes and ledger differ")
        let ready = try store.connection.prepare("SELECT sequence FROM event WHERE hold = 0")
        var readyCount = 0
        while try ready.step() { readyCount += store.leased.contains(ready.integer(0)) ? 0 : 1 }
        let known = store.lanes.all.values.reduce(0) { $0 + $1.readyCount }
        #expect(readyCount == known, "seed \(seed): ready rows and lanes differ")
        let waiting = try store.connection.integer(
            "SELECT count(*) FROM event WHERE waits_on IS NOT NULL")
        #expect(waiting == Int64(store.waitingCount), "seed \(seed)")
        let logs = Set(
            model.events.values.filter { $0.isHeld && $0.event.kind.isLog }.map(\.name))
        #expect(store.references.nameCount == logs.count, "seed \(seed)")
    }

    /// With nothing failing any more, everything leaves: nobody waits for ever.
    mutating func finish() throws {
        for _ in 0..<2000 where model.held > 0 {
            for lease in open.values.sorted(by: { $0.id < $1.id }) {
                var settlement = Settlement(lease: lease.id)
                settlement.routeAnswered = true
                for event in lease.events
                where model.events[event.sequence]?.state == .leased(lease.id) {
                    settlement.delivered.append(
                        .init(sequence: event.sequence, id: "data_x", projectID: nil))
                    model.events[event.sequence]?.state = .delivered
                }
                try spool.settle(settlement)
            }
            open = [:]
            try lease()
            spool.time.advance(.milliseconds(100))
            try check()
        }
        let stuck = model.events.values.filter(\.isHeld).sorted { $0.sequence < $1.sequence }
        #expect(stuck.isEmpty, "seed \(seed): \(stuck)")
        #expect(try spool.store.connection.integer("SELECT count(*) FROM lease") == 0)
    }
}

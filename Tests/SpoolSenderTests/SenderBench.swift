import SpoolCore
import SpoolSender
import SpoolTestKit

/// A machine on a clock that stands still: one event in, its actions out.
struct SenderBench {
    typealias Action = SenderMachine.Action
    typealias Event = SenderMachine.Event

    var machine: SenderMachine
    private(set) var instant = ContinuousClock.now
    private(set) var wall = Timestamp(milliseconds: 1_795_305_600_000)
    private var wakes: [(number: Int, at: ContinuousClock.Instant)] = []
    /// What the last event brought.
    private(set) var last: [Action] = []
    /// Wishes for a batch without an answer.
    private var wishesOpen = 0
    /// The notes that were kept last.
    private(set) var notes = ""

    init(_ settings: SenderSettings = SenderSettings(), seed: UInt64 = 1) {
        machine = SenderMachine(
            settings: settings, generator: SeededRandom(seed: seed),
            at: .init(instant: instant, wall: wall))
    }

    /// A machine that is running and has asked for its first batch.
    static func running(
        _ settings: SenderSettings = SenderSettings(), leases: [Lease] = [],
        answered: Set<Route> = Set(Route.allCases), references: [String] = [],
        calibration: Calibration = .ask, notes: String = "", seed: UInt64 = 1
    ) -> SenderBench {
        var bench = SenderBench(settings, seed: seed)
        bench.begin(
            leases: leases, answered: answered, references: references, calibration: calibration,
            notes: notes)
        return bench
    }

    /// A running machine whose upstream has been seen to refuse questions about what it does not know.
    static func refusingTheUnknown(by status: Int) -> SenderBench {
        var bench = running(
            answered: [.postLogs], references: ["known"], calibration: .undecided)
        while bench.snapshot.calibration == .undecided, let question = bench.last.exchanges.first {
            let isKnown = question.request.target.hasSuffix("=known")
            bench.answer(question.id, isKnown ? 200 : status, isKnown ? #"{"id":"data_1"}"# : "")
        }
        return bench
    }

    /// Starts, with what an earlier run has left.
    mutating func begin(
        leases: [Lease] = [], answered: Set<Route> = Set(Route.allCases),
        references: [String] = [], calibration: Calibration = .ask, notes: String
    ) {
        on(.start)
        on(
            .recalled(
                Recollection(
                    leases: leases, answeredRoutes: answered, deliveredReferences: references,
                    calibration: calibration, notes: notes)))
    }

    /// Somebody sets the wall clock.
    mutating func jump(_ duration: Duration) { wall = wall + duration }

    @discardableResult
    mutating func on(_ event: Event) -> [Action] {
        if case .leased(_, .batch) = event {
            if wishesOpen == 0 { on(.workArrived) }
            wishesOpen -= 1
        }
        last = machine.handle(event, at: .init(instant: instant, wall: wall))
        for case .lease(_, .batch) in last { wishesOpen += 1 }
        for case .wake(let number, let delay) in last {
            wakes.append((number, instant + delay))
        }
        notes = last.notes.last ?? notes
        return last
    }

    /// Lets time pass, wake by wake; returns all that was done.
    @discardableResult
    mutating func pass(_ duration: Duration) -> [Action] {
        let end = instant + duration
        // A queue that has nothing to give says so at once.
        var done = answerWishes()
        while let next = wakes.indices.filter({ wakes[$0].at <= end }).min(by: {
            wakes[$0].at < wakes[$1].at
        }) {
            let wake = wakes.remove(at: next)
            advance(to: max(instant, wake.at))
            done += on(.woke(wake.number))
            done += answerWishes()
        }
        advance(to: end)
        last = done
        return done
    }

    private mutating func answerWishes() -> [Action] {
        var done: [Action] = []
        while wishesOpen > 0 { done += on(.leased(.nothing(due: nil), .batch)) }
        return done
    }

    private mutating func advance(to instant: ContinuousClock.Instant) {
        wall = wall + (instant - self.instant)
        self.instant = instant
    }

    /// A batch for the wish that is open; returns the id of the request that carries it.
    @discardableResult
    mutating func lease(_ lease: Lease, _ purpose: SenderMachine.LeasePurpose = .batch) -> Int {
        on(.leased(.batch(lease), purpose))
        return last.exchanges.last?.id ?? 0
    }

    mutating func answer(_ id: Int, _ status: Int, _ body: String = "", retryAfter: String? = nil) {
        let answer = UpstreamAnswer(
            status: status, retryAfter: retryAfter, body: Array(body.utf8))
        on(.exchanged(id, .answered(answer)))
    }

    /// What is asked of a queue that was empty and has work again.
    mutating func nextWish() -> LeaseWish? {
        _ = answerWishes()
        return on(.workArrived).wishes.first
    }

    /// Answers a delivery of so many events as the API does.
    mutating func accept(_ id: Int, count: Int) {
        let ids = (0..<count).map { "{\"id\":\"data_\(id)_\($0)\",\"project_id\":\"pr_1\"}" }
        answer(id, 200, "[\(ids.joined(separator: ","))]")
    }

    mutating func commit(_ lease: Int64) { on(.settled(lease: lease, .committed)) }

    var snapshot: SenderSnapshot { machine.snapshot(at: instant) }
}

extension [SenderMachine.Action] {
    var wishes: [LeaseWish] {
        compactMap { if case .lease(let wish, _) = $0 { wish } else { nil } }
    }
    var exchanges: [(id: Int, request: UpstreamRequest)] {
        compactMap { if case .exchange(let id, let request) = $0 { (id, request) } else { nil } }
    }
    var settlements: [Settlement] {
        compactMap { if case .settle(let settlement) = $0 { settlement } else { nil } }
    }
    var notes: [String] {
        compactMap {
            switch $0 {
            case .keep(let notes): notes
            case .settle(let settlement): settlement.notes
            default: nil
            }
        }
    }
    /// The scopes of the probes among the wishes.
    var probes: [ProbeScope] { wishes.compactMap(\.probe) }
    var recalls: Bool { contains { if case .recall = $0 { true } else { false } } }
    var stopped: Bool { contains { if case .stopped = $0 { true } else { false } } }
}

extension Lease {
    /// A lease of `count` events numbered `id * 1000`, `id * 1000 + 1`, …
    static func of(
        _ kind: EventKind = .log, _ count: Int = 1, id: Int64 = 1, from: Int64? = nil,
        lane: Int64 = 1,
        attempts: Int = 0, isAskable: Bool = true, namesUnknownLog: Bool = false,
        acceptedAt: Timestamp = Timestamp(milliseconds: 1_795_305_600_000),
        isRegrouped: Bool = false, route: Route? = nil
    ) -> Lease {
        var bytes: [UInt8] = []
        let events = (0..<count).map { place in
            let sequence = EventSequence(rawValue: (from ?? id) * 1000 + Int64(place))
            let start = bytes.count
            bytes.append(contentsOf: body(of: kind, sequence).utf8)
            return LeasedEvent(
                sequence: sequence, kind: kind, lane: lane, body: start..<bytes.count,
                address: address(of: kind, sequence), acceptedAt: acceptedAt,
                attempts: attempts, isAskable: isAskable, namesUnknownLog: namesUnknownLog)
        }
        return Lease(
            id: id, route: route ?? kind.route, bytes: bytes, events: events,
            isRegrouped: isRegrouped)
    }

    /// Logs of several lanes in one request.
    static func mixing(_ lanes: [Int64], id: Int64 = 1, isRegrouped: Bool = false) -> Lease {
        let one = Lease.of(.log, lanes.count, id: id, isRegrouped: isRegrouped)
        let events = zip(lanes, one.events).map { lane, event in
            LeasedEvent(
                sequence: event.sequence, kind: event.kind, lane: lane, body: event.body,
                address: event.address, acceptedAt: event.acceptedAt, attempts: event.attempts,
                isAskable: event.isAskable, namesUnknownLog: event.namesUnknownLog)
        }
        return Lease(
            id: id, route: one.route, bytes: one.bytes, events: events, isRegrouped: isRegrouped)
    }

    private static func body(of kind: EventKind, _ sequence: EventSequence) -> String {
        let log = "{\"reference_id\":\"r\(sequence.rawValue)\",\"output\":\"x\"}"
        return switch kind {
        case .log: log
        case .evaluationLog: "{\"datapoint_id\":\"d\",\"log\":\(log)}"
        case .session: ""
        case .update, .feedback, .evaluationResult:
            "{\"type\":\"t\",\"value\":\"n\(sequence.rawValue)\"}"
        }
    }

    private static func address(of kind: EventKind, _ sequence: EventSequence) -> String? {
        switch kind {
        case .update: "r \(sequence.rawValue)"
        case .evaluationLog, .evaluationResult: "ev_1?evaluatee_id=e"
        case .log, .feedback, .session: nil
        }
    }

    /// Effects of which those with a name here are on a log that must be asked about.
    static func naming(
        _ references: [String?], _ kind: EventKind = .feedback, id: Int64 = 1,
        from: Int64? = nil, attempts: Int = 0,
        acceptedAt: Timestamp = Timestamp(milliseconds: 1_795_305_600_000),
        isRegrouped: Bool = false
    ) -> Lease {
        var bytes: [UInt8] = []
        let events = references.enumerated().map { place, reference in
            let start = bytes.count
            let name = reference.map { "\"reference_id\":\"\($0)\"" } ?? "\"data_id\":\"known\""
            bytes.append(contentsOf: "{\"n\":\(place),\(name)}".utf8)
            let sequence = EventSequence(rawValue: (from ?? id) * 1000 + Int64(place))
            return LeasedEvent(
                sequence: sequence, kind: kind, lane: 1, body: start..<bytes.count,
                address: address(of: kind, sequence), acceptedAt: acceptedAt, attempts: attempts,
                isAskable: false, namesUnknownLog: true, unresolvedReference: reference)
        }
        return Lease(
            id: id, route: kind.route, bytes: bytes, events: events, isRegrouped: isRegrouped)
    }
}

extension Settlement {
    var deliveredNumbers: [Int64] { delivered.map(\.sequence.rawValue) }
    var returnedNumbers: [Int64] { returned.map(\.sequence.rawValue) }
    var regroupedNumbers: [[Int64]] { regrouped.map { $0.map(\.rawValue) } }
    var deadNumbers: [Int64] { dead.map(\.sequence.rawValue) }
}

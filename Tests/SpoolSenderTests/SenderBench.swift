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

    init(_ settings: SenderSettings = SenderSettings(), seed: UInt64 = 1) {
        machine = SenderMachine(
            settings: settings, generator: SeededRandom(seed: seed),
            at: .init(instant: .now, wall: wall))
    }

    /// A machine that is running and has asked for its first batch.
    static func running(
        _ settings: SenderSettings = SenderSettings(), leases: [Lease] = [],
        answered: Set<Route> = Set(Route.allCases), references: [String] = [],
        calibration: Calibration = .ask
    ) -> SenderBench {
        var bench = SenderBench(settings)
        bench.on(.start)
        bench.on(
            .recalled(
                Recollection(
                    leases: leases, answeredRoutes: answered, deliveredReferences: references,
                    calibration: calibration)))
        return bench
    }

    @discardableResult
    mutating func on(_ event: Event) -> [Action] {
        last = machine.handle(event, at: .init(instant: instant, wall: wall))
        for case .wake(let number, let delay) in last {
            wakes.append((number, instant + delay))
        }
        return last
    }

    /// Lets time pass, wake by wake; returns all that was done.
    @discardableResult
    mutating func pass(_ duration: Duration) -> [Action] {
        let end = instant + duration
        var done: [Action] = []
        while let next = wakes.indices.filter({ wakes[$0].at <= end }).min(by: {
            wakes[$0].at < wakes[$1].at
        }) {
            let wake = wakes.remove(at: next)
            advance(to: max(instant, wake.at))
            done += on(.woke(wake.number))
        }
        advance(to: end)
        last = done
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

    /// Answers a delivery of so many events as the API does.
    mutating func accept(_ id: Int, count: Int) {
        let ids = (0..<count).map { "{\"id\":\"data_\(id)_\($0)\",\"project_id\":\"pr_1\"}" }
        answer(id, 200, "[\(ids.joined(separator: ","))]")
    }

    mutating func commit(_ lease: Int64) { on(.settled(lease: lease, committed: true)) }

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
    var recalls: Bool { contains { if case .recall = $0 { true } else { false } } }
    var stopped: Bool { contains { if case .stopped = $0 { true } else { false } } }
}

extension Lease {
    /// A lease of `count` events numbered `id * 1000`, `id * 1000 + 1`, …
    static func of(
        _ kind: EventKind = .log, _ count: Int = 1, id: Int64 = 1, lane: Int64 = 1,
        attempts: Int = 0, isAskable: Bool = true, namesUnknownLog: Bool = false,
        acceptedAt: Timestamp = Timestamp(milliseconds: 1_795_305_600_000),
        isRegrouped: Bool = false, route: Route? = nil
    ) -> Lease {
        var bytes: [UInt8] = []
        let events = (0..<count).map { place in
            let sequence = EventSequence(rawValue: id * 1000 + Int64(place))
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

    private static func body(of kind: EventKind, _ sequence: EventSequence) -> String {
        let log = "{\"reference_id\":\"r\(sequence.rawValue)\",\"output\":\"x\"}"
        return switch kind {
        case .log: log
        case .evaluationLog: "{\"datapoint_id\":\"d\",\"log\":\(log)}"
        case .session: ""
        case .update, .feedback, .evaluationResult: "{\"type\":\"t\"}"
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
        _ references: [String?], _ kind: EventKind = .feedback, id: Int64 = 1, attempts: Int = 0,
        acceptedAt: Timestamp = Timestamp(milliseconds: 1_795_305_600_000),
        isRegrouped: Bool = false
    ) -> Lease {
        var bytes: [UInt8] = []
        let events = references.enumerated().map { place, reference in
            let start = bytes.count
            let name = reference.map { "\"reference_id\":\"\($0)\"" } ?? "\"data_id\":\"known\""
            bytes.append(contentsOf: "{\"n\":\(place),\(name)}".utf8)
            let sequence = EventSequence(rawValue: id * 1000 + Int64(place))
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

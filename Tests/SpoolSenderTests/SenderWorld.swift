import SpoolCore
import SpoolSender
import SpoolTestKit

/// A machine between a naive queue and a naive upstream, everything in memory, everything drawn from
/// one seed: which callback comes next, what upstream answers, what the disk refuses, how time passes.
struct SenderWorld {
    /// What an event is to the world.
    struct Fact {
        let kind: EventKind
        var lane: Int64
        /// The operation, where the kind has several.
        var route: Route
        /// The log of another host that it names by reference.
        var target: Target?
        var acceptedAt: Timestamp
        var attempts = 0
        var notBefore: Timestamp?
        /// How often upstream applied it.
        var applied = 0
        /// Whether an application of it named another log than its own.
        var isMisdirected = false
    }

    /// A log that this host has never seen.
    enum Target: Int, CaseIterable {
        case known, knownToo, late, never

        /// Its `reference_id`.
        var reference: String { "x\(rawValue)" }
        /// Upstream's id.
        var id: String { "foreign_\(rawValue)" }
    }

    /// A callback that has not run yet.
    private enum Pending {
        case event(SenderMachine.Event)
        case exchange(Int, UpstreamRequest)
    }

    private(set) var machine: SenderMachine
    private(set) var facts: [Int64: Fact] = [:]
    private(set) var queued: [Int64] = []
    private(set) var leased: [Int64: [Int64]] = [:]
    private(set) var delivered: Set<Int64> = []
    private(set) var dead: Set<Int64> = []
    /// Events that travel in this company only.
    private var companies: [[Int64]] = []
    private(set) var possibleDuplicates = 0
    private(set) var deliveriesUnderWay: Set<Int> = []
    private(set) var deliveriesMost = 0
    private(set) var leasesMost = 0
    private(set) var isStopped = false
    /// Whether upstream and disk may misbehave.
    var isTroubled = true

    private var generator: SeededRandom
    private var pending: [Pending] = []
    private var wakes: [(number: Int, at: ContinuousClock.Instant)] = []
    private(set) var instant = ContinuousClock.now
    private var wall = Timestamp(milliseconds: 1_795_305_600_000)
    private var leasesGiven: Int64 = 0
    private let settings: SenderSettings
    private var answeredRoutes: Set<Route> = []
    /// A session's request carries nothing that tells which one it is.
    private var sessions: [Int: Int64] = [:]
    private var calibration = Calibration.undecided
    private var references: [String] = []
    private var notes = ""

    init(seed: UInt64, events: Int, settings: SenderSettings = SenderSettings()) {
        self.settings = settings
        generator = SeededRandom(seed: seed)
        machine = SenderMachine(
            settings: settings, generator: SeededRandom(seed: seed ^ 0xABCD),
            at: .init(instant: instant, wall: wall))
        for number in 1...Int64(events) {
            facts[number] = anyFact()
            queued.append(number)
        }
        perform(.start)
    }

    private mutating func anyFact() -> Fact {
        let others: [EventKind] = [
            .feedback, .feedback, .update, .update, .session, .evaluationLog, .evaluationResult,
        ]
        let place = Int.random(in: others.indices, using: &generator)
        let kind = chance(60) ? .log : others[place]
        let namesLog = kind == .feedback || kind == .evaluationResult
        let route = kind == .update && chance(50) ? Route.patchLog : kind.route
        return Fact(
            kind: kind,
            lane: Int64(route.rawValue * 10) + Int64.random(in: 0..<2, using: &generator),
            route: route,
            target: namesLog && chance(50) ? Target.allCases.randomElement(using: &generator) : nil,
            acceptedAt: wall)
    }

    var isIdle: Bool { pending.isEmpty && queued.isEmpty && leased.isEmpty }

    /// What is to come, for a failing test's message.
    var waits: String { "\(pending.count) callbacks, \(wakes.count) wakes" }

    mutating func stop() { perform(.stop) }

    /// The process dies and starts again: callbacks are lost, requests under way are applied or not.
    mutating func crash() {
        for case .exchange(let id, let request) in pending where chance(50) {
            apply(id, request)
        }
        pending = []
        sessions = [:]
        wakes = []
        deliveriesUnderWay = []
        machine = SenderMachine(
            settings: settings, generator: SeededRandom(seed: generator.next()),
            at: .init(instant: instant, wall: wall))
        perform(.start)
    }

    /// One callback, or the next wake-up.
    mutating func step() {
        if !pending.isEmpty, wakes.isEmpty || chance(85) {
            let place = Int.random(in: pending.indices, using: &generator)
            // Leases and settlements answer in order, as one queue thread does; requests do not.
            let next = firstInOrder(place)
            switch pending.remove(at: next) {
            case .event(let event): perform(event)
            case .exchange(let id, let request):
                deliveriesUnderWay.remove(id)
                let outcome = exchange(id, request)
                sessions[id] = nil
                perform(.exchanged(id, outcome))
            }
        } else if let next = wakes.indices.min(by: { wakes[$0].at < wakes[$1].at }) {
            let wake = wakes.remove(at: next)
            let later = max(instant, wake.at)
            wall = wall + (later - instant)
            instant = later
            perform(.woke(wake.number))
        }
    }

    private func firstInOrder(_ place: Int) -> Int {
        guard case .event = pending[place] else { return place }
        return pending.firstIndex { if case .event = $0 { true } else { false } } ?? place
    }

    private mutating func perform(_ event: SenderMachine.Event) {
        for action in machine.handle(event, at: .init(instant: instant, wall: wall)) {
            switch action {
            case .recall:
                pending.append(.event(.recalled(recollection)))
            case .lease(let wish, let purpose):
                pending.append(.event(.leased(lease(wish), purpose)))
            case .exchange(let id, let request):
                if request.body != Array("{}".utf8) { deliveriesUnderWay.insert(id) }
                deliveriesMost = max(deliveriesMost, deliveriesUnderWay.count)
                if case .leased(.batch(let lease), _) = event, lease.route == .postSession {
                    // A session is sent at once or never.
                    sessions[id] = lease.events[0].sequence.rawValue
                }
                pending.append(.exchange(id, request))
            case .settle(let settlement):
                let outcome = isTroubled && chance(10) ? .failing : settle(settlement)
                pending.append(.event(.settled(lease: settlement.lease, outcome)))
            case .keep(let text):
                notes = text
            case .wake(let number, let delay):
                wakes.append((number, instant + delay))
            case .stopped:
                precondition(!isStopped, "stopped twice")
                isStopped = true
            }
        }
    }

    private mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &generator) < percent
    }

    // MARK: Queue

    private var recollection: Recollection {
        let open = leased.sorted { $0.key < $1.key }.compactMap { id, members in
            members.first.flatMap { facts[$0]?.route }.map {
                lease(id, members, $0, isRegrouped: false)
            }
        }
        return Recollection(
            leases: open, answeredRoutes: answeredRoutes,
            deliveredReferences: Array(references.prefix(3)), calibration: calibration,
            notes: notes)
    }

    private mutating func lease(_ wish: LeaseWish) -> LeaseAnswer {
        if isTroubled, chance(5) { return .failing }
        let ready = queued.filter { number in
            guard let fact = facts[number], wish.takes(fact.lane, fact.route) else {
                return false
            }
            return fact.notBefore.map { $0 <= wall } ?? true
        }
        guard let first = ready.first, let route = facts[first]?.route else {
            let due = queued.compactMap { facts[$0]?.notBefore }.filter { $0 > wall }.min()
            return .nothing(due: due)
        }
        let company = companies.first { $0.contains(first) }
        let isRegrouped = company != nil
        let others = company ?? ready.filter { other in !companies.contains { $0.contains(other) } }
        let sameRoute = others.filter { ready.contains($0) && facts[$0]?.route == route }
        let most = wish.isProbe || !route.takesArray ? 1 : min(wish.eventsMax, 6)
        let members = Array(sameRoute.prefix(most))
        leasesGiven += 1
        queued.removeAll { members.contains($0) }
        leased[leasesGiven] = members
        leasesMost = max(leasesMost, leased.count)
        return .batch(lease(leasesGiven, members, route, isRegrouped: isRegrouped))
    }

    private func lease(
        _ id: Int64, _ members: [Int64], _ route: Route, isRegrouped: Bool
    ) -> Lease {
        var bytes: [UInt8] = []
        let events = members.map { number -> LeasedEvent in
            // Safety: members were taken from the queue, and whatever is queued has its facts.
            let fact = facts[number]!
            let start = bytes.count
            bytes.append(contentsOf: body(of: number, fact).utf8)
            let address = fact.kind == .log || fact.kind == .feedback ? nil : "u\(number)"
            return LeasedEvent(
                sequence: EventSequence(rawValue: number), kind: fact.kind, lane: fact.lane,
                body: start..<bytes.count, address: address, acceptedAt: fact.acceptedAt,
                attempts: fact.attempts, isAskable: true, namesUnknownLog: false,
                unresolvedReference: fact.target?.reference)
        }
        return Lease(id: id, route: route, bytes: bytes, events: events, isRegrouped: isRegrouped)
    }

    private func body(of number: Int64, _ fact: Fact) -> String {
        switch (fact.kind, fact.target) {
        case (.log, _): "{\"reference_id\":\"r\(number)\"}"
        case (.evaluationLog, _): "{\"log\":{\"reference_id\":\"r\(number)\"}}"
        case (.session, _): ""
        case (_, let target?): "{\"n\":\"r\(number)\",\"reference_id\":\"\(target.reference)\"}"
        case (_, nil): "{\"n\":\"r\(number)\"}"
        }
    }

    private mutating func settle(_ settlement: Settlement) -> SettleOutcome {
        guard var open = leased[settlement.lease] else {
            preconditionFailure("lease \(settlement.lease) is settled already")
        }
        func take(_ sequence: EventSequence) -> Int64 {
            guard let place = open.firstIndex(of: sequence.rawValue) else {
                preconditionFailure("event \(sequence.rawValue) is not in the lease")
            }
            return open.remove(at: place)
        }
        for moved in settlement.delivered {
            let number = take(moved.sequence)
            delivered.insert(number)
            guard let fact = facts[number] else { continue }
            if settlement.routeAnswered { answeredRoutes.insert(fact.route) }
            if fact.kind.isLog { references.insert("r\(number)", at: 0) }
        }
        calibration = settlement.calibration ?? calibration
        notes = settlement.notes ?? notes
        var undead: [EventSequence] = []
        for moved in settlement.dead {
            let number = take(moved.sequence)
            if isTroubled, chance(20) {
                undead.append(moved.sequence)
                queued.append(number)
            } else {
                dead.insert(number)
            }
        }
        for moved in settlement.returned {
            let number = take(moved.sequence)
            facts[number]?.notBefore = moved.notBefore
            if moved.countsAttempt { facts[number]?.attempts += 1 }
            queued.append(number)
        }
        for group in settlement.regrouped {
            precondition(!group.isEmpty, "an empty company")
            let members = group.map { take($0) }
            companies.removeAll { !Set($0).isDisjoint(with: members) }
            companies.append(members)
            queued.append(contentsOf: members)
        }
        possibleDuplicates += settlement.possibleDuplicates
        leased[settlement.lease] = open.isEmpty ? nil : open
        queued.sort()
        return undead.isEmpty ? .committed : .withoutRoomForDead(undead)
    }

    // MARK: Upstream

    /// Applies a request, or not, and answers, or not; always the truth about what it knows.
    private mutating func exchange(_ id: Int, _ request: UpstreamRequest) -> UpstreamOutcome {
        if isTroubled, chance(30) { return trouble(id, request) }
        if request.body == Array("{}".utf8) { return answer(aboutReferenceIn: request.target) }
        apply(id, request)
        let ids = numbers(id, request).map { "{\"id\":\"data_\($0)\"}" }
        let list = ids.joined(separator: ",")
        return Self.answered(200, request.body.first == UInt8(ascii: "[") ? "[\(list)]" : list)
    }

    private mutating func apply(_ id: Int, _ request: UpstreamRequest) {
        let text = String(decoding: request.body, as: UTF8.self)
        for number in numbers(id, request) {
            facts[number]?.applied += 1
            guard let fact = facts[number], let target = fact.target else { continue }
            let key = fact.kind == .feedback ? "data_id" : "log_id"
            let right = "{\"\(key)\":\"\(target.id)\",\"n\":\"r\(number)\"}"
            if !text.contains(right) { facts[number]?.isMisdirected = true }
        }
    }

    /// The log of another host that comes late is there once the trouble is over.
    private func answer(aboutReferenceIn target: String) -> UpstreamOutcome {
        let name = target.split(separator: "=").last ?? ""
        if let foreign = Target.allCases.first(where: { $0.reference == name }) {
            let isThere = foreign != .never && (foreign != .late || !isTroubled)
            return isThere
                ? Self.answered(200, "{\"id\":\"\(foreign.id)\"}") : Self.answered(404, "")
        }
        guard let number = Int64(name.dropFirst()), (facts[number]?.applied ?? 0) > 0 else {
            return Self.answered(404, "")
        }
        return Self.answered(200, "{\"id\":\"data_\(number)\",\"reference_id\":\"r\(number)\"}")
    }

    private mutating func trouble(_ id: Int, _ request: UpstreamRequest) -> UpstreamOutcome {
        let isQuestion = request.body == Array("{}".utf8)
        let numbers = isQuestion ? [] : numbers(id, request)
        let isAlone = numbers.count == 1
        let choices: [UpstreamOutcome] = [
            .notSent(reason: "refused"), Self.answered(429, "", retryAfter: "3"),
            Self.answered(503, ""), Self.answered(401, ""), Self.answered(403, ""),
            Self.answered(isAlone ? 503 : 413, ""),
            Self.answered(422, #"{"detail":[{"loc":["body",0,"x"],"msg":"m","type":"t"}]}"#),
            Self.answered(400, ""), Self.answered(405, ""),
            .noAnswer(reason: "reset", timedOut: false), .noAnswer(reason: "late", timedOut: true),
            Self.answered(500, ""), Self.answered(502, ""), Self.answered(200, "<html>"),
        ]
        let place = Int.random(in: choices.indices, using: &generator)
        let outcome = choices[place]
        // A refusal of an array, a failure, silence: it may have been applied nevertheless.
        let isAmbiguous = place >= 9 || (place == 7 && !isAlone)
        if isAmbiguous, !isQuestion, chance(50) { apply(id, request) }
        return outcome
    }

    private func numbers(_ id: Int, _ request: UpstreamRequest) -> [Int64] {
        if let session = sessions[id] { return [session] }
        let text = String(decoding: request.body, as: UTF8.self)
        return text.split(separator: "\"").compactMap { part in
            part.first == "r" ? Int64(part.dropFirst()) : nil
        }
    }

    private static func answered(
        _ status: Int, _ body: String, retryAfter: String? = nil
    ) -> UpstreamOutcome {
        .answered(
            UpstreamAnswer(status: status, retryAfter: retryAfter, body: Array(body.utf8)))
    }
}

extension LeaseWish {
    /// Whether an event of this lane and operation may be given for it.
    fileprivate func takes(_ lane: Int64, _ route: Route) -> Bool {
        switch probe {
        case nil, .everywhere: !parkedLanes.contains(lane) && !parkedRoutes.contains(route)
        case .lanes(let lanes): lanes.contains(lane)
        case .route(route): !parkedLanes.contains(lane)
        case .route: false
        }
    }
}

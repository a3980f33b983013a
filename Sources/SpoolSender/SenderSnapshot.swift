public import SpoolCore

/// What the sender is doing, for status. Counters start at 0 with the process.
public struct SenderSnapshot: Sendable {
    /// Whether the destination is being served.
    public enum Health: Sendable, Equatable {
        case steady
        /// It failed, or asked to be left alone: the next try is in so long.
        case backingOff(Duration)
        /// Somebody has to mend something: the next probe is in so long.
        case parked(Park, Duration)
    }

    /// What upstream said last when it was not yes.
    public struct Trouble: Sendable, Equatable {
        /// When.
        public let at: Timestamp
        /// About which operation.
        public let route: Route
        /// nil when there was no answer.
        public let status: Int?
        /// Its words, or why there are none: at most ``Limits/upstreamWordsMax`` bytes.
        public let words: String
    }

    /// What gives nothing for now, although the destination answers.
    public struct Parked: Sendable, Equatable {
        /// How much is parked.
        public enum Scope: Sendable, Hashable {
            case destination
            case route(Route)
            /// By the queue's number; status names the project.
            case lane(Int64)
        }

        /// How much is parked.
        public let scope: Scope
        /// Why.
        public let park: Park
        /// What upstream said last, because of which it is parked; nil where a restart has forgotten it.
        public let said: Trouble?
        /// Refusals in a row.
        public let failures: Int
        /// When one event tries it next, from now.
        public let nextTry: Duration
    }

    /// Events and requests, by what became of them.
    public struct Tally: Sendable, Equatable {
        /// Requests that came to an end, questions included.
        public internal(set) var requests = 0
        /// Questions asked.
        public internal(set) var questions = 0
        /// Events recorded as delivered.
        public internal(set) var delivered = 0
        /// Events that went back to the queue as they were.
        public internal(set) var returned = 0
        /// Events that went back to travel in smaller company.
        public internal(set) var regrouped = 0
        /// Events that died.
        public internal(set) var dead = 0
        /// Events sent again although upstream may have applied them.
        public internal(set) var possibleDuplicates: [EventKind: Int] = [:]

        mutating func count(_ settlement: Settlement, of kind: EventKind) {
            delivered += settlement.delivered.count
            returned += settlement.returned.count
            regrouped += settlement.regrouped.reduce(0) { $0 + $1.count }
            dead += settlement.dead.count
            guard settlement.possibleDuplicates > 0 else { return }
            possibleDuplicates[kind, default: 0] += settlement.possibleDuplicates
        }
    }

    /// Whether the destination is being served.
    public let health: Health
    /// Requests under way, questions included.
    public let inFlight: Int
    /// Deliveries that may be under way at a time.
    public let inFlightLimit: Int
    /// Leases in doubt, of at most ``SenderSettings/doubtsMax``, or ``SenderSettings/stuckDoubtsMax`` while
    /// no question is answered.
    public let inDoubt: Int
    /// When upstream is asked next what arrived of them: zero while it is being asked, nil when it is not.
    public let nextQuestion: Duration?
    /// What is parked: the destination first, then operations, then lanes by their numbers.
    public let parked: [Parked]
    /// Deaths in a row without a 2xx between them, by lane, where there are any.
    public let deathsInARow: [Int64: Int]
    /// Lanes that share no request with others for now.
    public let lonelyLanes: Set<Int64>
    /// Body bytes of a batch: less than the setting after upstream has called one too large.
    public let batchBytes: Int
    /// Whether asking works there.
    public let calibration: Calibration
    /// What upstream said last to a delivery when it was not yes.
    public let trouble: Trouble?
    /// How the last question that brought no clear answer ended.
    public let questionTrouble: Trouble?
    /// What became of events and requests.
    public let tally: Tally

    /// Lanes that are parked themselves.
    public var parkedLanes: Set<Int64> {
        parked.reduce(into: []) { if case .lane(let lane) = $1.scope { $0.insert(lane) } }
    }

    /// Operations that are parked as a whole.
    public var parkedRoutes: Set<Route> {
        parked.reduce(into: []) { if case .route(let route) = $1.scope { $0.insert(route) } }
    }

    /// Why anything is parked.
    public var parks: Set<Park> { Set(parked.map(\.park)) }
}

extension SenderMachine {
    /// The machine's state as status shows it, at `instant`.
    package func snapshot(at instant: Instant) -> SenderSnapshot {
        let inDoubt = leases.values.count { if case .inDoubt = $0.phase { true } else { false } }
        let health: SenderSnapshot.Health =
            switch self.health.state {
            case .steady: .steady
            case .backingOff(let until): .backingOff(max(until - instant, .zero))
            case .parked(let park, let until): .parked(park, max(until - instant, .zero))
            }
        return SenderSnapshot(
            health: health, inFlight: exchanges.count, inFlightLimit: pacer.limit,
            inDoubt: inDoubt, nextQuestion: nextQuestion(at: instant),
            parked: parked(at: instant), deathsInARow: lanes.deathsInARow,
            lonelyLanes: Set(lanes.lonely.filter { $0.value > instant }.keys),
            batchBytes: batchSize.bytes,
            calibration: settings.inDoubt == .resend ? .resend : calibrator.result,
            trouble: trouble, questionTrouble: questionTrouble, tally: tally)
    }

    /// When upstream is asked next about a log that may have arrived, as far as time alone decides it.
    private func nextQuestion(at instant: Instant) -> Duration? {
        guard settings.inDoubt == .ask, calibrator.result != .resend else { return nil }
        let doubts = leases.values.compactMap { open -> OpenLease.Doubt? in
            guard open.kind.isLog, case .inDoubt(let doubt) = open.phase else { return nil }
            return doubt
        }
        guard !doubts.isEmpty else { return nil }
        if doubts.contains(where: \.isAsking) { return .zero }
        var next = doubts.map(\.resolveAt).min() ?? instant
        if case .backingOff(let until) = health.state { next = max(next, until) }
        for earliest in [asking.notBefore, calibrator.result == .ask ? nil : calibrator.examineAt] {
            if let earliest { next = max(next, earliest) }
        }
        return max(next - instant, .zero)
    }

    /// Remembers a question that brought no clear answer.
    mutating func noteQuestion(_ outcome: UpstreamOutcome) {
        questionTrouble = SenderSnapshot.Trouble(
            at: now.wall, route: .patchLogByReference, status: outcome.status,
            words: UpstreamWords.of(outcome))
    }

    private func parked(at instant: Instant) -> [SenderSnapshot.Parked] {
        var parked: [SenderSnapshot.Parked] = []
        if case .parked(let park, let until) = health.state {
            parked.append(
                .init(
                    scope: .destination, park: park, said: parkTrouble,
                    failures: health.failures,
                    nextTry: max(until - instant, .zero)))
        }
        let ordered = parks.entries.sorted { $0.key.order < $1.key.order }
        return parked
            + ordered.map { scope, entry in
                .init(
                    scope: scope.shown, park: entry.park, said: entry.said,
                    failures: entry.failures,
                    nextTry: max(entry.probeAt - instant, .zero))
            }
    }
}

extension Parks.Scope {
    fileprivate var shown: SenderSnapshot.Parked.Scope {
        switch self {
        case .lane(let lane): .lane(lane)
        case .route(let route): .route(route)
        }
    }

    /// Operations before lanes.
    fileprivate var order: (Int, Int64) {
        switch self {
        case .route(let route): (0, Int64(route.rawValue))
        case .lane(let lane): (1, lane)
        }
    }
}

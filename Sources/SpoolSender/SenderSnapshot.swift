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
    /// What upstream said last when it was not yes.
    public let trouble: Trouble?
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
            inDoubt: inDoubt, parked: parked(at: instant), deathsInARow: lanes.deathsInARow,
            lonelyLanes: Set(lanes.lonely.filter { $0.value > instant }.keys),
            batchBytes: batchSize.bytes,
            calibration: settings.inDoubt == .resend ? .resend : calibrator.result,
            trouble: trouble, tally: tally)
    }

    private func parked(at instant: Instant) -> [SenderSnapshot.Parked] {
        var parked: [SenderSnapshot.Parked] = []
        if case .parked(let park, let until) = health.state {
            parked.append(
                .init(
                    scope: .destination, park: park, failures: health.failures,
                    nextTry: max(until - instant, .zero)))
        }
        let ordered = parks.entries.sorted { $0.key.order < $1.key.order }
        return parked
            + ordered.map { scope, entry in
                .init(
                    scope: scope.shown, park: entry.park, failures: entry.failures,
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

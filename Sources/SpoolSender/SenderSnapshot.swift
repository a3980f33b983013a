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
    /// Leases in doubt.
    public let inDoubt: Int
    /// Lanes that give nothing for now.
    public let parkedLanes: Set<Int64>
    /// Why they do not.
    public let parks: Set<Park>
    /// Whether asking works there.
    public let calibration: Calibration
    /// What upstream said last when it was not yes.
    public let trouble: Trouble?
    /// What became of events and requests.
    public let tally: Tally
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
            inDoubt: inDoubt, parkedLanes: parks.lanes, parks: parks.parks,
            calibration: settings.inDoubt == .resend ? .resend : calibrator.result,
            trouble: trouble, tally: tally)
    }
}

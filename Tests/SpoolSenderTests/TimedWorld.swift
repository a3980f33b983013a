import SpoolCore
import SpoolSender
import SpoolTestKit

/// A machine between an endless queue and an upstream of a certain capacity, on virtual time: what
/// happens next is what is due next.
struct TimedWorld {
    /// What upstream does with more requests than it can serve at a time.
    enum Overload {
        case refuses
        case queues
    }

    /// What upstream answers instead of serving a request, and after how long.
    typealias Trouble = @Sendable (_ request: UpstreamRequest, _ at: Duration) -> Answer?

    struct Answer {
        let outcome: UpstreamOutcome
        let delay: Duration

        static func status(_ status: Int, after delay: Duration = .milliseconds(2)) -> Answer {
            Answer(outcome: .answered(UpstreamAnswer(status: status)), delay: delay)
        }
    }

    /// A request as upstream saw it.
    struct Seen {
        let at: Duration
        let isQuestion: Bool
        /// Requests under way with it.
        let underWay: Int
        var status: Int?
        var answeredAt: Duration?
    }

    private enum Happening {
        case event(SenderMachine.Event)
        case answer(id: Int, number: Int, UpstreamOutcome, isServed: Bool)
    }

    private(set) var machine: SenderMachine
    private(set) var seen: [Seen] = []
    private(set) var leasesMost = 0
    private(set) var notes = ""
    private(set) var elapsed = Duration.zero

    private let start = ContinuousClock.now
    private let wall = Timestamp(milliseconds: 1_795_305_600_000)
    private let latency: Duration
    private let capacity: Int
    private let overload: Overload
    private let trouble: Trouble
    private var generator: SeededRandom
    private var due: [(at: Duration, order: Int, what: Happening)] = []
    private var happened = 0
    private var served = 0
    private var queue: [(id: Int, number: Int)] = []
    private var underWay = 0
    private var leases: [Int64: Lease] = [:]
    private var leasesGiven: Int64 = 0

    init(
        seed: UInt64, settings: SenderSettings = SenderSettings(), capacity: Int = .max,
        overload: Overload = .queues, latency: Duration = .milliseconds(50),
        trouble: @escaping Trouble = { _, _ in nil }
    ) {
        self.capacity = capacity
        self.overload = overload
        self.latency = latency
        self.trouble = trouble
        generator = SeededRandom(seed: seed)
        machine = SenderMachine(
            settings: settings, generator: SeededRandom(seed: seed ^ 0xABCD),
            at: .init(instant: start, wall: wall))
        perform(.start)
    }

    var snapshot: SenderSnapshot { machine.snapshot(at: start + elapsed) }

    /// Deliveries answered 2xx within a span of time.
    func delivered(_ span: Range<Duration>) -> Int {
        seen.count { !$0.isQuestion && $0.status == 200 && span.contains($0.answeredAt ?? .zero) }
    }

    /// Lets everything happen that is due until then.
    mutating func run(until end: Duration) {
        while let next = due.indices.min(by: {
            (due[$0].at, due[$0].order) < (due[$1].at, due[$1].order)
        }), due[next].at <= end {
            let happening = due.remove(at: next)
            elapsed = happening.at
            switch happening.what {
            case .event(let event): perform(event)
            case .answer(let id, let number, let outcome, let isServed):
                underWay -= 1
                if isServed { finishServing() }
                seen[number].answeredAt = elapsed
                if case .answered(let answer) = outcome { seen[number].status = answer.status }
                perform(.exchanged(id, outcome))
            }
        }
        elapsed = end
    }

    private mutating func happen(after delay: Duration, _ what: Happening) {
        happened += 1
        due.append((elapsed + delay, happened, what))
    }

    private mutating func perform(_ event: SenderMachine.Event) {
        let now = SenderMachine.Moment(instant: start + elapsed, wall: wall + elapsed)
        for action in machine.handle(event, at: now) {
            switch action {
            case .recall:
                let nothing = Recollection(
                    leases: [], answeredRoutes: Set(Route.allCases), deliveredReferences: [],
                    calibration: .ask)
                happen(after: .zero, .event(.recalled(nothing)))
            case .lease(_, let purpose):
                happen(after: .milliseconds(1), .event(.leased(.batch(lease()), purpose)))
            case .exchange(let id, let request):
                receive(id, request)
            case .settle(let settlement):
                settle(settlement)
                happen(
                    after: .milliseconds(1), .event(.settled(lease: settlement.lease, .committed)))
            case .keep(let text):
                notes = text
            case .wake(let number, let delay):
                happen(after: delay, .event(.woke(number)))
            case .stopped:
                break
            }
        }
    }

    // MARK: Queue

    private mutating func lease() -> Lease {
        leasesGiven += 1
        let lease = Lease.of(.log, 1, id: leasesGiven, acceptedAt: wall + elapsed)
        leases[leasesGiven] = lease
        leasesMost = max(leasesMost, leases.count)
        return lease
    }

    /// Single events: whatever a settlement names leaves the lease.
    private mutating func settle(_ settlement: Settlement) { leases[settlement.lease] = nil }

    // MARK: Upstream

    private mutating func receive(_ id: Int, _ request: UpstreamRequest) {
        let number = seen.count
        underWay += 1
        let isQuestion = request.method == "PATCH"
        seen.append(Seen(at: elapsed, isQuestion: isQuestion, underWay: underWay))
        if let answer = trouble(request, elapsed) {
            happen(
                after: answer.delay,
                .answer(id: id, number: number, answer.outcome, isServed: false))
        } else if isQuestion {
            let absent = UpstreamOutcome.answered(UpstreamAnswer(status: 404))
            happen(after: latency, .answer(id: id, number: number, absent, isServed: false))
        } else if served < capacity {
            serve(id, number)
        } else if overload == .queues {
            queue.append((id, number))
        } else {
            let busy = UpstreamOutcome.answered(UpstreamAnswer(status: 429))
            happen(after: .milliseconds(1), .answer(id: id, number: number, busy, isServed: false))
        }
    }

    private mutating func serve(_ id: Int, _ number: Int) {
        served += 1
        // A fifth more or less.
        let share = Double.random(in: 0.8...1.2, using: &generator)
        let body = Array("[{\"id\":\"data_\(number)\"}]".utf8)
        let yes = UpstreamOutcome.answered(UpstreamAnswer(status: 200, body: body))
        happen(after: latency * share, .answer(id: id, number: number, yes, isServed: true))
    }

    private mutating func finishServing() {
        served -= 1
        guard !queue.isEmpty else { return }
        let next = queue.removeFirst()
        serve(next.id, next.number)
    }
}

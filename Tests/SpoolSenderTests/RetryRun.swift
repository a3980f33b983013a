import Glibc
import NIOPosix
import SpoolCore
import SpoolSender
import SpoolTestKit

/// What upstream does with every delivery.
enum RetryUpstream: Sendable, CustomStringConvertible {
    case answers(Int, String, retryAfter: String? = nil)
    case refusesConnections
    case closes
    case resets
    case breaksOff
    case talksNonsense
    case isSilent
    /// Its name cannot be one, so that no name server is asked.
    case isUnknown
    /// The base URL says https, and it does not.
    case speaksNoTLS

    var description: String {
        switch self {
        case .answers(let status, let body, let retryAfter):
            "\(status) \(body)\(retryAfter.map { " Retry-After: \($0)" } ?? "")"
        case .refusesConnections: "connection refused"
        case .closes: "closed without an answer"
        case .resets: "reset without an answer"
        case .breaksOff: "an answer cut off"
        case .talksNonsense: "no HTTP"
        case .isSilent: "no answer in time"
        case .isUnknown: "unknown host"
        case .speaksNoTLS: "no TLS"
        }
    }

    fileprivate func serve(_ connection: RawUpstream.Connection) {
        switch self {
        case .answers(let status, let body, let retryAfter):
            let headers = retryAfter.map { "Retry-After: \($0)\r\n" } ?? ""
            connection.answer(status, body, headers: headers)
        case .refusesConnections, .closes: connection.finish()
        case .resets: connection.reset()
        case .breaksOff:
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[")
            connection.finish()
        case .talksNonsense:
            connection.write("SSH-2.0-OpenSSH\r\n\r\n")
            connection.finish()
        case .isSilent: connection.waitForClose()
        case .isUnknown, .speaksNoTLS: connection.finish()
        }
    }
}

/// A few events between a real machine and a real transport, on a clock that jumps to what is due next.
///
/// The queue is this struct: events wait loose or in the groups that the machine has made of them.
struct RetryRun {
    /// What became of each event.
    private(set) var fates: [EventSequence: RetryRow.Fate] = [:]
    /// When each delivery was sent.
    private(set) var sent: [Duration] = []
    private(set) var questions = 0
    private(set) var possibleDuplicates = 0
    private(set) var elapsed = Duration.zero

    private let kind: EventKind
    private let upstream: RawUpstream
    private let path: String?
    private let transport: HTTPTransport
    private let isSilent: Bool
    private let answered: Set<Route>
    private var machine: SenderMachine
    private let start = ContinuousClock.now
    private let wall = Timestamp(milliseconds: 1_795_305_600_000)
    private var notes = ""
    private let count: Int
    private var held: [Held]
    private var leases: [Int64: Lease] = [:]
    private var leasesGiven: Int64 = 0
    private var groupsMade = 0
    /// Groups and what is loose take turns.
    private var lastGroup: Int?
    private var due: [(at: Duration, order: Int, event: SenderMachine.Event)] = []
    private var happened = 0
    private var exchanges: [(id: Int, request: UpstreamRequest)] = []

    /// An event that has not left the queue.
    private struct Held {
        let sequence: EventSequence
        var lease: Int64?
        var group: Int?
        var notBefore: Timestamp?
        var attempts = 0
    }

    /// - Parameter poison: the place of the one event that upstream does this to, with whatever travels
    ///   beside it; nil: to all.
    init(
        _ behaviour: RetryUpstream, kind: EventKind = .log, count: Int = 1,
        answered: Set<Route> = Set(Route.allCases), knows: Bool = false, poison: Int? = nil
    ) throws {
        self.kind = kind
        self.count = count
        self.answered = answered
        held = Lease.of(kind, count).events.map { Held(sequence: $0.sequence) }
        // A closed port may be somebody else's the next moment; a socket's file stays.
        path =
            if case .refusesConnections = behaviour {
                "/tmp/loopspool-refuses-\(UInt64.random(in: 0 ... .max)).sock"
            } else {
                nil
            }
        let marks = Lease.of(kind, count).events.map { "\"\(kind.mark)\($0.sequence.rawValue)\"" }
        upstream = try RawUpstream(path: path) { connection in
            if case .speaksNoTLS = behaviour {
                _ = connection.some()
                return connection.finish()
            }
            while let request = connection.request() {
                let isQuestion = request.hasPrefix("PATCH") && request.hasSuffix("{}")
                let carried = marks.filter { request.contains($0) }
                if !isQuestion, let poison, !carried.contains(marks[poison]) {
                    let ids = carried.map { #"{"id":\#($0)}"# }
                    connection.answer(200, "[\(ids.joined(separator: ","))]")
                } else if !isQuestion {
                    behaviour.serve(connection)
                } else if knows {
                    connection.answer(200, #"{"id":"data_1","reference_id":"r1000"}"#)
                } else {
                    connection.answer(404, "")
                }
            }
        }
        if case .refusesConnections = behaviour { upstream.close() }
        isSilent = if case .isSilent = behaviour { true } else { false }
        let address =
            switch behaviour {
            case .isUnknown: "http://\(String(repeating: "x", count: 64)).invalid"
            case .speaksNoTLS: "https://\(upstream.address)"
            default: path.map { "unix:\($0)" } ?? "http://\(upstream.address)"
            }
        transport = try HTTPTransport(
            to: UpstreamAddress(address), key: nil, version: "1",
            on: MultiThreadedEventLoopGroup.singleton)
        machine = Self.machine(at: start, wall)
    }

    private static func machine(
        at instant: ContinuousClock.Instant, _ wall: Timestamp
    ) -> SenderMachine {
        SenderMachine(
            settings: SenderSettings(), generator: SeededRandom(seed: 5),
            at: .init(instant: instant, wall: wall))
    }

    var parks: Set<Park> { machine.snapshot(at: start + elapsed).parks }

    /// The attempts that each event still held has spent.
    var attempts: [Int] { held.map(\.attempts) }

    /// The events that have arrived, and when the last of them did.
    var delivered: [EventSequence] { fates.filter { $0.value == .delivered }.map(\.key) }
    private(set) var lastDelivered = Duration.zero

    /// What became of all of them, if it is the same; queued: some are.
    var fate: RetryRow.Fate? {
        guard held.isEmpty else { return .queued }
        return Set(fates.values).count == 1 ? fates.values.first : nil
    }

    /// Plays until nothing is due before `end`, or every event is gone.
    mutating func play(until end: Duration) async {
        await play { $0.elapsed >= end }
    }

    /// Plays until so many deliveries were sent, and what the last one brought is recorded.
    mutating func play(requests: Int) async {
        await play { $0.sent.count >= requests && $0.exchanges.isEmpty && !$0.isCommitting }
    }

    /// How long each delivery but the first was waited for since the one before.
    var waits: [Duration] { zip(sent.dropFirst(), sent).map { $0 - $1 } }

    /// Ends the connections.
    func close() async throws {
        upstream.close()
        if let path { unlink(path) }
        try await transport.shutdown()
    }

    /// The process dies and starts again: callbacks are lost, what was recorded is not.
    mutating func restart() async {
        due = []
        exchanges = []
        machine = Self.machine(at: start + elapsed, wall + elapsed)
    }

    private mutating func play(until isOver: (RetryRun) -> Bool) async {
        if happened == 0 || (due.isEmpty && exchanges.isEmpty) { perform(.start) }
        while !held.isEmpty {
            if !exchanges.isEmpty {
                let (id, request) = exchanges.removeFirst()
                perform(.exchanged(id, await answer(to: request)))
            } else if let next = due.indices.min(by: {
                (due[$0].at, due[$0].order) < (due[$1].at, due[$1].order)
            }) {
                let happening = due.remove(at: next)
                elapsed = max(elapsed, happening.at)
                perform(happening.event)
            } else {
                return
            }
            if isOver(self) { return }
        }
    }

    /// Over the wire; a timeout is short in truth and passes in full on the clock.
    private mutating func answer(to request: UpstreamRequest) async -> UpstreamOutcome {
        var hurried = request
        if isSilent, !request.isQuestion { hurried.timeout = .milliseconds(50) }
        let outcome = await withCheckedContinuation { continuation in
            transport.exchange(hurried) { continuation.resume(returning: $0) }
        }
        if case .noAnswer(_, timedOut: true) = outcome { elapsed += request.timeout }
        return outcome
    }

    private mutating func perform(_ event: SenderMachine.Event) {
        let now = SenderMachine.Moment(instant: start + elapsed, wall: wall + elapsed)
        for action in machine.handle(event, at: now) {
            switch action {
            case .recall:
                soon(.recalled(recollection))
            case .lease(let wish, let purpose):
                soon(.leased(lease(wish), purpose))
            case .exchange(let id, let request):
                if request.isQuestion { questions += 1 } else { sent.append(elapsed) }
                exchanges.append((id, request))
            case .settle(let settlement):
                settle(settlement)
                soon(.settled(lease: settlement.lease, .committed))
            case .keep(let text):
                notes = text
            case .wake(let number, let delay):
                soon(.woke(number), after: delay)
            case .stopped:
                break
            }
        }
    }

    private var isCommitting: Bool {
        due.contains { if case .settled = $0.event { true } else { false } }
    }

    private mutating func soon(_ event: SenderMachine.Event, after delay: Duration = .zero) {
        happened += 1
        due.append((elapsed + delay, happened, event))
    }

    // MARK: Queue

    private var recollection: Recollection {
        Recollection(
            leases: leases.keys.sorted().map { leases[$0]! }, answeredRoutes: answered,
            deliveredReferences: [], calibration: .ask, notes: notes)
    }

    /// All events are of one lane, whatever scope is asked for: the first group that may go, or what is loose.
    private mutating func lease(_ wish: LeaseWish) -> LeaseAnswer {
        let isParked =
            wish.probe == nil
            && (wish.parkedLanes.contains(1) || wish.parkedRoutes.contains(kind.route))
        let free = held.indices.filter { held[$0].lease == nil }
        guard !isParked, !free.isEmpty else { return .nothing(due: nil) }
        if !wish.freed.isEmpty { for place in free { held[place].notBefore = nil } }
        let ready = free.filter { held[$0].notBefore.map { $0 <= wall + elapsed } ?? true }
        guard let first = ready.first(where: { held[$0].group != lastGroup }) ?? ready.first else {
            return .nothing(due: free.compactMap { held[$0].notBefore }.min())
        }
        lastGroup = held[first].group
        var places = ready.filter { held[$0].group == held[first].group }
        if held[first].group == nil {
            // What was tried by itself goes on so.
            let isAlone = held[first].attempts > 0
            places = isAlone ? [first] : places.filter { held[$0].attempts == 0 }
        }
        places = Array(places.prefix(wish.eventsMax))
        leasesGiven += 1
        for place in places { held[place].lease = leasesGiven }
        let all = Lease.of(kind, count)
        let events = places.map { place in
            let held = held[place]
            let one = Lease.of(kind, count, attempts: held.attempts)
            return one.events.first { $0.sequence == held.sequence }!
        }
        let lease = Lease(
            id: leasesGiven, route: all.route, bytes: all.bytes, events: Array(events),
            isRegrouped: held[first].group != nil)
        leases[leasesGiven] = lease
        return .batch(lease)
    }

    private mutating func settle(_ settlement: Settlement) {
        notes = settlement.notes ?? notes
        possibleDuplicates += settlement.possibleDuplicates
        for delivered in settlement.delivered { leave(delivered.sequence, .delivered) }
        for dead in settlement.dead { leave(dead.sequence, .dead(dead.reason)) }
        for back in settlement.returned {
            release(back.sequence, group: nil)
            change(back.sequence) { $0.notBefore = back.notBefore }
            if back.countsAttempt { change(back.sequence) { $0.attempts += 1 } }
        }
        for group in settlement.regrouped {
            groupsMade += 1
            for sequence in group { release(sequence, group: groupsMade) }
        }
        let isOpen = held.contains { $0.lease == settlement.lease }
        if !isOpen { leases[settlement.lease] = nil }
    }

    private mutating func leave(_ sequence: EventSequence, _ fate: RetryRow.Fate) {
        held.removeAll { $0.sequence == sequence }
        fates[sequence] = fate
        if fate == .delivered { lastDelivered = elapsed }
    }

    private mutating func release(_ sequence: EventSequence, group: Int?) {
        change(sequence) {
            $0.lease = nil
            $0.group = group
        }
    }

    private mutating func change(_ sequence: EventSequence, _ change: (inout Held) -> Void) {
        guard let place = held.firstIndex(where: { $0.sequence == sequence }) else {
            preconditionFailure("\(sequence) has left the queue before")
        }
        change(&held[place])
    }
}

extension UpstreamRequest {
    /// An update that changes nothing.
    fileprivate var isQuestion: Bool { method == "PATCH" && body.elementsEqual("{}".utf8) }
}

extension EventKind {
    /// What stands before an event's number in its body.
    fileprivate var mark: String { isLog ? "r" : "n" }
}

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
        }
    }
}

/// One event between a real machine and a real transport, on a clock that jumps to what is due next.
struct RetryRun {
    private(set) var fate = RetryRow.Fate.queued
    /// When each delivery was sent.
    private(set) var sent: [Duration] = []
    private(set) var questions = 0
    private(set) var elapsed = Duration.zero

    private let upstream: RawUpstream
    private let path: String?
    private let transport: HTTPTransport
    private let isSilent: Bool
    private let answered: Set<Route>
    private var machine: SenderMachine
    private let start = ContinuousClock.now
    private let wall = Timestamp(milliseconds: 1_795_305_600_000)
    private var notes = ""
    private var lease: Int64?
    private var leasesGiven: Int64 = 0
    private var notBefore: Timestamp?
    private var attempts = 0
    private var due: [(at: Duration, order: Int, event: SenderMachine.Event)] = []
    private var happened = 0
    private var exchange: (id: Int, request: UpstreamRequest)?

    init(
        _ behaviour: RetryUpstream, answered: Set<Route> = Set(Route.allCases), knows: Bool = false
    ) throws {
        self.answered = answered
        // A closed port may be somebody else's the next moment; a socket's file stays.
        path =
            if case .refusesConnections = behaviour {
                "/tmp/loopspool-refuses-\(UInt64.random(in: 0 ... .max)).sock"
            } else {
                nil
            }
        upstream = try RawUpstream(path: path) { connection in
            while let request = connection.request() {
                if request.hasPrefix("POST") {
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
        transport = try HTTPTransport(
            to: UpstreamAddress(path.map { "unix:\($0)" } ?? "http://\(upstream.address)"),
            key: nil, version: "1",
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

    /// Plays until nothing is due before `end`, or the event is gone.
    mutating func play(until end: Duration) async {
        await play { $0.elapsed >= end }
    }

    /// Plays until so many deliveries were sent, and what the last one brought is recorded.
    mutating func play(requests: Int) async {
        await play { $0.sent.count >= requests && $0.exchange == nil && !$0.isCommitting }
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
        exchange = nil
        machine = Self.machine(at: start + elapsed, wall + elapsed)
    }

    private mutating func play(until isOver: (RetryRun) -> Bool) async {
        if happened == 0 || (due.isEmpty && exchange == nil) { perform(.start) }
        while fate == .queued {
            if let (id, request) = exchange {
                exchange = nil
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
        if isSilent, request.method == "POST" { hurried.timeout = .milliseconds(50) }
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
                if request.method == "POST" { sent.append(elapsed) } else { questions += 1 }
                precondition(exchange == nil, "one event is in one request at a time")
                exchange = (id, request)
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
            leases: lease.map { [event(in: $0)] } ?? [], answeredRoutes: answered,
            deliveredReferences: [], calibration: .ask, notes: notes)
    }

    /// The event is the only one of its lane, in whatever scope is asked for.
    private mutating func lease(_ wish: LeaseWish) -> LeaseAnswer {
        let isParked =
            wish.probe == nil
            && (wish.parkedLanes.contains(1) || wish.parkedRoutes.contains(.postLogs))
        guard lease == nil, fate == .queued, !isParked else { return .nothing(due: nil) }
        if let notBefore, notBefore > wall + elapsed { return .nothing(due: notBefore) }
        leasesGiven += 1
        lease = leasesGiven
        return .batch(event(in: leasesGiven))
    }

    private func event(in lease: Int64) -> Lease {
        let one = Lease.of(.log, id: 1, attempts: attempts)
        return Lease(
            id: lease, route: one.route, bytes: one.bytes, events: one.events, isRegrouped: false)
    }

    private mutating func settle(_ settlement: Settlement) {
        lease = nil
        notes = settlement.notes ?? notes
        if !settlement.delivered.isEmpty { fate = .delivered }
        if let dead = settlement.dead.first { fate = .dead(dead.reason) }
        if let back = settlement.returned.first {
            notBefore = back.notBefore
            if back.countsAttempt { attempts += 1 }
        }
    }
}

import SpoolCore
import SpoolSender
import Synchronization
import Testing

/// The driver over fakes that answer at once: what the machine decides is performed, and nothing else.
@Suite struct `The driver` {
    @Test func `delivers what the queue holds and stops when told`() {
        let clock = ManualScheduler()
        let source = OneBatch(.of(.log, 3))
        let transport = Accepting()
        let sender = Sender(source: source, transport: transport, scheduler: clock)
        sender.start()
        clock.drain()
        #expect(source.delivered.withLock { $0 } == [1000, 1001, 1002])
        #expect(sender.snapshot.tally.delivered == 3)
        #expect(sender.snapshot.calibration == .ask)
        let stops = Mutex(0)
        sender.stop { stops.withLock { $0 += 1 } }
        clock.drain()
        sender.stop { stops.withLock { $0 += 1 } }
        clock.drain()
        #expect(stops.withLock { $0 } == 2)
    }
}

/// Runs everything when told to, in order.
private final class ManualScheduler: Scheduler {
    private let waiting = Mutex<[@Sendable () -> Void]>([])
    let instant = ContinuousClock.now
    let now = Timestamp(milliseconds: 1_795_305_600_000)

    func run(_ body: @escaping @Sendable () -> Void) { waiting.withLock { $0.append(body) } }

    /// Time stands still here.
    func run(after delay: Duration, _ body: @escaping @Sendable () -> Void) {}

    func drain() {
        while let next = waiting.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { next() }
    }
}

/// A queue with a single batch.
private final class OneBatch: EventSource {
    private let batch: Mutex<Lease?>
    let delivered = Mutex<[Int64]>([])

    init(_ lease: Lease) { batch = Mutex(lease) }

    func lease(_ wish: LeaseWish, _ done: @escaping @Sendable (LeaseAnswer) -> Void) {
        let lease = batch.withLock { batch in
            defer { batch = nil }
            return batch
        }
        done(lease.map(LeaseAnswer.batch) ?? .nothing(due: nil))
    }

    func settle(_ settlement: Settlement, _ done: @escaping @Sendable (SettleOutcome) -> Void) {
        delivered.withLock { $0 += settlement.deliveredNumbers }
        done(.committed)
    }

    func keep(notes: String) {}

    func recall(_ done: @escaping @Sendable (Recollection) -> Void) {
        done(
            Recollection(
                leases: [], answeredRoutes: [], deliveredReferences: [], calibration: .undecided))
    }

    func whenWorkArrives(_ notify: @escaping @Sendable () -> Void) {}
}

/// Accepts every delivery, knows what was delivered.
private struct Accepting: Transport {
    func exchange(
        _ request: UpstreamRequest, _ done: @escaping @Sendable (UpstreamOutcome) -> Void
    ) {
        guard request.method == "PATCH" else {
            let ids = Array(#"[{"id":"a"},{"id":"b"},{"id":"c"}]"#.utf8)
            return done(.answered(UpstreamAnswer(status: 200, body: ids)))
        }
        let isKnown = !request.target.contains("unused")
        let body = isKnown ? Array(#"{"id":"a"}"#.utf8) : []
        done(.answered(UpstreamAnswer(status: isKnown ? 200 : 404, body: body)))
    }
}

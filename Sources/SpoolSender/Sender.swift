public import SpoolCore
internal import Synchronization

/// Drives ``SenderMachine``: performs what it decides between queue, upstream and time, decides nothing.
///
/// Every event reaches the machine on the scheduler's thread, one after the other; the lock is there
/// only for ``snapshot``, which any thread may read. Actions are performed outside of it.
public final class Sender: Sendable {
    private let source: any EventSource
    private let transport: any Transport
    private let scheduler: any Scheduler
    private let state: Mutex<State>

    private struct State {
        var machine: SenderMachine
        var whenStopped: [@Sendable () -> Void] = []
    }

    /// A sender that does nothing before ``start()``.
    ///
    /// - Parameter generator: draws the jitter; seeded in tests.
    public init(
        source: any EventSource, transport: any Transport, scheduler: any Scheduler,
        settings: SenderSettings = SenderSettings(),
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.source = source
        self.transport = transport
        self.scheduler = scheduler
        let now = SenderMachine.Moment(instant: scheduler.instant, wall: scheduler.now)
        let machine = SenderMachine(settings: settings, generator: generator, at: now)
        self.state = Mutex(State(machine: machine))
    }

    /// Recalls what the last run left under way, and begins to deliver. To be called once.
    public func start() {
        source.whenWorkArrives { [self] in post(.workArrived) }
        post(.start)
    }

    /// Takes no new leases, waits for outstanding answers up to ``SenderSettings/stopTimeout``, then
    /// calls `done` on the scheduler's thread. What has no answer by then stays in flight, and the next
    /// start finds it in doubt. May be called again, from any thread.
    public func stop(_ done: @escaping @Sendable () -> Void) {
        scheduler.run { [self] in
            let isStopped = state.withLock { state in
                if !state.machine.isStopped { state.whenStopped.append(done) }
                return state.machine.isStopped
            }
            if isStopped { done() } else { handle(.stop) }
        }
    }

    /// Tries at once what is parked or backing off: somebody has mended something. From any thread.
    public func resume() { post(.resume) }

    /// What the sender is doing.
    public var snapshot: SenderSnapshot {
        let now = scheduler.instant
        return state.withLock { $0.machine.snapshot(at: now) }
    }

    private func post(_ event: SenderMachine.Event) {
        scheduler.run { [self] in handle(event) }
    }

    /// Only on the scheduler's thread.
    private func handle(_ event: SenderMachine.Event) {
        let now = SenderMachine.Moment(instant: scheduler.instant, wall: scheduler.now)
        let actions = state.withLock { $0.machine.handle(event, at: now) }
        for action in actions { perform(action) }
    }

    private func perform(_ action: SenderMachine.Action) {
        switch action {
        case .recall:
            source.recall { [self] in post(.recalled($0)) }
        case .lease(let wish, let purpose):
            source.lease(wish) { [self] in post(.leased($0, purpose)) }
        case .exchange(let id, let request):
            transport.exchange(request) { [self] in post(.exchanged(id, $0)) }
        case .settle(let settlement):
            let lease = settlement.lease
            source.settle(settlement) { [self] in post(.settled(lease: lease, $0)) }
        case .keep(let notes):
            source.keep(notes: notes)
        case .wake(let number, let delay):
            scheduler.run(after: delay) { [self] in handle(.woke(number)) }
        case .stopped:
            let waiting = state.withLock { state in
                defer { state.whenStopped = [] }
                return state.whenStopped
            }
            for done in waiting { done() }
        }
    }
}

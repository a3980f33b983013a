import SpoolCore
import Synchronization

/// The callers that want their logs' answer after the delivery (`Prefer: wait`), each with an end:
/// the delivery, its time, or the stop of the daemon.
final class DeliveryWaits: Sendable {
    /// What a wait has come to: upstream's ids of the logs that have arrived.
    typealias Arrivals = [EventSequence: String]

    private struct State {
        var isOver = false
        var lastNumber: UInt64 = 0
        var waits: [UInt64: Wait] = [:]
    }

    private struct Wait {
        var watch: DeliveryWatch?
        var cancelTimer: (@Sendable () -> Void)?
        let done: @Sendable (Arrivals) -> Void
    }

    private let lookup: any EventLookup
    private let loops: DoorLoops
    private let state = Mutex(State())

    init(lookup: any EventLookup, loops: DoorLoops) {
        self.lookup = lookup
        self.loops = loops
    }

    /// Waits until a submission's logs have left the queue, or for `limit`. `done` is called once,
    /// on any thread, with upstream's ids of logs, projects and sessions as far as they are known
    /// then.
    func wait(
        for receipt: Receipt, _ identity: SpoolIdentity, atMost limit: Duration,
        _ done: @escaping @Sendable (Receipt, Arrivals) -> Void
    ) {
        let lookup = lookup
        wait(for: receipt.sequences, atMost: limit) { arrivals in
            receipt.settled(by: lookup, identity) { done($0, arrivals) }
        }
    }

    private func wait(
        for sequences: [EventSequence], atMost limit: Duration,
        _ done: @escaping @Sendable (Arrivals) -> Void
    ) {
        let number: UInt64? = state.withLock { state in
            guard !state.isOver else { return nil }
            state.lastNumber += 1
            state.waits[state.lastNumber] = Wait(done: done)
            return state.lastNumber
        }
        guard let number else { return done([:]) }
        let cancelTimer = loops.runAfter(limit) { self.end(number, [:]) }
        let watch = lookup.whenDelivered(sequences) { arrived in
            self.end(number, arrived.compactMapValues(\.self))
        }
        let isOver = state.withLock { state in
            state.waits[number]?.watch = watch
            state.waits[number]?.cancelTimer = cancelTimer
            return state.waits[number] == nil
        }
        guard isOver else { return }
        // It has ended before it was known by what.
        cancelTimer()
        lookup.stopWaiting(watch)
    }

    /// Ends all waits: nobody is kept from stopping.
    func stop() {
        let numbers = state.withLock { state in
            state.isOver = true
            return Array(state.waits.keys)
        }
        for number in numbers { end(number, [:]) }
    }

    private func end(_ number: UInt64, _ arrivals: Arrivals) {
        guard let wait = state.withLock({ $0.waits.removeValue(forKey: number) }) else { return }
        wait.cancelTimer?()
        if let watch = wait.watch { lookup.stopWaiting(watch) }
        wait.done(arrivals)
    }
}

extension Receipt {
    /// The same receipt with upstream's ids of projects and sessions, where they are known by now.
    fileprivate func settled(
        by lookup: any EventLookup, _ identity: SpoolIdentity,
        _ done: @escaping @Sendable (Receipt) -> Void
    ) {
        var things: [(thing: SpoolIdentity.Thing, sequence: EventSequence)] = []
        for id in projectIDs {
            if let number = identity.sequence(of: .project, in: id) {
                things.append((.project, number))
            }
        }
        for id in sessionIDs {
            if let id, let sequence = identity.sequence(of: .session, in: id) {
                things.append((.session, sequence))
            }
        }
        let provisional = things.map { identity.id($0.thing, $0.sequence) }
        lookup.findAll(things) { standings in
            var upstream: [String: String] = [:]
            for (id, standing) in zip(provisional, standings) {
                if case .upstream(let known) = standing { upstream[id] = known }
            }
            done(
                Receipt(
                    sequences: sequences, projectIDs: projectIDs.map { upstream[$0] ?? $0 },
                    targets: targets, sessionIDs: sessionIDs.map { $0.map { upstream[$0] ?? $0 } }))
        }
    }
}

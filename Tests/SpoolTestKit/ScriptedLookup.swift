public import SpoolCore
import Synchronization

/// What became of events, as the test says; deliveries and discards are recorded.
public final class ScriptedLookup: EventLookup {
    private struct Asked: Hashable {
        let thing: SpoolIdentity.Thing
        let sequence: EventSequence
    }

    private typealias Arrivals = [EventSequence: String?]

    private struct Watch {
        let sequences: [EventSequence]
        let done: @Sendable (Arrivals) -> Void
    }

    private struct State {
        var standings: [Asked: ProvisionalStanding] = [:]
        var lastWatch: UInt64 = 0
        var watches: [DeliveryWatch: Watch] = [:]
        var delivered: Arrivals = [:]
        var outcome = DiscardOutcome.discarded
        var discarded: [[EventSequence]] = []
        var forgotten: [String] = []
        var bodiesAsked: [Bool] = []
    }

    private let state = Mutex(State())

    /// A queue that knows nothing.
    public init() {}

    // MARK: What the test says and sees

    /// From now on this became of a thing.
    public func know(
        _ thing: SpoolIdentity.Thing, _ sequence: EventSequence, _ standing: ProvisionalStanding
    ) {
        state.withLock { $0.standings[Asked(thing: thing, sequence: sequence)] = standing }
    }

    /// From now on this comes of every wish to discard.
    public func answerDiscards(_ outcome: DiscardOutcome) {
        state.withLock { $0.outcome = outcome }
    }

    /// The wishes to discard, in order.
    public var discarded: [[EventSequence]] { state.withLock { $0.discarded } }

    /// The ids of logs that upstream has deleted, in order.
    public var forgotten: [String] { state.withLock { $0.forgotten } }

    /// Of each look-up, in order, whether it asked for the body.
    public var bodiesAsked: [Bool] { state.withLock { $0.bodiesAsked } }

    /// How many waits for a delivery there are.
    public var watchCount: Int { state.withLock { $0.watches.count } }

    /// An event leaves the queue: under upstream's id, or dead with nil.
    public func deliver(_ sequence: EventSequence, as id: String?) {
        let due = state.withLock { state in
            state.delivered[sequence] = .some(id)
            let known = Set(state.delivered.keys)
            let due = state.watches.filter { known.isSuperset(of: $0.value.sequences) }
            for watch in due.keys { state.watches[watch] = nil }
            return due.values.map { ($0.done, Self.arrivals(of: $0.sequences, state)) }
        }
        for (done, arrivals) in due { done(arrivals) }
    }

    // MARK: EventLookup

    /// As the test has said; unknown otherwise.
    public func find(
        _ thing: SpoolIdentity.Thing, _ sequence: EventSequence, withBody: Bool,
        _ done: @escaping @Sendable (ProvisionalStanding) -> Void
    ) {
        let asked = Asked(thing: thing, sequence: sequence)
        let standing = state.withLock { state in
            state.bodiesAsked.append(withBody)
            return state.standings[asked]
        }
        done(standing ?? .unknown)
    }

    /// Tells when all of them were delivered, at once if they were already.
    public func whenDelivered(
        _ sequences: [EventSequence], _ done: @escaping @Sendable ([EventSequence: String?]) -> Void
    ) -> DeliveryWatch {
        let (watch, arrivals): (DeliveryWatch, Arrivals?) = state.withLock { state in
            state.lastWatch += 1
            let watch = DeliveryWatch(number: state.lastWatch)
            if Set(state.delivered.keys).isSuperset(of: sequences) {
                return (watch, Self.arrivals(of: sequences, state))
            }
            state.watches[watch] = Watch(sequences: sequences, done: done)
            return (watch, nil)
        }
        if let arrivals { done(arrivals) }
        return watch
    }

    /// Forgets the wait.
    public func stopWaiting(_ watch: DeliveryWatch) {
        state.withLock { $0.watches[watch] = nil }
    }

    /// Records the wish and answers as the test has said.
    public func discard(
        _ sequences: [EventSequence], _ done: @escaping @Sendable (DiscardOutcome) -> Void
    ) {
        let outcome = state.withLock { state in
            state.discarded.append(sequences)
            return state.outcome
        }
        done(outcome)
    }

    /// Records the ids.
    public func forgetRepeats(of ids: [String]) {
        state.withLock { $0.forgotten += ids }
    }

    private static func arrivals(of sequences: [EventSequence], _ state: State) -> Arrivals {
        Dictionary(
            sequences.map { ($0, state.delivered[$0] ?? nil) },
            uniquingKeysWith: { first, _ in first })
    }
}

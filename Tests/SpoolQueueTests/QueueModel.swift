import SpoolCore
import SpoolTestKit

@testable import SpoolQueue

/// What the queue should know, in the plainest terms.
struct QueueModel {
    /// Where an event is.
    enum State: Equatable {
        case queued
        /// Back in the queue, to be left alone until then.
        case delayed(Timestamp)
        /// In a group that travels by itself, not yet sent.
        case grouped([EventSequence])
        case leased(Int64)
        case delivered
        case dead
        /// Given up by command; events accepted before `until` may still name it.
        case discarded(until: EventSequence)
    }

    /// An accepted event.
    struct Event {
        /// Its place in the order of acceptance.
        let sequence: EventSequence
        /// What it is.
        let event: TestEvent
        /// When it was accepted, or replayed last.
        var acceptedAt: Timestamp
        /// Where it is.
        var state: State
        /// An update whose log was not known here when it came: its delivery shows that upstream has one.
        var isElsewhere = false

        /// Whether it is in the queue.
        var isHeld: Bool { state != .delivered && state != .dead && !isDiscarded }
        /// Whether it was given up.
        var isDiscarded: Bool {
            if case .discarded = state { true } else { false }
        }
        /// The name an effect goes by in its chain is that of its log.
        var name: String
    }

    /// Every event that was accepted.
    var events: [EventSequence: Event] = [:]
    /// How often the process died, groups were split, dead letters replayed, and logs discarded.
    var crashes = 0
    var splits = 0
    var replays = 0
    var discards = 0

    /// How many events upstream has.
    var delivered: Int { count { $0 == .delivered } }
    /// How many are dead.
    var dead: Int { count { $0 == .dead } }
    /// How many are in the queue.
    var held: Int { events.values.count { $0.isHeld } }
    /// How many were given up.
    var discarded: Int { events.values.count { $0.isDiscarded } }

    private func count(_ isState: (State) -> Bool) -> Int {
        events.values.count { isState($0.state) }
    }

    /// What became of something that an event names.
    enum CauseState: Equatable { case held, delivered, dead, discarded, unknown }

    /// What became of the session and the log an event names.
    func causes(of event: Event) -> [CauseState] {
        var states: [CauseState] = []
        if case .provisional(let sequence) = event.event.session {
            let session = events[sequence]
            let isHeld = session?.isHeld ?? false
            states.append(isHeld ? .held : session?.state == .dead ? .dead : .delivered)
        }
        if let log = event.event.cause.map({ cause($0, of: event) }) { states.append(log) }
        return states
    }

    private func cause(_ name: TestEvent.CauseName, of event: Event) -> CauseState {
        switch name {
        case .project, .foreign: return .unknown
        case .event(let sequence):
            guard let log = events[sequence] else { return .unknown }
            // Waiters wait for the name, so another log of that name holds them too.
            let isNameHeld = logs(named: log.name).contains { $0.isHeld }
            if log.isDiscarded { return .discarded }
            return log.isHeld && isNameHeld ? .held : log.state == .dead ? .dead : .delivered
        case .reference(let name):
            let named = logs(named: name)
            if named.contains(where: \.isHeld) { return .held }
            if named.contains(where: { $0.state == .delivered }) { return .delivered }
            if isKnownElsewhere(name) { return .delivered }
            if named.contains(where: { $0.state == .dead }) { return .dead }
            return named.contains { $0.state.outlasts(event) } ? .discarded : .unknown
        }
    }

    /// Whether an update has shown that upstream has a log of that name.
    private func isKnownElsewhere(_ name: String) -> Bool {
        events.values.contains { $0.isElsewhere && $0.state == .delivered && $0.name == name }
    }

    /// Whether following parents from an event leads back to it.
    func isOwnAncestor(_ event: Event) -> Bool {
        var seen: Set<EventSequence> = []
        var next = parents(of: event)
        while let parent = next.popLast() {
            if parent.sequence == event.sequence { return true }
            if seen.insert(parent.sequence).inserted { next += parents(of: parent) }
        }
        return false
    }

    private func parents(of event: Event) -> [Event] {
        switch event.event.cause {
        case nil, .project, .foreign: []
        case .event(let sequence): events[sequence].map { logs(named: $0.name) } ?? []
        case .reference(let name): logs(named: name)
        }
    }

    /// Part of a group was sent: the rest waits without it.
    mutating func split(_ group: [EventSequence], by part: [EventSequence]) {
        splits += Set(group).isSubset(of: part) ? 0 : 1
        let rest = group.filter { !part.contains($0) }
        for sequence in rest where events[sequence]?.state == .grouped(group) {
            events[sequence]?.state = .grouped(rest)
        }
    }

    /// Logs that go by a name.
    func logs(named name: String) -> [Event] {
        events.values.filter { $0.event.kind.isLog && $0.name == name }
    }

    /// Effects on the same log that were accepted earlier and have not left.
    func priorEffects(of event: Event) -> [Event] {
        events.values.filter {
            $0.event.kind.isEffect && $0.name == event.name && $0.isHeld
                && $0.sequence < event.sequence
        }
    }
}

extension QueueModel.State {
    /// Whether it is that of a discarded log, and an event was accepted early enough to mean that.
    fileprivate func outlasts(_ event: QueueModel.Event) -> Bool {
        if case .discarded(let until) = self { event.sequence < until } else { false }
    }
}

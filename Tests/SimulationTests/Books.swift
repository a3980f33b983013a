import SpoolCore

@testable import SpoolQueue

/// What a history knows of its events beside the spool: where each is, and what upstream did with it.
///
/// It learns of a transaction when that is durable, whether or not anybody is told. What it finds wrong
/// is thrown as a ``Violation``.
struct Books {
    /// Whether upstream tells the truth about what it has.
    let isTruthful: Bool
    /// Where an event is.
    enum Place: Equatable { case held, delivered, dead, discarded }

    /// An accepted event.
    struct Entry {
        /// As its app made it.
        let event: AppEvent
        /// Its place in the order of acceptance.
        let sequence: EventSequence
        /// The name of the log it is, or is about.
        let chain: String
        /// When it was accepted, or replayed.
        var acceptedAt: Timestamp
        /// Where it is.
        var place = Place.held
        /// The lease it is in.
        var lease: Int64?
        /// Whether it waits in a lease to come: with whom it travels is settled.
        var isRegrouped = false
        /// When it was leased last, and when it was delivered.
        var leasedAt: ContinuousClock.Instant?
        var deliveredAt: ContinuousClock.Instant?
        /// Whether it ever died, after which its place in its chain is lost.
        var hasDied = false
    }

    /// Every accepted event.
    private(set) var entries: [EventSequence: Entry] = [:]
    /// The events of every lease whose request may have begun.
    private(set) var leases: [Int64: [EventSequence]] = [:]
    /// What was counted as a possible duplicate.
    private(set) var possibleDuplicates: [Route: Int] = [:]
    /// The sequences of the events with a number: several, where one was accepted again after its death.
    private(set) var sequences: [Int: [EventSequence]] = [:]
    private var logs: [String: [EventSequence]] = [:]
    /// How many events are in each place, and the sum of the sequences of those that are held.
    private(set) var counts: [Place: Int] = [:]
    private(set) var heldSum: Int64 = 0
    private var applications: [Int: Int] = [:]
    private var excused: [EventKind: Int] = [:]
    /// The ids upstream gave to the events with a number.
    private(set) var ids: [Int: Set<String>] = [:]
    private var sessionsApplied = 0
    private var sessionsAccepted = 0
    private var lastApplied: [String: EventSequence] = [:]
    private var latestApplied: [String: EventSequence] = [:]

    /// The books of a spool that has accepted nothing.
    init(isTruthful: Bool) {
        self.isTruthful = isTruthful
    }

    /// How many events are in one place.
    func count(_ place: Place) -> Int { counts[place, default: 0] }

    /// The events that are in one place, in order.
    func events(_ place: Place) -> [Entry] {
        entries.values.filter { $0.place == place }.sorted { $0.sequence < $1.sequence }
    }

    /// Logs that go by a name.
    func logs(named name: String) -> [Entry] { logs[name, default: []].compactMap { entries[$0] } }

    /// Upstream's ids of delivered logs.
    var upstreamIDs: [String] {
        ids.values.flatMap { $0 }.filter { $0.hasPrefix("data_") }.sorted()
    }

    // MARK: Moves

    /// An event was accepted, or recognised as one that was.
    mutating func accepted(_ event: AppEvent, _ sequence: EventSequence, at now: Timestamp) -> Bool
    {
        guard entries[sequence] == nil else { return false }
        let entry = Entry(
            event: event, sequence: sequence, chain: chain(of: event, sequence), acceptedAt: now)
        entries[sequence] = entry
        sequences[event.number, default: []].append(sequence)
        if event.kind.isLog { logs[entry.chain, default: []].append(sequence) }
        if event.kind == .session { sessionsAccepted += 1 }
        counts[.held, default: 0] += 1
        heldSum += sequence.rawValue
        return true
    }

    private func chain(of event: AppEvent, _ sequence: EventSequence) -> String {
        if event.kind.isLog { return event.reference ?? "minted \(sequence.rawValue)" }
        switch event.causes.first {
        case .reference(let name): return name
        case .log(let log): return entries[log]?.chain ?? "lost \(log.rawValue)"
        case .upstream(let id): return "upstream \(id)"
        case .session, nil: return "none \(sequence.rawValue)"
        }
    }

    private mutating func move(_ sequence: EventSequence, to place: Place) throws(Violation) {
        guard var entry = entries[sequence] else {
            throw Violation("event \(sequence.rawValue) was never accepted")
        }
        counts[entry.place, default: 0] -= 1
        counts[place, default: 0] += 1
        if entry.place == .held { heldSum -= sequence.rawValue }
        if place == .held { heldSum += sequence.rawValue }
        entry.place = place
        if place == .dead { entry.hasDied = true }
        if place != .held {
            entry.lease = nil
            entry.isRegrouped = false
        }
        entries[sequence] = entry
    }

    /// A lease is on disk.
    mutating func leased(_ lease: Lease, at now: ContinuousClock.Instant) throws(Violation) {
        for leased in lease.events {
            guard let entry = entries[leased.sequence], entry.place == .held else {
                throw Violation(
                    "lease \(lease.id) has event \(leased.sequence.rawValue), which is not held")
            }
            if let other = entry.lease {
                throw Violation(
                    "event \(leased.sequence.rawValue) is in leases \(other) and \(lease.id)")
            }
            if !lease.isRegrouped { try checkIsFree(entry, in: lease) }
        }
        for leased in lease.events {
            entries[leased.sequence]?.lease = lease.id
            entries[leased.sequence]?.isRegrouped = false
            entries[leased.sequence]?.leasedAt = now
        }
        leases[lease.id] = lease.events.map(\.sequence)
    }

    /// Leases that a denied commit made durable, and nobody was told of, are none.
    mutating func takeBack(leasesNotIn told: Set<Int64>) {
        for (id, events) in leases where !told.contains(id) {
            for sequence in events { entries[sequence]?.lease = nil }
            leases[id] = nil
        }
    }

    /// A settlement is on disk.
    mutating func settled(
        _ settlement: Settlement, at now: ContinuousClock.Instant
    ) throws(Violation) {
        var open = leases[settlement.lease] ?? []
        for delivered in settlement.delivered {
            try checkArrived(delivered)
            try move(delivered.sequence, to: .delivered)
            entries[delivered.sequence]?.deliveredAt = now
        }
        for dead in settlement.dead {
            try checkDeath(dead.sequence, dead.reason)
            try move(dead.sequence, to: .dead)
        }
        let back = settlement.returned.map(\.sequence) + settlement.regrouped.flatMap { $0 }
        for sequence in back { entries[sequence]?.lease = nil }
        for sequence in settlement.regrouped.flatMap({ $0 }) {
            entries[sequence]?.isRegrouped = true
        }
        let moved = Set(
            back + settlement.delivered.map(\.sequence) + settlement.dead.map(\.sequence))
        let kind = open.first.flatMap { entries[$0]?.event.kind } ?? .log
        let route = kind == .update ? Route.patchLog : kind.route
        possibleDuplicates[route, default: 0] += settlement.possibleDuplicates
        open.removeAll { moved.contains($0) }
        leases[settlement.lease] = open.isEmpty ? nil : open
    }

    /// Dead letters are back in the queue.
    mutating func revived(_ sequence: EventSequence, at now: Timestamp) throws(Violation) {
        try move(sequence, to: .held)
        entries[sequence]?.acceptedAt = now
    }

    /// The queue itself let some events die, at once.
    mutating func died(
        _ deaths: [(sequence: EventSequence, reason: DeadLetterReason)]
    ) throws(Violation) {
        for death in deaths { try move(death.sequence, to: .dead) }
        for death in deaths { try checkDeath(death.sequence, death.reason) }
    }

    /// An event was given up by command.
    mutating func discarded(_ sequence: EventSequence) throws(Violation) {
        try move(sequence, to: .discarded)
    }

    // MARK: Upstream

    /// Upstream applied an event. Returns whether it had done so before.
    mutating func applied(
        _ application: Upstream.Application, isStrict: Bool, isExcused: Bool
    ) throws(Violation) -> Bool {
        guard application.event > 0 else {
            sessionsApplied += 1
            let extra = sessionsApplied - sessionsAccepted
            if extra > possibleDuplicates[.postSession, default: 0] {
                throw Violation("\(extra) sessions too many, and not so many counted")
            }
            return extra > 0
        }
        let number = application.event
        guard let sequence = sequences[number]?.last, let entry = entries[sequence] else {
            throw Violation("upstream got event n=\(number), which was never accepted")
        }
        applications[number, default: 0] += 1
        ids[number, default: []].insert(application.id)
        try checkOrder(entry)
        try checkTarget(entry, application)
        let accepted = sequences[number, default: []].count
        guard applications[number, default: 0] > accepted else { return false }
        guard entry.event.kind != .update else { return true }
        if isStrict, entry.event.kind.isLog, logs(named: entry.chain).count == 1 {
            throw Violation(
                "log \(sequence.rawValue) was applied twice, though upstream could be asked")
        }
        let extra = sequences.keys.reduce(0) { total, number in
            let kind = sequences[number]?.first.flatMap { entries[$0]?.event.kind }
            guard kind == entry.event.kind else { return total }
            return total
                + max(0, applications[number, default: 0] - (sequences[number]?.count ?? 0))
        }
        // Where asking lies, what was sent to find that out is counted when it is found out.
        if !isTruthful, isExcused { excused[entry.event.kind, default: 0] += 1 }
        let limit =
            possibleDuplicates[entry.event.kind.route, default: 0]
            + excused[entry.event.kind, default: 0]
        if extra > limit {
            throw Violation(
                "\(extra) \(entry.event.kind)s too many, \(limit) counted: \(sequence.rawValue)")
        }
        return true
    }

    /// Effects on one log come in the order of acceptance, and an update again only next to itself.
    private mutating func checkOrder(_ entry: Entry) throws(Violation) {
        guard entry.event.kind.isEffect, !entry.hasDied else { return }
        let chain = entry.chain
        let isFirst = applications[entry.event.number] == 1
        if isFirst, let last = lastApplied[chain], last > entry.sequence {
            throw Violation(
                "effect \(entry.sequence.rawValue) on \(chain) came after \(last.rawValue)")
        }
        if !isFirst, entry.event.kind == .update, latestApplied[chain] != entry.sequence {
            throw Violation(
                "update \(entry.sequence.rawValue) on \(chain) came again after another")
        }
        if isFirst { lastApplied[chain] = entry.sequence }
        latestApplied[chain] = entry.sequence
    }

    /// An effect was applied to a log of the name it gave.
    private func checkTarget(
        _ entry: Entry, _ application: Upstream.Application
    ) throws(Violation) {
        guard entry.event.kind.isEffect else { return }
        let isRight =
            switch entry.event.causes.first {
            case .log(let log):
                application.log?.event == entries[log]?.event.number
                    || (application.log?.reference).map { $0 == entries[log]?.event.reference }
                        ?? false
            case .reference(let name): application.log?.reference == name
            case .upstream(let id): application.log?.id == id
            case .session, nil: false
            }
        guard isRight else {
            throw Violation(
                "effect \(entry.sequence.rawValue) met \(application.log?.id ?? "nothing")")
        }
    }
}

import SpoolCore
import SpoolSQLite

@testable import SpoolQueue

/// The rules that every history has to keep.
extension Books {
    /// Nothing that an event must come after is still held.
    func checkIsFree(_ entry: Entry, in lease: Lease) throws(Violation) {
        for cause in predecessors(of: entry) where cause.place == .held {
            throw Violation(
                "event \(entry.sequence.rawValue) was leased before its cause \(cause.sequence.rawValue)"
            )
        }
        guard entry.event.kind.isEffect else { return }
        let company = Set(lease.events.map(\.sequence))
        for other in entries.values
        where other.place == .held && other.chain == entry.chain && other.event.kind.isEffect
            && other.sequence < entry.sequence
        {
            // Of a log that was given up, nobody knows by which names it went.
            if other.event.causes != entry.event.causes, isGivenUp(entry.chain) { continue }
            let shares = other.event.kind == .feedback && entry.event.kind == .feedback
            if shares, company.contains(other.sequence) { continue }
            throw Violation(
                "effect \(entry.sequence.rawValue) was leased before \(other.sequence.rawValue)")
        }
    }

    private func isGivenUp(_ chain: String) -> Bool {
        logs(named: chain).contains { $0.place == .discarded }
    }

    /// A request carries only events whose lease is on disk, and none with an event that names it.
    func checkRequest(_ numbers: [Int]) throws(Violation) {
        // An event that was accepted again after it had died goes by the same number.
        let company = numbers.flatMap { number in
            sequences[number, default: []].compactMap { entries[$0] }.filter { $0.lease != nil }
        }
        guard Set(company.map(\.event.number)) == Set(numbers) else {
            throw Violation(
                "events \(numbers) are sent, and leased are \(company.map(\.event.number))")
        }
        let members = Set(company.map(\.sequence))
        for entry in company {
            for cause in predecessors(of: entry)
            where cause.sequence != entry.sequence && members.contains(cause.sequence) {
                throw Violation(
                    "\(entry.sequence.rawValue) travels with its cause \(cause.sequence.rawValue)")
            }
        }
    }

    /// What must have left before an event may go. The id of a session by reference comes with any of
    /// its logs, so that none of them is one; that it has come is checked where the request is sent.
    private func predecessors(of entry: Entry) -> [Entry] {
        entry.event.causes.flatMap { name in
            if case .session(let log) = name, entries[log]?.event.session != nil {
                return [Entry]()
            }
            return logsAndSessions(named: name)
        }
    }

    private func causes(of entry: Entry) -> [Entry] {
        entry.event.causes.flatMap { logsAndSessions(named: $0) }
    }

    private func logsAndSessions(named name: AppEvent.Name) -> [Entry] {
        switch name {
        case .reference(let name): logs(named: name)
        case .log(let sequence): [entries[sequence]].compactMap { $0 }
        case .session(let sequence): session(sequence)
        case .upstream: []
        }
    }

    /// The session an id was given for, or every log that names it by its reference.
    private func session(_ sequence: EventSequence) -> [Entry] {
        guard let entry = entries[sequence] else { return [] }
        guard let name = entry.event.session else { return [entry] }
        return entries.values.filter { $0.event.session == name }.sorted {
            $0.sequence < $1.sequence
        }
    }

    /// Whether something that an event names was given up.
    func namesDiscarded(_ entry: Entry) -> Bool {
        causes(of: entry).contains { $0.place == .discarded }
    }

    /// Whether something that an event names has died.
    func namesDead(_ entry: Entry) -> Bool {
        causes(of: entry).contains { $0.hasDied }
    }

    /// What is delivered was applied, and goes by an id that upstream gave it.
    func checkArrived(_ delivered: Settlement.Delivered) throws(Violation) {
        guard let entry = entries[delivered.sequence] else {
            throw Violation("event \(delivered.sequence.rawValue) was never accepted")
        }
        if entry.event.kind == .session { return }
        guard let ids = ids[entry.event.number] else {
            throw Violation(
                "event \(entry.sequence.rawValue) counts as delivered and never arrived")
        }
        guard ids.contains(delivered.id) || entry.event.kind.isEffect else {
            throw Violation("log \(entry.sequence.rawValue) is not \(delivered.id)")
        }
    }

    /// An event died of what its reason says.
    func checkDeath(
        _ sequence: EventSequence, _ reason: DeadLetterReason
    ) throws(Violation) {
        guard let entry = entries[sequence] else {
            throw Violation("event \(sequence.rawValue) died and was never accepted")
        }
        let causes = causes(of: entry)
        let isRight =
            switch reason {
            case .refused:
                // Where asking lies, an effect goes to a log that is not there.
                entry.event.isPoison || (!isTruthful && entry.event.kind.isEffect)
            case .tooLarge: (entry.event.line?.utf8.count ?? 0) > 600
            case .causeUnknown: entry.event.causes.contains { !wasThere($0, before: entry) }
            case .causeDead: causes.contains { $0.hasDied }
            case .referenceAmbiguous: logs(named: entry.chain).count > 1
            case .causeCycle: isOwnAncestor(entry)
            }
        guard isRight else { throw Violation("event \(sequence.rawValue) died wrongly: \(reason)") }
    }

    /// Whether upstream had what a name stands for when an event that gives it was leased last.
    private func wasThere(_ name: AppEvent.Name, before entry: Entry) -> Bool {
        logsAndSessions(named: name).contains {
            guard let arrival = $0.deliveredAt, let leased = entry.leasedAt else { return false }
            return arrival < leased
        }
    }

    /// Whether an event in flight depends on this one, which is spared with it.
    func holdsUpFlight(_ entry: Entry) -> Bool {
        entries.values.contains { $0.lease != nil && ancestors(of: $0).contains(entry.sequence) }
    }

    private func ancestors(of entry: Entry) -> Set<EventSequence> {
        var seen: Set<EventSequence> = []
        var next = causes(of: entry)
        while let cause = next.popLast() {
            if seen.insert(cause.sequence).inserted { next += causes(of: cause) }
        }
        return seen
    }

    private func isOwnAncestor(_ entry: Entry) -> Bool {
        var seen: Set<EventSequence> = []
        var next = causes(of: entry)
        while let cause = next.popLast() {
            // Who waits for a log waits for its name, so that a namesake is as good.
            if cause.chain == entry.chain { return true }
            if seen.insert(cause.sequence).inserted { next += causes(of: cause) }
        }
        return false
    }

    /// Effects that need upstream's id of a log that nobody here has logged, or that was given up before
    /// they came, and those behind them.
    var stranded: [Entry] {
        var chains: Set<String> = []
        return events(.held).filter { entry in
            let isKnown = logs(named: entry.chain).contains { $0.place != .discarded }
            guard entry.event.kind.isEffect, !isKnown else { return false }
            if entry.event.kind != .update, case .reference = entry.event.causes.first {
                chains.insert(entry.chain)
            }
            return chains.contains(entry.chain)
        }
    }

    // MARK: Balance

    /// The ledger and the rows agree with the books: everything accepted is in exactly one place.
    func checkBalance(of store: SpoolStore) throws {
        let ledger = store.ledger
        guard ledger.accepted == Int64(entries.count), ledger.held == Int64(count(.held)),
            ledger.delivered == Int64(count(.delivered)), ledger.dead == Int64(count(.dead)),
            ledger.discarded == Int64(count(.discarded))
        else {
            throw Violation(
                "the ledger says \(ledger), the books \(entries.count) events: \(counts)")
        }
        let rows = try store.connection.prepare(
            "SELECT count(*), coalesce(sum(sequence), 0), coalesce(sum(length(body)), 0) FROM event"
        )
        guard try rows.step(), rows.integer(0) == Int64(count(.held)), rows.integer(1) == heldSum,
            rows.integer(2) == ledger.payloadBytes
        else { throw Violation("the rows are not the events that are held") }
        try checkCounters(of: store)
    }

    /// What operators read as possible duplicates is what was counted, operation by operation.
    private func checkCounters(of store: SpoolStore) throws {
        let rows = try store.connection.prepare(
            "SELECT name, value FROM counter WHERE name GLOB 'possible_duplicates.*'")
        var found: [String: Int] = [:]
        while try rows.step() { found[rows.text(0)] = Int(rows.integer(1)) }
        var counted: [String: Int] = [:]
        for (route, number) in possibleDuplicates where number > 0 {
            counted["possible_duplicates.\(route.countName)", default: 0] += number
        }
        guard found == counted else {
            throw Violation("the counters say \(found), the books \(counted)")
        }
    }

    /// The leases on disk are those whose requests may have begun.
    func checkLeases(_ recalled: [Lease]) throws(Violation) {
        var found: [Int64: [EventSequence]] = [:]
        for lease in recalled { found[lease.id] = lease.events.map(\.sequence) }
        guard found == leases else { throw Violation("leases \(found) came back, not \(leases)") }
    }
}

/// A rule that a history broke.
struct Violation: Error, CustomStringConvertible {
    /// Which, and by what.
    let description: String

    /// A broken rule.
    init(_ description: String) {
        self.description = description
    }
}

internal import SpoolCore
internal import SpoolSQLite

/// Sessions that logs name by `session_reference_id`: known under the sequence of the first log that did.
/// Upstream's id comes with the first of these logs that is delivered, whichever that is.
extension SpoolStore {
    /// Notes a session's name, and returns what the session is known by; nil when upstream's id is known.
    func openSession(_ name: ReferenceKey, at sequence: EventSequence) throws -> EventSequence? {
        if let known = try session(named: name) {
            return known.upstreamID == nil ? known.sequence : nil
        }
        try insertSession(name, at: sequence)
        return sequence
    }

    /// The id a caller is told: upstream's once seen, else a provisional one.
    func sessionID(named name: ReferenceKey) throws -> String? {
        try session(named: name).map { $0.upstreamID ?? identity.id(.session, $0.sequence) }
    }

    /// Keeps the id that upstream gave a session, told by a log that names it.
    func learnSession(_ id: String, _ session: EventSequence, from log: EventSequence) throws {
        guard let name = try sessionName(session)?.name else { return }
        let known = try self.session(named: name)
        guard known?.upstreamID == nil else { return }
        let number = try known?.sequence ?? numberForSession(toldBy: log)
        if known == nil { try insertSession(name, at: number) }
        statements.learnSession.bind(1, id)
        statements.learnSession.bind(2, number.rawValue)
        try statements.learnSession.run()
    }

    /// The number of a session that the destination has not named before: its log's. Where that log opened
    /// the session at another destination, the number means the session there for ever, so this one gets
    /// a number of no event.
    private func numberForSession(toldBy log: EventSequence) throws -> EventSequence {
        guard try sessionName(log) != nil else { return log }
        let number = EventSequence(rawValue: nextSequence)
        nextSequence += 1
        try storeNextSequence()
        return number
    }

    /// Upstream's id of a session by reference, at this destination; nil while it is not known, and for
    /// what is no such session.
    func upstreamID(ofSession sequence: EventSequence) throws -> String? {
        guard let row = try sessionName(sequence) else { return nil }
        if row.destination == destination { return row.upstreamID }
        return try session(named: row.name)?.upstreamID
    }

    /// What became of a session by reference; nil for what is none.
    func standing(ofSession sequence: EventSequence) throws -> LogStanding? {
        guard let row = try sessionName(sequence) else { return nil }
        if try upstreamID(ofSession: sequence) != nil { return .delivered }
        let aliases = try sessions(named: row.name)
        if try aliases.contains(where: { try member(ofSession: $0) != nil }) {
            return .queued(identity.key(of: sequence, named: .session))
        }
        if try aliases.contains(where: { try deadMember(ofSession: $0) != nil }) { return .dead }
        return try isDeleted(sequence) ? .deleted : .unknown
    }

    /// A log in the queue that names a session by its reference.
    func member(ofSession sequence: EventSequence) throws -> EventSequence? {
        try sequences(statements.sessionMembers, sequence.rawValue, atMost: 1).first
    }

    /// Logs in the queue that would bring the id of a session by reference, at most so many for each
    /// destination it was named at.
    func bringers(ofSession sequence: EventSequence, atMost count: Int) throws -> [EventSequence] {
        guard let name = try sessionName(sequence)?.name else { return [] }
        return try sessions(named: name).flatMap {
            try sequences(statements.sessionMembers, $0.rawValue, atMost: count)
        }
    }

    /// A dead log that names a session by its reference.
    func deadMember(ofSession sequence: EventSequence) throws -> EventSequence? {
        try sequences(statements.deadSessionMember, sequence.rawValue).first
    }

    /// Whoever waits for a session's id looks again when a log that names it has left.
    func wakeSession(_ sequence: EventSequence) throws {
        guard let name = try sessionName(sequence)?.name else { return }
        for alias in try sessions(named: name) {
            wake(identity.key(of: alias, named: .session))
        }
    }

    // MARK: Rows

    private func insertSession(_ name: ReferenceKey, at sequence: EventSequence) throws {
        let insert = statements.insertSession
        insert.bind(1, sequence.rawValue)
        insert.bind(2, destination)
        insert.bind(3, name.rawValue)
        try insert.run()
        sessionCount += 1
    }

    private func session(
        named name: ReferenceKey
    ) throws -> (sequence: EventSequence, upstreamID: String?)? {
        let find = statements.sessionByReference
        find.bind(1, name.rawValue)
        find.bind(2, destination)
        defer { find.reset() }
        guard try find.step() else { return nil }
        return (EventSequence(rawValue: find.integer(0)), find.optionalText(1))
    }

    private func sessionName(
        _ sequence: EventSequence
    ) throws -> (name: ReferenceKey, destination: Int64, upstreamID: String?)? {
        let find = statements.findSession
        find.bind(1, sequence.rawValue)
        defer { find.reset() }
        guard try find.step() else { return nil }
        return (
            ReferenceKey(rawValue: find.integer(0)), find.integer(1), find.optionalText(2)
        )
    }

    /// What a session is known by, one for each destination that had it.
    private func sessions(named name: ReferenceKey) throws -> [EventSequence] {
        try sequences(statements.sessionsNamed, name.rawValue)
    }

    /// The first sequences that a statement of one value yields.
    func sequences(
        _ select: Statement, _ value: Int64, atMost count: Int = .max
    ) throws -> [EventSequence] {
        select.bind(1, value)
        defer { select.reset() }
        var sequences: [EventSequence] = []
        while sequences.count < count, try select.step() {
            sequences.append(EventSequence(rawValue: select.integer(0)))
        }
        return sequences
    }
}

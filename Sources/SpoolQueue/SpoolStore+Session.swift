internal import SpoolCore
internal import SpoolSQLite

/// Sessions that logs name by `session_reference_id`: known under the sequence of the first log that did.
extension SpoolStore {
    /// Notes a session's name; true when this log is the first to give it.
    func openSession(_ name: ReferenceKey, at sequence: EventSequence) throws -> Bool {
        if try session(named: name) != nil { return false }
        let insert = statements.insertSession
        insert.bind(1, sequence.rawValue)
        insert.bind(2, destination)
        insert.bind(3, name.rawValue)
        try insert.run()
        return true
    }

    /// The id a caller is told: upstream's once seen, else a provisional one.
    func sessionID(named name: ReferenceKey) throws -> String? {
        try session(named: name).map { $0.upstreamID ?? identity.id(.session, $0.sequence) }
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

    /// Keeps the id that upstream gave the session of the first log that named it.
    func learnSession(_ id: String, firstNamedBy log: EventSequence) throws {
        statements.learnSession.bind(1, id)
        statements.learnSession.bind(2, log.rawValue)
        try statements.learnSession.run()
    }
}

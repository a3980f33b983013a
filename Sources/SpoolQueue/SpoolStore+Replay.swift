internal import SpoolCore
internal import SpoolSQLite

/// Replaying: dead letters go back to the queue under their old sequences, so that whoever names one by
/// its provisional id still finds it, and causes go before effects as ever.
///
/// A crash between two steps loses nothing: what was not revived is still dead.
extension SpoolStore {
    /// Revives up to ``Limits/rowsPerStepMax`` dead letters after `last`, in the order of acceptance.
    /// Returns the last one revived; nil when there are no more.
    func replay(after last: EventSequence?) throws -> (count: Int, last: EventSequence?) {
        let now = clock()
        let rows = try connection.prepare(
            """
            SELECT sequence, lane, kind, reference, length(body) FROM dead
            WHERE sequence > ? ORDER BY sequence LIMIT ?
            """)
        rows.bind(1, last?.rawValue ?? 0)
        rows.bind(2, Int64(Limits.rowsPerStepMax))
        var letters: [HeldEvent] = []
        while try rows.step() {
            letters.append(
                HeldEvent(
                    sequence: EventSequence(rawValue: rows.integer(0)), lane: rows.integer(1),
                    kind: EventKind(rawValue: Int(rows.integer(2))) ?? .log,
                    reference: rows.optionalInteger(3).map(ReferenceKey.init(rawValue:)), flags: 0,
                    digest: nil, bodyBytes: Int(rows.integer(4))))
        }
        for letter in letters { try revive(letter, at: now) }
        return (letters.count, letters.last?.sequence)
    }

    private func revive(_ letter: HeldEvent, at now: Timestamp) throws {
        statements.revive.bind(1, now.milliseconds)
        statements.revive.bind(2, letter.sequence.rawValue)
        try statements.revive.run()
        statements.forgetDead.bind(1, letter.sequence.rawValue)
        try statements.forgetDead.run()
        ledger.dead -= 1
        ledger.held += 1
        ledger.payloadBytes += Int64(letter.bodyBytes)
        if letter.kind.isLog, let key = letter.reference {
            references.insert(key, letter.sequence)
        }
        lanes.ready(letter.lane, 1, from: letter.sequence, at: now)
    }
}

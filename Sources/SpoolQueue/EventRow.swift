internal import SpoolCore
internal import SpoolSQLite

/// A row of `event`, without its body.
struct EventRow {
    let sequence: EventSequence
    let lane: Int64
    let kind: EventKind
    let reference: ReferenceKey?
    let flags: Int64
    let attempts: Int
    let acceptedAt: Timestamp
    let causes: [Cause]
    let address: String?
    let digest: Digest?
    let session: EventSequence?
    let bodyBytes: Int

    /// Reads kind, reference, flags, attempts, accepted_at, causes, address, body, digest and session
    /// from `column` on.
    init(_ row: Statement, column: Int32, sequence: EventSequence, lane: Int64) throws {
        guard let kind = EventKind(rawValue: Int(row.integer(column))) else {
            throw QueueError.damaged(
                "the table `event`", "event \(sequence.rawValue) has no known kind")
        }
        self.sequence = sequence
        self.lane = lane
        self.kind = kind
        reference = row.optionalInteger(column + 1).map(ReferenceKey.init(rawValue:))
        flags = row.integer(column + 2)
        attempts = Int(row.integer(column + 3))
        acceptedAt = Timestamp(milliseconds: row.integer(column + 4))
        causes = row.isNull(column + 5) ? [] : try row.blob(column + 5, CauseList.decode)
        address = row.optionalText(column + 6)
        bodyBytes = row.blob(column + 7) { $0.count }
        digest = row.blob(column + 8) { Digest($0) }
        session = row.optionalInteger(column + 9).map(EventSequence.init(rawValue:))
    }

    var causalFacts: CausalFacts {
        CausalFacts(
            sequence: sequence, kind: kind, reference: reference, causes: causes,
            acceptedAt: acceptedAt)
    }

    func held(bodyBytes: Int) -> HeldEvent {
        HeldEvent(
            sequence: sequence, lane: lane, kind: kind, reference: reference, flags: flags,
            digest: digest, session: session, bodyBytes: bodyBytes)
    }
}

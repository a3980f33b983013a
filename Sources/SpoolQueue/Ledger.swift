internal import SpoolSQLite

/// Where every accepted event is, in numbers, kept in the same transactions as the moves.
///
/// accepted = held + delivered + dead + discarded; the table's `CHECK` refuses anything else.
struct Ledger: Equatable {
    var accepted: Int64 = 0
    /// In the queue: ready, waiting, in flight or in doubt.
    var held: Int64 = 0
    var delivered: Int64 = 0
    var dead: Int64 = 0
    var discarded: Int64 = 0
    /// Body bytes of what is held.
    var payloadBytes: Int64 = 0
    /// Body bytes of the dead letters, with ``Limits/eventOverheadBytes`` for each.
    var deadBytes: Int64 = 0

    init(reading connection: Connection) throws {
        let row = try connection.prepare(
            """
            SELECT accepted, held, delivered, dead, discarded, payload_bytes, dead_bytes FROM ledger
            """)
        guard try row.step() else {
            throw QueueError.damaged(connection.path, "the table `ledger` is empty")
        }
        accepted = row.integer(0)
        held = row.integer(1)
        delivered = row.integer(2)
        dead = row.integer(3)
        discarded = row.integer(4)
        payloadBytes = row.integer(5)
        deadBytes = row.integer(6)
        row.reset()
    }

    func store(_ statement: Statement) throws {
        let values = [accepted, held, delivered, dead, discarded, payloadBytes, deadBytes]
        for (index, value) in values.enumerated() {
            statement.bind(Int32(index + 1), value)
        }
        try statement.run()
    }
}

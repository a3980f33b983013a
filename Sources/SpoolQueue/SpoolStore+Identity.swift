internal import SpoolCore
internal import SpoolSQLite

/// What upstream called a delivered log.
struct IdentityEntry {
    let sequence: EventSequence
    let key: ReferenceKey
    let id: String
    /// What the log looked like as it came, where that was noted.
    let digest: Digest?
}

/// The ids upstream gave: one row a delivery for every 256 neighbouring sequences it holds, so that a
/// lookup by sequence reads a bounded number of rows and a delivery writes one or two.
///
/// An entry: the sequence's low byte, the key's eight bytes, the id's length in two bytes, the id.
extension SpoolStore {
    static func block(of sequence: EventSequence) -> Int64 { sequence.rawValue >> 8 }

    func rememberIDs(_ entries: [IdentityEntry], at now: Timestamp) throws {
        let blocks = Dictionary(grouping: entries) { Self.block(of: $0.sequence) }
        for (block, entries) in blocks {
            var bytes: [UInt8] = []
            var digests: [UInt8] = []
            for entry in entries {
                let id = Array(entry.id.utf8.prefix(Int(UInt16.max)))
                bytes.append(UInt8(truncatingIfNeeded: entry.sequence.rawValue))
                bytes.append(integer: entry.key.rawValue)
                bytes.append(UInt8(id.count & 0xff))
                bytes.append(UInt8(id.count >> 8))
                bytes.append(contentsOf: id)
                digests += entry.digest?.bytes ?? Array(repeating: 0, count: 16)
            }
            let insert = statements.insertIdentity
            insert.bind(1, block)
            insert.bind(2, destination)
            insert.bind(3, now.milliseconds)
            insert.bind(4, Int64(entries.count))
            insert.bind(5, bytes)
            insert.bind(6, digests)
            try insert.run()
            identityCount += entries.count
        }
    }

    /// What is remembered of a delivered log of this spool and this destination.
    func identityEntry(of sequence: EventSequence) throws -> IdentityEntry? {
        let block = Self.block(of: sequence)
        let select = statements.identities
        select.bind(1, block)
        select.bind(2, destination)
        defer { select.reset() }
        while try select.step() {
            let entries = select.blob(0) { Self.entries($0, digests: nil, block: block) }
            if let entry = entries.first(where: { $0.sequence == sequence }) { return entry }
        }
        return nil
    }

    /// The id of a log, none of a session.
    func logEntry(of sequence: EventSequence) throws -> IdentityEntry? {
        try identityEntry(of: sequence).flatMap { isSession($0) ? nil : $0 }
    }

    /// The id of a session that an event of its own began. Where a log's session has no id of its own, the
    /// log's stands under the same sequence.
    func sessionEntry(of sequence: EventSequence) throws -> IdentityEntry? {
        try identityEntry(of: sequence).flatMap { isSession($0) ? $0 : nil }
    }

    private func isSession(_ entry: IdentityEntry) -> Bool {
        entry.key == identity.key(of: entry.sequence, named: .session)
    }

    static func entries(
        _ bytes: UnsafeRawBufferPointer, digests: UnsafeRawBufferPointer?, block: Int64
    ) -> [IdentityEntry] {
        var entries: [IdentityEntry] = []
        var place = 0
        // A row that was damaged ends early; what it still says of the rest is not to be trusted.
        while place + 11 <= bytes.count {
            let sequence = EventSequence(rawValue: block << 8 | Int64(bytes[place]))
            let key = ReferenceKey(rawValue: bytes.integer(at: place + 1))
            let length = Int(bytes[place + 9]) | Int(bytes[place + 10]) << 8
            guard place + 11 + length <= bytes.count else { break }
            let id = String(decoding: bytes[(place + 11)..<(place + 11 + length)], as: UTF8.self)
            let digest = digests.flatMap { Digest($0, at: entries.count * 16) }
            entries.append(IdentityEntry(sequence: sequence, key: key, id: id, digest: digest))
            place += 11 + length
        }
        return entries
    }
}

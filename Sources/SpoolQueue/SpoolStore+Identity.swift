internal import SpoolCore
internal import SpoolSQLite

/// What upstream called a delivered log.
struct IdentityEntry {
    let sequence: EventSequence
    let key: ReferenceKey
    let id: String
}

/// The ids upstream gave: one row a delivery for every 256 neighbouring sequences it holds, so that a
/// lookup by sequence reads a bounded number of rows and a delivery writes one or two.
///
/// An entry: the sequence's low byte, the key's eight bytes, the id's length in two bytes, the id.
extension SpoolStore {
    private static func block(of sequence: EventSequence) -> Int64 { sequence.rawValue >> 8 }

    func rememberIDs(_ entries: [IdentityEntry], at now: Timestamp) throws {
        let blocks = Dictionary(grouping: entries) { Self.block(of: $0.sequence) }
        for (block, entries) in blocks {
            var bytes: [UInt8] = []
            for entry in entries {
                let id = Array(entry.id.utf8.prefix(Int(UInt16.max)))
                bytes.append(UInt8(truncatingIfNeeded: entry.sequence.rawValue))
                bytes.append(integer: entry.key.rawValue)
                bytes.append(UInt8(id.count & 0xff))
                bytes.append(UInt8(id.count >> 8))
                bytes.append(contentsOf: id)
            }
            let insert = statements.insertIdentity
            insert.bind(1, block)
            insert.bind(2, destination)
            insert.bind(3, now.milliseconds)
            insert.bind(4, Int64(entries.count))
            insert.bind(5, bytes)
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
            let entries = select.blob(0) { Self.entries($0, block: block) }
            if let entry = entries.first(where: { $0.sequence == sequence }) { return entry }
        }
        return nil
    }

    static func entries(_ bytes: UnsafeRawBufferPointer, block: Int64) -> [IdentityEntry] {
        var entries: [IdentityEntry] = []
        var place = 0
        while place < bytes.count {
            let sequence = EventSequence(rawValue: block << 8 | Int64(bytes[place]))
            let key = ReferenceKey(rawValue: bytes.integer(at: place + 1))
            let length = Int(bytes[place + 9]) | Int(bytes[place + 10]) << 8
            let id = String(decoding: bytes[(place + 11)..<(place + 11 + length)], as: UTF8.self)
            entries.append(IdentityEntry(sequence: sequence, key: key, id: id))
            place += 11 + length
        }
        return entries
    }
}

extension SpoolStore: CauseIndex {
    func isQueued(_ key: ReferenceKey) -> Bool { references.count(of: key) > 0 }

    func isDelivered(_ key: ReferenceKey) -> Bool { recent.contains(key) }

    func isDead(_ key: ReferenceKey) throws -> Bool {
        statements.deadLog.bind(1, key.rawValue)
        defer { statements.deadLog.reset() }
        return try statements.deadLog.step()
    }

    func log(_ sequence: EventSequence) throws -> LogStanding {
        let place = statements.eventPlace
        place.bind(1, sequence.rawValue)
        if try place.step() {
            defer { place.reset() }
            guard place.integer(1) == Int64(EventKind.log.rawValue) else { return .unknown }
            // Safety: the table's CHECK gives every log a reference.
            return .queued(ReferenceKey(rawValue: place.optionalInteger(2)!))
        }
        if try identityEntry(of: sequence) != nil { return .delivered }
        statements.deadEvent.bind(1, sequence.rawValue)
        defer { statements.deadEvent.reset() }
        return try statements.deadEvent.step() ? .dead : .unknown
    }

    func effect(on key: ReferenceKey, before sequence: EventSequence) throws -> PriorEffect? {
        let prior = statements.priorEffect
        prior.bind(1, key.rawValue)
        prior.bind(2, sequence.rawValue)
        defer { prior.reset() }
        guard try prior.step() else { return nil }
        guard let kind = EventKind(rawValue: Int(prior.integer(1))) else { return nil }
        return PriorEffect(sequence: EventSequence(rawValue: prior.integer(0)), kind: kind)
    }
}

internal import SpoolSQLite

/// The statements of the hot paths, compiled once.
final class Statements {
    let begin: Statement
    let commit: Statement
    let storeLedger: Statement
    let storeNextSequence: Statement
    let storeLane: Statement
    let storeNotes: Statement
    let insertEvent: Statement
    let readyEvents: Statement
    let eventPlace: Statement
    let eventBody: Statement
    let priorEffect: Statement
    let waiter: Statement
    let eventCauses: Statement
    let deadLog: Statement
    let deadEvent: Statement
    let identities: Statement
    let insertIdentity: Statement
    let holdForName: Statement
    let holdForTime: Statement
    let returnCounted: Statement
    let deleteRange: Statement
    let bury: Statement
    let insertLease: Statement
    let updateLease: Statement
    let beginLease: Statement
    let deleteLease: Statement
    let dueEvents: Statement
    let wakeChildren: Statement
    let effectsOf: Statement
    let dependents: Statement
    let release: Statement
    let namesakes: Statement
    let sharedLogs: Statement
    let eventDigest: Statement
    let findSession: Statement
    let sessionsNamed: Statement
    let sessionMembers: Statement
    let deadSessionMember: Statement
    let deadInLane: Statement
    let insertSession: Statement
    let sessionByReference: Statement
    let learnSession: Statement
    let laneHasEvents: Statement
    let deletedName: Statement
    let deletedEvent: Statement
    let noteDeleted: Statement
    let revive: Statement
    let forgetDead: Statement
    let nextTimed: Statement
    let storeReferences: Statement

    init(_ connection: Connection) throws {
        func prepare(_ sql: String) throws -> Statement { try connection.prepare(sql) }
        begin = try prepare("BEGIN IMMEDIATE")
        commit = try prepare("COMMIT")
        storeLedger = try prepare(
            """
            UPDATE ledger SET accepted = ?, held = ?, delivered = ?, dead = ?, discarded = ?,
            payload_bytes = ?, dead_bytes = ?
            """)
        storeLane = try prepare("UPDATE lane SET payload_bytes = ? WHERE id = ?")
        storeNotes = try prepare("UPDATE destination SET notes = ? WHERE id = ?")
        storeNextSequence = try prepare("UPDATE spool SET next_sequence = ?")
        insertEvent = try prepare(
            """
            INSERT INTO event (sequence, lane, kind, hold, reference, flags, attempts, accepted_at,
            causes, address, body, digest, session)
            VALUES (?, ?, ?, 0, ?, ?, 0, ?, ?, ?, ?, ?, ?)
            """)
        readyEvents = try prepare(
            """
            SELECT sequence, kind, reference, flags, attempts, accepted_at, causes, address, body,
            digest, session FROM event WHERE lane = ? AND hold = 0 AND sequence > ? ORDER BY sequence
            """)
        eventPlace = try prepare("SELECT lane, kind, reference FROM event WHERE sequence = ?")
        eventBody = try prepare(
            """
            SELECT lane, kind, reference, flags, attempts, accepted_at, causes, address, body, digest,
            session FROM event WHERE sequence = ?
            """)
        waiter = try prepare("SELECT 1 FROM event WHERE waits_on = ? LIMIT 1")
        eventCauses = try prepare("SELECT causes FROM event WHERE sequence = ?")
        priorEffect = try prepare(
            """
            SELECT sequence, kind FROM event WHERE reference = ? AND kind IN (2, 3, 6) AND sequence < ?
            ORDER BY sequence DESC LIMIT 1
            """)
        deadLog = try prepare(
            "SELECT sequence FROM dead WHERE reference = ? AND kind IN (1, 5) LIMIT 1")
        deadEvent = try prepare("SELECT reference FROM dead WHERE sequence = ?")
        identities = try prepare("SELECT entries FROM identity WHERE block = ? AND destination = ?")
        insertIdentity = try prepare(
            """
            INSERT INTO identity (block, destination, delivered_at, count, entries, digests)
            VALUES (?, ?, ?, ?, ?, ?)
            """)
        holdForName = try prepare("UPDATE event SET hold = 1, waits_on = ? WHERE sequence = ?")
        holdForTime = try prepare(
            "UPDATE event SET hold = 1, waits_on = ?, not_before = ? WHERE sequence = ?")
        returnCounted = try prepare(
            """
            UPDATE event SET attempts = attempts + ?, not_before = ?, hold = ? WHERE sequence = ?
            """)
        deleteRange = try prepare("DELETE FROM event WHERE sequence BETWEEN ? AND ?")
        bury = try prepare(
            """
            INSERT INTO dead (died_at, reason, status, words, sequence, lane, kind, reference, flags,
            attempts, accepted_at, causes, address, body, digest, session)
            SELECT ?1, ?2, ?3, ?4, sequence, lane, kind, reference, flags, attempts + (?3 IS NOT NULL),
            accepted_at, causes, address, body, digest, session FROM event WHERE sequence = ?5
            """)
        insertLease = try prepare(
            "INSERT INTO lease (destination, operation, state, events) VALUES (?, ?, ?, ?)")
        updateLease = try prepare("UPDATE lease SET events = ? WHERE id = ?")
        beginLease = try prepare("UPDATE lease SET state = 2 WHERE id = ?")
        deleteLease = try prepare("DELETE FROM lease WHERE id = ?")
        dueEvents = try prepare(
            """
            SELECT sequence, lane, waits_on IS NOT NULL FROM event WHERE not_before <= ?
            ORDER BY not_before LIMIT ?
            """)
        wakeChildren = try prepare(
            """
            SELECT sequence, lane, 1 FROM event WHERE waits_on = ? AND kind IN (1, 4, 5)
            ORDER BY sequence LIMIT ?
            """)
        effectsOf = try prepare(
            """
            SELECT sequence, lane, kind, waits_on FROM event WHERE reference = ? AND kind IN (2, 3, 6)
            ORDER BY sequence LIMIT ?
            """)
        dependents = try prepare(
            """
            SELECT sequence FROM event WHERE waits_on = ?1 AND sequence > ?2 AND sequence < ?3
            UNION SELECT sequence FROM event
            WHERE reference = ?1 AND kind IN (2, 3, 6) AND sequence > ?2 AND sequence < ?3
            ORDER BY sequence LIMIT ?4
            """)
        namesakes = try prepare(
            """
            SELECT sequence, digest FROM event WHERE reference = ? AND flags >= 8 AND kind IN (1, 5)
            ORDER BY sequence DESC LIMIT ?
            """)
        sharedLogs = try prepare(
            """
            SELECT sequence FROM event WHERE reference = ? AND flags >= 8 AND kind IN (1, 5)
            ORDER BY sequence
            """)
        eventDigest = try prepare("SELECT digest FROM event WHERE sequence = ? AND reference = ?")
        findSession = try prepare(
            "SELECT name, destination, upstream_id FROM session WHERE sequence = ?")
        sessionsNamed = try prepare("SELECT sequence FROM session WHERE name = ?")
        sessionMembers = try prepare("SELECT sequence FROM event WHERE session = ?")
        deadSessionMember = try prepare("SELECT sequence FROM dead WHERE session = ? LIMIT 1")
        deadInLane = try prepare(
            "SELECT sequence FROM dead WHERE lane = ? AND kind IN (1, 5) LIMIT 1")
        insertSession = try prepare(
            "INSERT INTO session (sequence, destination, name) VALUES (?, ?, ?)")
        sessionByReference = try prepare(
            "SELECT sequence, upstream_id FROM session WHERE name = ? AND destination = ?")
        learnSession = try prepare("UPDATE session SET upstream_id = ? WHERE sequence = ?")
        laneHasEvents = try prepare("SELECT sequence FROM event WHERE lane = ?")
        deletedName = try prepare(
            "SELECT reason FROM deleted WHERE reference = ? AND until_sequence > ? LIMIT 1")
        deletedEvent = try prepare("SELECT reason FROM deleted WHERE sequence = ?")
        noteDeleted = try prepare("INSERT OR IGNORE INTO deleted VALUES (?, ?, ?, ?)")
        // Without the attempts: who has some travels alone, and is thought to have trouble of its own.
        revive = try prepare(
            """
            INSERT INTO event (sequence, lane, kind, hold, reference, flags, attempts, accepted_at,
            causes, address, body, digest, session)
            SELECT sequence, lane, kind, 0, reference, flags, 0, ?, causes, address, body, digest,
            session FROM dead WHERE sequence = ?
            """)
        forgetDead = try prepare("DELETE FROM dead WHERE sequence = ?")
        nextTimed = try prepare(
            "SELECT min(not_before) FROM event WHERE not_before IS NOT NULL")
        storeReferences = try prepare("UPDATE destination SET reference_list = ? WHERE id = ?")
        release = try prepare(
            "UPDATE event SET hold = 0, waits_on = NULL, not_before = NULL WHERE sequence = ?")
    }
}

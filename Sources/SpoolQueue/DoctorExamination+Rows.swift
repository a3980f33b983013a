internal import SpoolCore
internal import SpoolSQLite

/// What SQL cannot look into: lists of sequences and causes, ids, and what is waited for.
extension Examination {
    mutating func examineLeases() throws {
        let find = try connection.prepare(
            """
            SELECT operation FROM event JOIN lane ON lane.id = event.lane
            WHERE sequence = ? AND hold = 0
            """)
        let rows = try connection.prepare("SELECT id, events, operation FROM lease")
        var owners: [EventSequence: Int64] = [:]
        while try rows.step() {
            let id = rows.integer(0)
            for sequence in rows.blob(1, SequenceList.decode) {
                if let other = owners.updateValue(id, forKey: sequence) {
                    note("leases", "event \(sequence.rawValue) is in leases \(other) and \(id)")
                }
                find.bind(1, sequence.rawValue)
                let operation = try find.step() ? find.integer(0) : nil
                find.reset()
                if operation != rows.integer(2) {
                    let flaw = operation.map { "is of operation \($0)" } ?? "is not ready"
                    note("leases", "lease \(id) names event \(sequence.rawValue), which \(flaw)")
                }
            }
        }
    }

    mutating func examineCauses() throws {
        for table in ["event", "dead"] {
            let rows = try connection.prepare(
                "SELECT sequence, causes FROM \(table) WHERE causes IS NOT NULL")
            while try rows.step() {
                if (try? rows.blob(1, CauseList.decode)) == nil {
                    note("causes", "event \(rows.integer(0)) of \(table) names no known cause")
                }
            }
        }
    }

    /// What is sent as JSON should be JSON; only a session is opened by a request without a body.
    mutating func examineBodies() throws {
        for table in ["event", "dead"] {
            let rows = try connection.prepare("SELECT sequence, kind, body FROM \(table)")
            while try rows.step() {
                let isSession = rows.integer(1) == Int64(EventKind.session.rawValue)
                let isWhole = rows.blob(2) {
                    isSession && $0.isEmpty || (try? JSONScanner.validate($0)) != nil
                }
                if !isWhole { note("bodies", "event \(rows.integer(0)) of \(table) is no JSON") }
            }
        }
    }

    mutating func examineIdentities() throws {
        let rows = try connection.prepare("SELECT id, block, count, entries, digests FROM identity")
        while try rows.step() {
            let entries = rows.blob(3) {
                SpoolStore.entries($0, digests: nil, block: rows.integer(1))
            }
            let size = entries.reduce(0) { $0 + 11 + $1.id.utf8.count }
            let digests = rows.blob(4) { $0.count }
            let isWhole = entries.count == Int(rows.integer(2)) && size == rows.blob(3) { $0.count }
            if !isWhole || ![0, entries.count * 16].contains(digests) {
                note("ids", "row \(rows.integer(0)) of identity does not decode")
            }
        }
    }

    /// A name that is waited for should be carried by something in the queue. A start wakes the others, and so
    /// does a daemon that runs, in steps: what becomes fewer while one looks is being woken.
    mutating func examineWaits() throws {
        let before = try waitingForNothing()
        guard before > 0 else { return }
        pause()
        let count = try waitingForNothing()
        guard count >= before else { return }
        report.findings.append(
            .warning(
                "waits", "\(count) events wait for a name that nothing in the queue has",
                "A restart wakes them"))
    }

    /// Events that wait for a name that nothing carries. What waits for a project or a session waits under
    /// another name, and is not looked at.
    private func waitingForNothing() throws -> Int {
        let rows = try connection.prepare(
            """
            SELECT causes FROM event WHERE waits_on IS NOT NULL AND not_before IS NULL
            AND waits_on NOT IN (SELECT reference FROM event WHERE reference IS NOT NULL)
            """)
        var count = 0
        while try rows.step() {
            let causes = rows.isNull(0) ? [] : (try? rows.blob(0, CauseList.decode)) ?? []
            let namesLogsOnly = causes.allSatisfy {
                switch $0 {
                case .reference, .event: true
                case .session, .project: false
                }
            }
            if namesLogsOnly { count += 1 }
        }
        return count
    }

    private mutating func note(_ check: String, _ words: String) {
        if report.findings.count < 200 { report.findings.append(.damage(check, words)) }
    }
}

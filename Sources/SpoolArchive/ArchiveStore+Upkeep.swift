import SpoolSQLite

/// How the file stays within its bound, and gives back what it does not need.
extension ArchiveStore {
    /// Work that nobody waits for, in small steps between the groups.
    func upkeep() throws -> Bool {
        let trimmed = try trimMore()
        let shrank = try shrink()
        return trimmed || shrank
    }

    // MARK: Trimming

    /// Logs and projects that one transaction removes beyond the logs it added, so that no commit
    /// stalls the door.
    static let trimStep: Int64 = 500

    /// Trims in a transaction of its own; whether there is more to trim.
    private func trimMore() throws -> Bool {
        guard status.bytes > storedBytesMax else { return false }
        let before = status.bytes
        try begin()
        try commit()
        return status.bytes > storedBytesMax && status.bytes < before
    }

    /// Removes what is oldest while there is too much: logs, with their feedback and results, and
    /// projects that hold no log any more.
    func trim(atMost count: Int64) throws {
        guard status.bytes > storedBytesMax else { return }
        for _ in 0..<count {
            let (log, project) = (try oldestLog(), try oldestUnusedProject())
            if let project, project.usedAt <= log?.receivedAt ?? .max {
                try run("DELETE FROM project WHERE number = ?", project.number)
                countProject(bytes: -project.bytes)
            } else if let log {
                try remove(log.number)
                status.trimmed += 1
            } else {
                return
            }
            guard status.bytes > storedBytesMax else { return }
        }
    }

    private func oldestLog() throws -> (number: Int64, receivedAt: Int64)? {
        // The newest log of all stays, however large: an archive of one log beats an empty one.
        let query = try prepared(
            "SELECT number, received_at FROM log "
                + "WHERE number <= ? AND number < (SELECT max(number) FROM log) "
                + "ORDER BY number LIMIT 1")
        query.bind(1, newestBefore.log)
        defer { query.reset() }
        return try query.step() ? (query.integer(0), query.integer(1)) : nil
    }

    private func oldestUnusedProject() throws -> (number: Int64, usedAt: Int64, bytes: Int64)? {
        let query = try prepared(
            """
            SELECT number, updated_at, \(ArchiveSchema.projectBytes) FROM project
            WHERE logs = 0 AND number <= ? ORDER BY updated_at, number LIMIT 1
            """)
        query.bind(1, newestBefore.project)
        defer { query.reset() }
        return try query.step() ? (query.integer(0), query.integer(1), query.integer(2)) : nil
    }

    // MARK: Shrinking

    /// Gives pages back to the file system once a good part of the file is empty.
    ///
    /// The file itself is cut by a checkpoint (sqlite.org/wal.html, section 2.1), which few pages
    /// in the log would not bring about: so there is one at the end.
    private func shrink() throws -> Bool {
        let free = try connection.integer("PRAGMA freelist_count") ?? 0
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        guard free > Self.freePagesMin, free * Self.freeShareMax > pages else {
            if hasShrunk { try connection.execute("PRAGMA wal_checkpoint(PASSIVE)") }
            hasShrunk = false
            return false
        }
        try connection.execute("PRAGMA incremental_vacuum(\(Self.vacuumPagesPerStep))")
        hasShrunk = true
        return true
    }

    /// Free pages that are kept for new logs: 8 MiB.
    private static let freePagesMin: Int64 = 1024
    /// The file is shrunk while more than one part in so many is empty. Under trimming, what goes
    /// makes room for what comes, so a full archive does not shrink and grow all the time.
    private static let freeShareMax: Int64 = 8
    private static let vacuumPagesPerStep = 256
}

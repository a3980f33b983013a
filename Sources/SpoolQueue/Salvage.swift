internal import SpoolCore
internal import SpoolSQLite

/// Reads what can be read of a damaged spool into a fresh one.
///
/// Rows keep their sequences, and the spool its identity, so that provisional ids keep their meaning. The
/// totals are carried over; what was accepted and cannot be found is counted as `discarded.corruption`, so
/// that the ledger balances. A row that contradicts itself is not read back: an event whose body is no JSON
/// any more could only be refused.
struct Salvage {
    /// What came of it.
    struct Outcome {
        var events: Int64 = 0
        var deadLetters: Int64 = 0
        /// Accepted, and neither delivered nor discarded nor dead nor read back.
        var lost: Int64 = 0
        /// Whether the spool is still the one whose ids are out there.
        var keptIdentity = true
        /// Whether the totals could be read; else they begin with what was read back.
        var keptTotals = true
    }

    let source: Connection?
    let target: Connection
    /// The destination of now, where the damaged file's is lost.
    let destination: String
    /// What the running process knows by heart, which no damage has touched.
    let known: KnownSpool?

    /// Sequences of a gap before the next one, so that none is given twice, whatever was lost.
    static let gap: Int64 = 1_000_000

    /// Fills the target, in transactions of a bounded number of rows.
    func run() throws -> Outcome {
        try target.execute("PRAGMA foreign_keys = OFF")
        let spool = try SpoolRow(source)
        for table in try tables() where !Self.rebuilt.contains(table) { try copy(table, spool) }
        var outcome = Outcome()
        try target.execute("BEGIN IMMEDIATE")
        try mendNames()
        try mendEvents()
        try mendLeases()
        try restoreIdentity(spool, &outcome)
        try recount(&outcome)
        try target.execute("COMMIT")
        try target.execute("PRAGMA foreign_keys = ON")
        return outcome
    }

    /// Tables of one row, which are made anew from what is read.
    private static let rebuilt: Set<String> = ["spool", "ledger"]

    private func tables() throws -> [String] {
        let rows = try target.prepare(
            """
            SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
            ORDER BY rootpage
            """)
        var names: [String] = []
        while try rows.step() { names.append(rows.text(0)) }
        return names
    }

    // MARK: Copying

    private func columns(of table: String, _ connection: Connection) throws -> (
        all: [String], key: [String]
    ) {
        let rows = try connection.prepare("SELECT name, pk FROM pragma_table_info(?)")
        rows.bind(1, table)
        var all: [String] = []
        var key: [String] = []
        while try rows.step() {
            all.append(rows.text(0))
            if rows.integer(1) > 0 { key.append(rows.text(0)) }
        }
        return (all, key)
    }

    private func copy(_ table: String, _ spool: SpoolRow?) throws {
        guard let source else { return }
        let (wanted, key) = try columns(of: table, target)
        guard let found = try? columns(of: table, source).all else { return }
        let names = wanted.filter(found.contains)
        guard !names.isEmpty else { return }
        let copy = try SalvageCopy(to: target, table: table, columns: names)
        let sweep = SalvageSweep(source: source, table: table, columns: names)
        try target.execute("BEGIN IMMEDIATE")
        if key.count > 1 || table == "counter" {
            _ = try sweep.runWithoutNumbers(by: key, copy.take)
        } else {
            _ = try sweep.run(upTo: try lastRow(of: table, spool), copy.take)
        }
        try target.execute("COMMIT")
    }

    /// A bound for the rows' numbers, by which the search beyond the last readable one ends: what the
    /// spool, the process or the table says, whichever is highest; else a little more than can be seen.
    private func lastRow(of table: String, _ spool: SpoolRow?) throws -> Int64 {
        guard let source else { return 0 }
        let isBySequence = ["event", "dead", "session", "deleted"].contains(table)
        let given = isBySequence ? max(spool?.nextSequence ?? 1, known?.nextSequence ?? 1) - 1 : 0
        let counted = (try? source.integer("SELECT max(rowid) FROM \(table)")) ?? nil
        let seen = try counted ?? sweepEnd(of: table, source) + (given > 0 ? 0 : 100_000)
        return min(max(given, seen), EventSequence.max.rawValue)
    }

    private func sweepEnd(of table: String, _ source: Connection) throws -> Int64 {
        guard let rows = try? source.prepare("SELECT rowid FROM \(table) ORDER BY rowid") else {
            return 0
        }
        defer { rows.reset() }
        var seen: Int64 = 0
        while let isRow = try? rows.step(), isRow { seen = max(seen, rows.integer(0)) }
        return seen
    }
}

/// What a running process knows of its spool by heart.
struct KnownSpool {
    let epoch: Int64
    let key0: Int64
    let key1: Int64
    let nextSequence: Int64
}

/// The one row of `spool`, as far as it makes sense.
struct SpoolRow {
    let epoch: Int64
    let key0: Int64
    let key1: Int64
    let nextSequence: Int64

    /// Nil when it cannot be read.
    init?(_ source: Connection?) throws {
        guard let source,
            let row = try? source.prepare("SELECT epoch, key0, key1, next_sequence FROM spool"),
            let isRow = try? row.step(), isRow
        else { return nil }
        epoch = row.integer(0)
        key0 = row.integer(1)
        key1 = row.integer(2)
        nextSequence = row.integer(3)
        row.reset()
        let isEpoch = (0..<1 << 20).contains(epoch)
        guard isEpoch, (1...EventSequence.max.rawValue).contains(nextSequence) else { return nil }
    }
}

internal import SpoolCore
internal import SpoolSQLite

/// The questions an examination asks, over one connection that reads only.
struct Examination {
    let connection: Connection
    var report: DoctorReport
    /// Lets a daemon that runs take some steps.
    let pause: () -> Void

    init(_ connection: Connection, _ report: DoctorReport, pause: @escaping () -> Void = {}) {
        self.connection = connection
        self.report = report
        self.pause = pause
    }

    // MARK: Whose file it is

    /// Whether the tables are there that this version of the program knows. Throws `DurableFileError` for a
    /// newer file, or one of another program; what contradicts itself is a finding.
    mutating func isUsable() throws -> Bool {
        let latest = QueueSchema.migrations.count
        let version = Int(try connection.integer("PRAGMA user_version") ?? 0)
        let owner = try connection.integer("PRAGMA application_id") ?? 0
        // Before the tables: this program need not understand those of a newer one.
        if version > latest, owner == Int64(QueueSchema.applicationID) {
            throw DurableFileError.newer(path: connection.path, found: version, known: latest)
        }
        let shape = try SpoolShape(of: connection)
        report.version = version
        if shape.tables.isEmpty, version == 0, owner == 0 {
            report.findings.append(
                .warning(
                    "file", "it is empty: its first start was cut off, or something has emptied it",
                    "If events were in it, put back a copy; the next start begins anew in this one")
            )
            return false
        }
        let known = try (1...latest).last { try SpoolShape(version: $0) == shape }
        if known == nil {
            if owner != Int64(QueueSchema.applicationID), !shape.isSpool {
                throw DurableFileError.foreign(path: connection.path, applicationID: owner)
            }
            if version > latest, shape.isSpool {
                throw DurableFileError.newer(path: connection.path, found: version, known: latest)
            }
            report.findings.append(
                .damage("schema", "the tables are not those of version \(version)"))
            return false
        }
        if owner != Int64(QueueSchema.applicationID) || version != known {
            report.findings.append(
                .damage(
                    "header",
                    "it names version \(version) and program \(owner), the tables are of version \(known ?? 0)"
                ))
            return false
        }
        try examineObjects(version)
        if version < latest {
            report.findings.append(
                .warning(
                    "schema", "it is of version \(version), this program writes version \(latest)",
                    "The next start brings it up to date"))
        }
        return !report.isDamaged
    }

    /// What belongs to the tables: every index there should be, and nothing that acts by itself.
    private mutating func examineObjects(_ version: Int) throws {
        let expected = try SpoolShape.objects(in: SpoolShape.model(version: version))
        let found = try SpoolShape.objects(in: connection)
        for name in expected.subtracting(found).sorted() {
            report.findings.append(.damage("schema", "the \(name) is missing"))
        }
        // There only while ages are limited, see `SpoolStore.prepareForAges`.
        for name in found.subtracting(expected).sorted() where name != "index event_age" {
            report.findings.append(.damage("schema", "the \(name) does not belong there"))
        }
    }

    // MARK: What it says

    mutating func run() throws {
        try measure()
        let before = report.findings
        try examinePages()
        // A read that fails now and then may show as a row that blames the page: believed when seen twice.
        if report.isDamaged {
            report.findings = before
            try examinePages()
        }
        guard !report.isDamaged else { return }
        try ask("references", Self.foreignKeys) { $0 }
        guard report.version == QueueSchema.migrations.count else { return }
        for (check, sql) in Self.questions { try ask(check, sql) { $0 } }
        try examineLeases()
        try examineCauses()
        try examineBodies()
        try examineIdentities()
        try examineWaits()
        report.findings.sort { $0.severity == .damage && $1.severity != .damage }
    }

    private mutating func measure() throws {
        let page = try connection.integer("PRAGMA page_size") ?? 0
        report.databaseBytes = page * (try connection.integer("PRAGMA page_count") ?? 0)
        report.freeBytes = page * (try connection.integer("PRAGMA freelist_count") ?? 0)
        report.events = try connection.integer("SELECT count(*) FROM event") ?? 0
        report.deadLetters = try connection.integer("SELECT count(*) FROM dead") ?? 0
        report.leases = try connection.integer("SELECT count(*) FROM lease") ?? 0
        report.isMeasured = true
    }

    /// - Throws: ``SQLiteError`` where the disk did not let a page be read, which SQLite tells of in a row like
    ///   that of damage (`checkAppendMsg` in its btree.c: "unable to get the page. error code=266").
    private mutating func examinePages() throws {
        try ask("pages", "PRAGMA integrity_check(20)") { $0 == "ok" ? nil : $0 }
        for finding in report.findings {
            guard let code = finding.words.firstRange(of: "error code=") else { continue }
            let number = Int32(finding.words[code.upperBound...].prefix(while: \.isNumber)) ?? 0
            let error = SQLiteError(
                code: number, message: "a page cannot be read", action: "PRAGMA integrity_check")
            if error.isOfTheDisk { throw error }
        }
    }

    /// Every row of the answer whose text is not nil is a finding; at most twenty a question.
    private mutating func ask(
        _ check: String, _ sql: String, _ words: (String) -> String?
    ) throws {
        let rows = try connection.prepare(sql)
        var count = 0
        while count < 20, try rows.step() {
            guard let found = words(rows.text(0)) else { continue }
            report.findings.append(.damage(check, found))
            count += 1
        }
        rows.reset()
    }

    private static let foreignKeys = """
        SELECT 'row ' || coalesce(rowid, '?') || ' of ' || "table" || ' names a missing ' || parent
        FROM pragma_foreign_key_check
        """

    private static let questions = [
        (
            "ledger",
            """
            SELECT 'accepted ' || accepted || ' is not the sum of held ' || held || ', delivered '
            || delivered || ', dead ' || dead || ' and discarded ' || discarded FROM ledger
            WHERE accepted <> held + delivered + dead + discarded
            """
        ),
        ("ledger", counted("held", "SELECT count(*) FROM event")),
        ("ledger", counted("dead", "SELECT count(*) FROM dead")),
        ("ledger", counted("payload_bytes", "SELECT coalesce(sum(length(body)), 0) FROM event")),
        (
            "ledger",
            counted(
                "dead_bytes",
                """
                SELECT coalesce(sum(length(body) + \(Limits.eventOverheadBytes)), 0) FROM dead
                """)
        ),
        (
            "ledger",
            """
            SELECT 'discarded is ' || discarded || ', the reasons sum up to ' || sum
            FROM (SELECT discarded, (SELECT coalesce(sum(value), 0) FROM counter
            WHERE name GLOB 'discarded.*') AS sum FROM ledger) WHERE discarded <> sum
            """
        ),
        (
            "lanes",
            """
            SELECT 'lane ' || id || ' says ' || payload_bytes || ' bytes, its events have ' || sum
            FROM (SELECT id, payload_bytes, (SELECT coalesce(sum(length(body)), 0) FROM event
            WHERE event.lane = lane.id) AS sum FROM lane) WHERE payload_bytes <> sum
            """
        ),
        (
            "lanes",
            """
            SELECT 'event ' || sequence || ' of kind ' || kind || ' is in a lane of operation '
            || operation FROM event JOIN lane ON lane.id = event.lane WHERE NOT \(fits)
            """
        ),
        (
            "sequences",
            """
            SELECT 'the next sequence is ' || next_sequence || ', ' || seen || ' is given already'
            FROM (SELECT next_sequence, max(
            (SELECT coalesce(max(sequence), 0) FROM event),
            (SELECT coalesce(max(sequence), 0) FROM dead),
            (SELECT coalesce(max(sequence), 0) FROM session),
            (SELECT coalesce(max(sequence), 0) FROM deleted)) AS seen FROM spool)
            WHERE next_sequence <= seen
            """
        ),
        (
            "sequences",
            "SELECT 'event ' || sequence || ' is dead, too' FROM event JOIN dead USING (sequence)"
        ),
        // A crash at the first start leaves it so, before anything was accepted.
        (
            "spool",
            """
            SELECT 'the table `spool` is empty' FROM ledger
            WHERE accepted > 0 AND NOT EXISTS (SELECT 1 FROM spool)
            """
        ),
        ("ledger", "SELECT 'the table `ledger` is empty' WHERE NOT EXISTS (SELECT 1 FROM ledger)"),
    ]

    private static func counted(_ column: String, _ sql: String) -> String {
        """
        SELECT '\(column) is ' || \(column) || ', counted are ' || counted
        FROM (SELECT \(column), (\(sql)) AS counted FROM ledger) WHERE \(column) <> counted
        """
    }

    /// Whether an event's kind may travel by its lane's operation, as SQL.
    static let fits = """
        (CASE kind WHEN 1 THEN operation = 36 WHEN 2 THEN operation IN (37, 38)
        WHEN 3 THEN operation = 32 WHEN 4 THEN operation = 58 WHEN 5 THEN operation = 24
        ELSE operation = 25 END)
        """
}

/// Which tables a file has, and which columns those have.
struct SpoolShape: Equatable {
    let tables: [String: [String]]

    /// The shape of a file.
    init(of connection: Connection) throws {
        let rows = try connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        var tables: [String: [String]] = [:]
        while try rows.step() {
            let columns = try connection.prepare("SELECT name FROM pragma_table_info(?)")
            columns.bind(1, rows.text(0))
            var names: [String] = []
            while try columns.step() { names.append(columns.text(0)) }
            tables[rows.text(0)] = names
        }
        self.tables = tables
    }

    /// The shape that a version of the program gives its files.
    init(version: Int) throws {
        try self.init(of: Self.model(version: version))
    }

    /// An empty spool of a version.
    static func model(version: Int) throws -> Connection {
        let model = try Connection(path: ":memory:")
        for migration in QueueSchema.migrations.prefix(version) { try model.execute(migration.sql) }
        return model
    }

    /// What there is beside tables, each with its kind: `index event_lane`.
    static func objects(in connection: Connection) throws -> Set<String> {
        let rows = try connection.prepare(
            """
            SELECT type || ' ' || name FROM sqlite_schema
            WHERE type <> 'table' AND name NOT LIKE 'sqlite_%'
            """)
        var names: Set<String> = []
        while try rows.step() { names.insert(rows.text(0)) }
        return names
    }

    /// Whether the tables are there that every version has.
    var isSpool: Bool {
        ["spool", "ledger", "event", "lease", "dead"].allSatisfy { tables[$0] != nil }
    }
}

import SpoolCore
import SpoolSQLite

/// A log as the list knows it.
struct ListingRow: Sendable {
    let number: Int64
    let project: Int64
    let createdAt: Timestamp
    /// Nil also where the list was not asked for it.
    let source: String?
    let model: String?
}

/// A stretch of a list that has still to be walked.
struct ListingStretch: Sendable {
    let project: Int64
    /// Only logs of this session, of any project, in the order of their arrival.
    let session: Int64?
    let isOldestFirst: Bool
    /// Whether sources and models are wanted.
    let wantsTexts: Bool
    /// The last log that was walked, in the order of the list.
    var place: (createdAt: Int64, number: Int64)
    /// The last `created_at` that is wanted, in the order of the list.
    let end: Int64

    /// All of a list between two times, both included.
    init(
        project: Int64, session: Int64?, from: Timestamp?, through: Timestamp?,
        isOldestFirst: Bool, wantsTexts: Bool
    ) {
        self.project = project
        self.session = session
        self.isOldestFirst = isOldestFirst
        self.wantsTexts = wantsTexts
        let (first, last) = (from?.milliseconds ?? .min, through?.milliseconds ?? .max)
        place = isOldestFirst ? (first, 0) : (last, .max)
        end = isOldestFirst ? last : first
    }
}

extension ArchiveDatabase {
    /// The next rows of a list.
    ///
    /// - Parameter textBytesMax: sources and models that are read at most, and one more.
    /// - Returns: the rows, and whether they are the last.
    func rows(
        of stretch: ListingStretch, rowsMax: Int, textBytesMax: Int
    ) throws -> (rows: [ListingRow], isEnd: Bool) {
        let query = try prepared(stretch.session == nil ? stretch.sql : stretch.sqlOfSession)
        query.bind(1, stretch.session ?? stretch.project)
        query.bind(2, stretch.place.number)
        query.bind(3, Int64(rowsMax))
        if stretch.session == nil {
            query.bind(4, stretch.place.createdAt)
            query.bind(5, stretch.end)
        }
        var rows: [ListingRow] = []
        var textBytes = 0
        while try query.step() {
            let row = ListingRow(
                number: query.integer(0), project: query.integer(1), createdAt: query.time(2),
                source: query.optionalText(3), model: query.optionalText(4))
            rows.append(row)
            textBytes += (row.source?.utf8.count ?? 0) + (row.model?.utf8.count ?? 0)
            if textBytes > textBytesMax {
                query.reset()
                return (rows, false)
            }
        }
        return (rows, rows.count < rowsMax)
    }

    // MARK: Inside logs

    /// What a log says, and the output that an update gave it; nil when the log is gone.
    func texts(ofLog number: Int64) throws -> (output: [UInt8]?, body: [UInt8])? {
        let query = try prepared("SELECT output, body FROM log WHERE number = ?")
        query.bind(1, number)
        guard try query.step() else { return nil }
        defer { query.reset() }
        return (query.optionalBytes(0), query.bytes(1))
    }

    /// The value of the latest feedback of a type, of any type without one; nil where it unset what
    /// was there, and where it is not among the latest 1,000.
    func latestFeedback(ofLog number: Int64, type: String?) throws -> ColumnValue? {
        let query = try prepared(
            "SELECT body FROM feedback WHERE log = ? ORDER BY number DESC LIMIT 1000")
        query.bind(1, number)
        defer { query.reset() }
        while try query.step() {
            let (isIt, value) = query.blob(0) { body -> (Bool, ColumnValue?) in
                // A damaged feedback is found out when its log is asked for.
                guard let members = try? JSONPart(stored: body).members,
                    type == nil || members.string("type") == type
                else { return (false, nil) }
                if members["unset"]?.kind == .true { return (true, nil) }
                return (true, members["value"].map(ColumnValue.init))
            }
            if isIt { return value }
        }
        return nil
    }

    /// The value of an evaluator's latest result; nil where it was an error.
    func latestResult(ofLog number: Int64, evaluator: String) throws -> ColumnValue? {
        let query = try prepared(
            "SELECT value FROM evaluation_result WHERE log = ? AND evaluator_id = ? "
                + "ORDER BY number DESC LIMIT 1")
        query.bind(1, number)
        query.bind(2, evaluator)
        guard try query.step() else { return nil }
        defer { query.reset() }
        guard !query.isNull(0) else { return nil }
        return query.blob(0) { value in
            (try? JSONPart(validating: value, depthMax: JSONPart.depthMaxAgain))
                .map(ColumnValue.init)
        }
    }
}

extension ListingStretch {
    /// The next rows of a project, along `listing_by_time`.
    var sql: String {
        let (after, order) = isOldestFirst ? (">", "ASC") : ("<", "DESC")
        let end = isOldestFirst ? "<=" : ">="
        return """
            SELECT log, project, created_at, \(wantsTexts ? "source, model" : "NULL, NULL")
            FROM listing
            WHERE project = ?1 AND (created_at, log) \(after) (?4, ?2) AND created_at \(end) ?5
            ORDER BY created_at \(order), log \(order) LIMIT ?3
            """
    }

    /// The next rows of a session, along `log_by_session`.
    var sqlOfSession: String {
        """
        SELECT listing.log, listing.project, created_at, source, model
        FROM log CROSS JOIN listing ON listing.log = log.number
        WHERE log.session = ?1 AND log.number < ?2
        ORDER BY log.number DESC LIMIT ?3
        """
    }
}

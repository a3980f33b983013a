import SpoolCore

/// What a list of logs is asked for, by `GET /logs` or a project's export.
///
/// What the documents leave open, decided:
///
/// - Without `sort` the newest `created_at` comes first, and among equals the latest arrival; so it
///   does among logs that a sort takes for equal. Logs without a value in a column come last.
///   A sort by any other column is 422.
/// - `search` looks at the values inside `inputs`, `messages`, `output` and `output_message`,
///   `metadata_search` at names and values inside `metadata`, both as ``SearchTerm`` says.
/// - `start_date` and `end_date` are both included; a date as `end_date` means its whole day; a
///   time without offset is UTC.
/// - Every config here counts as committed, so another `version_status` lists nothing.
/// - `source_filter`, `model_filter`, `feedback-TYPE_filter` and `evaluator-ID_filter` may be
///   repeated: any of the values will do. Other keys are ignored.
struct LogQuery: Sendable {
    let projectID: String
    /// From 0.
    let page: Int
    /// Logs of a page.
    let size: Int
    var search: SearchTerm?
    var metadataSearch: SearchTerm?
    var from: Timestamp?
    var through: Timestamp?
    var sessionID: String?
    var orders: [LogOrder] = []
    var filters: [LogFilter] = []
    private var versionStatus = VersionStatus.committed

    /// What a project's export asks for.
    init(exportOf projectID: String, _ query: ArchiveQuery, _ mistakes: inout Mistakes) {
        self.projectID = projectID
        page = query.integer("page", absent: 0, in: 0...Int.max, &mistakes)
        size = query.integer("size", absent: 10, in: 1...Self.sizeMax, &mistakes)
    }

    /// What `GET /logs` asks for.
    init(_ query: ArchiveQuery, _ mistakes: inout Mistakes) {
        projectID = query.required("project_id", &mistakes)
        page = query.integer("page", absent: 0, in: 0...Int.max, &mistakes)
        size = query.integer("size", absent: 50, in: 1...Self.sizeMax, &mistakes)
        search = query["search"].flatMap(SearchTerm.init)
        metadataSearch = query["metadata_search"].flatMap(SearchTerm.init)
        from = query.time("start_date", endsDay: false, &mistakes)
        through = query.time("end_date", endsDay: true, &mistakes)
        sessionID = query["session_id"]
        orders = Self.orders(query, &mistakes)
        filters = Self.filters(query)
        versionStatus = query.choice("version_status", absent: .committed, &mistakes)
    }

    /// Logs of a page at most.
    static let sizeMax = 1000

    private enum VersionStatus: String, CaseIterable {
        case uncommitted
        case committed
        case deleted
    }

    private static func orders(
        _ query: ArchiveQuery, _ mistakes: inout Mistakes
    ) -> [LogOrder] {
        query.all("sort").compactMap { text in
            if let order = LogOrder(text) { return order }
            mistakes.add(
                [.name("query"), .name("sort")], .value,
                "expected a column and a direction such as timestamp.desc; the columns are source, "
                    + "model, timestamp, feedback and feedback-TYPE, the directions asc and desc")
            return nil
        }
    }

    private static func filters(_ query: ArchiveQuery) -> [LogFilter] {
        var filters: [LogFilter] = []
        for (name, value) in query.pairs {
            guard let column = LogColumn(filteredBy: name) else { continue }
            if let index = filters.firstIndex(where: { $0.column == column }) {
                filters[index].values.insert(value)
            } else {
                filters.append(LogFilter(column: column, values: [value]))
            }
        }
        return filters
    }

    // MARK: What it takes

    /// The first log of the page, counted from 0; beyond all logs where that has no number.
    var offset: Int {
        let (offset, isBeyondAll) = page.multipliedReportingOverflow(by: size)
        return isBeyondAll ? .max : offset
    }

    /// Whether no log can be on the list.
    var listsNothing: Bool { versionStatus != .committed }

    /// Whether every log of the project is on the list.
    var listsAll: Bool {
        !looksInside && from == nil && through == nil && sessionID == nil && filters.isEmpty
            && !listsNothing
    }

    /// Whether the list is in the order of time alone.
    var isByTime: Bool {
        sessionID == nil && orders.count <= 1 && orders.allSatisfy { $0.column == .timestamp }
    }

    /// Whether the oldest log comes first in a list by time.
    var isOldestFirst: Bool { orders.first?.isAscending ?? false }

    /// Whether bodies of logs must be read to find what is on the list.
    var looksInside: Bool { search != nil || metadataSearch != nil }

    /// The columns that must be known of each log to find and sort what is on the list.
    var columns: [LogColumn] { orders.map(\.column) + filters.map(\.column) }
}

/// A column and a direction.
struct LogOrder: Sendable {
    let column: LogColumn
    let isAscending: Bool

    /// An order as a query has it: `source.asc`.
    init?(_ text: String) {
        // A type of feedback may hold dots of its own.
        guard let dot = text.lastIndex(of: "."),
            let column = LogColumn(sortedBy: String(text[..<dot]))
        else { return nil }
        switch text[text.index(after: dot)...] {
        case "asc": isAscending = true
        case "desc": isAscending = false
        default: return nil
        }
        self.column = column
    }
}

/// A column and the values of which a log must have one.
struct LogFilter: Sendable {
    let column: LogColumn
    var values: Set<String>

    /// Whether a log with this value is on the list.
    func admits(_ value: ColumnValue?) -> Bool {
        value.map { !values.isDisjoint(with: $0.texts) } ?? false
    }
}

import SpoolCore
import SpoolSQLite

/// Finds which logs a page of a list holds, step by step, so that no read transaction is long and
/// other questions are answered in between.
struct LogSearch: Sendable {
    /// What was found.
    struct Outcome: Sendable {
        /// The logs of the page, in its order.
        let numbers: [Int64]
        /// Logs on all pages.
        let total: Int64
    }

    private struct Found {
        let number: Int64
        let createdAt: Timestamp
        /// One for each order of the query.
        let values: [ColumnValue?]

        /// What it takes in memory, about.
        var bytes: Int {
            values.reduce(100) { $0 + ($1?.texts ?? []).reduce(0) { $0 + $1.utf8.count } }
        }
    }

    private let query: LogQuery
    private let settings: ArchiveSettings
    /// Nil before the first step.
    private var stretch: ListingStretch?
    /// Known beforehand when every log of the project is on the list.
    private var knownTotal: Int64?
    private var total: Int64 = 0
    /// The logs of the page when the list is by time; otherwise the first of the list up to the end
    /// of the page, and some more, as far as it was walked.
    private var found: [Found] = []
    private var foundBytes = 0
    private var readBytes = 0

    /// A search that has not begun.
    init(_ query: LogQuery, settings: ArchiveSettings) {
        self.query = query
        self.settings = settings
    }

    /// Goes on for some logs; nil while there are more.
    mutating func step(_ reader: ArchiveReader) throws -> Result<Outcome, ArchiveRefusal>? {
        if stretch == nil, let refusal = try begin(reader) { return .failure(refusal) }
        guard let stretch, !isPageKnown else { return outcome }
        let (rows, isEnd) = try reader.rows(
            of: stretch, rowsMax: rowsMax, textBytesMax: settings.stepBytesMax)
        let readBefore = readBytes
        for row in rows {
            guard readBytes - readBefore <= settings.stepBytesMax else { return nil }
            self.stretch?.place = (row.createdAt.milliseconds, row.number)
            if try isListed(row, reader) { try add(row, reader) }
            if let excess { return .failure(excess) }
        }
        return isEnd || isPageKnown ? outcome : nil
    }

    /// Rows of one step: fewer where each takes more than a look at an index.
    private var rowsMax: Int {
        if query.looksInside || !query.columns.allSatisfy(\.isListed) { return 500 }
        return query.columns.isEmpty && query.sessionID == nil ? 10_000 : 2000
    }

    // MARK: Beginning

    private mutating func begin(_ reader: ArchiveReader) throws -> ArchiveRefusal? {
        guard let project = try reader.storedProject(id: query.projectID).success else {
            return .unknown("no project with id \(query.projectID)")
        }
        var session: Int64?
        if let id = query.sessionID {
            session = try reader.session(id: id)
            guard session != nil else { return .unknown("no session with id \(id)") }
        }
        if query.listsAll && query.isByTime { knownTotal = project.logs }
        stretch = ListingStretch(
            project: project.number, session: session, from: query.from, through: query.through,
            isOldestFirst: query.isByTime && query.isOldestFirst,
            wantsTexts: query.columns.contains { $0 == .source || $0 == .model })
        return nil
    }

    // MARK: One log

    /// Whether the log is on the list.
    private mutating func isListed(_ row: ListingRow, _ reader: ArchiveReader) throws -> Bool {
        guard row.project == stretch?.project, isInTime(row) else { return false }
        for filter in query.filters {
            guard filter.admits(try value(of: filter.column, row, reader)) else { return false }
        }
        return try isFound(row, reader)
    }

    private mutating func add(_ row: ListingRow, _ reader: ArchiveReader) throws {
        let place = total
        total += 1
        if query.isByTime {
            guard place >= query.offset, found.count < query.size else { return }
            found.append(Found(number: row.number, createdAt: row.createdAt, values: []))
            return
        }
        var values: [ColumnValue?] = []
        for order in query.orders { values.append(try value(of: order.column, row, reader)) }
        found.append(Found(number: row.number, createdAt: row.createdAt, values: values))
        foundBytes += found[found.count - 1].bytes
        if found.count > 2 * wantedMax + 1000 || foundBytes > settings.sortedBytesMax { cut() }
    }

    /// Logs up to the end of the page.
    private var wantedMax: Int {
        let (end, isBeyondAll) = query.offset.addingReportingOverflow(query.size)
        // A page that nobody can reach; twice as many is still a number.
        return isBeyondAll ? .max / 4 : min(end, .max / 4)
    }

    /// Forgets what comes behind the page.
    private mutating func cut() {
        found.sort(by: isBefore)
        found.removeLast(max(0, found.count - wantedMax))
        foundBytes = found.reduce(0) { $0 + $1.bytes }
    }

    private func isInTime(_ row: ListingRow) -> Bool {
        row.createdAt >= query.from ?? row.createdAt
            && row.createdAt <= query.through ?? row.createdAt
    }

    /// Whether the log holds what is searched for. A damaged one does not; that it is damaged is
    /// said when it is asked for.
    private mutating func isFound(_ row: ListingRow, _ reader: ArchiveReader) throws -> Bool {
        guard query.looksInside else { return true }
        guard let log = try reader.texts(ofLog: row.number) else { return false }
        readBytes += Self.lookBytes + log.body.count + (log.output?.count ?? 0)
        return log.body.withUnsafeBytes { body in
            guard let members = try? JSONPart(stored: body).members else { return false }
            if let term = query.metadataSearch {
                guard members.holds(term, in: "metadata", names: true) else { return false }
            }
            guard let term = query.search else { return true }
            if ["inputs", "messages", "output_message"].contains(where: {
                members.holds(term, in: $0, names: false)
            }) {
                return true
            }
            guard let output = log.output else {
                return members.holds(term, in: "output", names: false)
            }
            return output.withUnsafeBytes { (try? term.isFound(in: $0, names: false)) ?? false }
        }
    }

    private mutating func value(
        of column: LogColumn, _ row: ListingRow, _ reader: ArchiveReader
    ) throws -> ColumnValue? {
        switch column {
        case .timestamp: return nil
        case .source: return row.source.map { ColumnValue($0) }
        case .model: return row.model.map { ColumnValue($0) }
        case .feedback(let type):
            readBytes += Self.lookBytes
            return try reader.latestFeedback(ofLog: row.number, type: type)
        case .evaluator(let id):
            readBytes += Self.lookBytes
            return try reader.latestResult(ofLog: row.number, evaluator: id)
        }
    }

    /// What a look at a log, feedback or result counts for, beside what is read there.
    private static let lookBytes = 1000

    // MARK: Bounds

    /// The refusal of a list that takes too much to find.
    private var excess: ArchiveRefusal? {
        let reason: String
        if readBytes > settings.searchedBytesMax {
            reason = "more than \(settings.searchedBytesMax) bytes of logs would be searched"
        } else if foundBytes > settings.sortedBytesMax / 2, found.count <= wantedMax {
            // What a cut leaves is less than half, or every log would bring the next cut.
            reason = "\(found.count) logs and more would be sorted for a page so far behind"
        } else {
            return nil
        }
        var mistakes = Mistakes()
        mistakes.add(
            [.name("query")], .value, "\(reason); ask for less with start_date and end_date")
        return .mistakes(mistakes)
    }

    // MARK: Ending

    /// Whether nothing more can come onto the page or change its total.
    private var isPageKnown: Bool {
        if query.listsNothing { return true }
        guard let knownTotal else { return false }
        return found.count == query.size || query.offset >= knownTotal
    }

    private var outcome: Result<Outcome, ArchiveRefusal> {
        let total = knownTotal ?? total
        guard !query.isByTime else {
            return .success(Outcome(numbers: found.map(\.number), total: total))
        }
        let page = found.sorted(by: isBefore).dropFirst(query.offset).prefix(query.size)
        return .success(Outcome(numbers: page.map(\.number), total: total))
    }

    private func isBefore(_ left: Found, _ right: Found) -> Bool {
        for (index, order) in query.orders.enumerated() {
            if order.column == .timestamp {
                guard left.createdAt != right.createdAt else { continue }
                return (left.createdAt < right.createdAt) == order.isAscending
            }
            switch (left.values[index], right.values[index]) {
            case (nil, nil): continue
            case (.some, nil): return true
            case (nil, .some): return false
            case (let one?, let other?):
                if one < other { return order.isAscending }
                if other < one { return !order.isAscending }
            }
        }
        return (left.createdAt, left.number) > (right.createdAt, right.number)
    }
}

extension JSONMembers {
    /// Whether a term stands inside the member of this name.
    fileprivate func holds(_ term: SearchTerm, in name: StaticString, names: Bool) -> Bool {
        guard let value = self[name] else { return false }
        return (try? term.isFound(in: value.bytes, names: names)) ?? false
    }
}

extension Result {
    /// The value of a success.
    fileprivate var success: Success? { try? get() }
}

internal import SpoolCore
internal import SpoolSQLite

/// Whether a row of a damaged table still makes sense, beyond what the table's own checks say.
struct SalvageRow {
    private let table: String
    private let places: [String: Int32]

    /// - Parameter columns: as they follow the row's number.
    init(table: String, columns: [String]) {
        self.table = table
        var places: [String: Int32] = [:]
        for (index, name) in columns.enumerated() { places[name] = Int32(index + 1) }
        self.places = places
    }

    func isSound(_ row: Statement) -> Bool {
        switch table {
        case "event", "dead": isEvent(row)
        case "identity": isIdentity(row)
        default: places["sequence"].map { Self.isSequence(row.integer($0)) } ?? true
        }
    }

    /// The place of digests that cannot be; nil where there are none. Only repeated requests are recognised
    /// by them: they are left out, and the row is kept.
    func badDigests(_ row: Statement) -> Int32? {
        let size: Int64
        if table == "identity" {
            guard let count = places["count"] else { return nil }
            size = row.integer(count) &* 16
        } else {
            size = 16
        }
        guard let place = places["digest"] ?? places["digests"], !row.isNull(place) else {
            return nil
        }
        return row.blob(place) { Int64($0.count) } == size ? nil : place
    }

    /// Whether a number can have been given to an event. One at the end of what can be counted would leave
    /// no room for the next.
    private static func isSequence(_ number: Int64) -> Bool {
        (1...(EventSequence.max.rawValue - 2 * Salvage.gap)).contains(number)
    }

    private func isEvent(_ row: Statement) -> Bool {
        guard let sequence = places["sequence"], let kind = places["kind"],
            let causes = places["causes"], let body = places["body"],
            Self.isSequence(row.integer(sequence)),
            let kind = EventKind(rawValue: Int(row.integer(kind)))
        else { return false }
        if !row.isNull(causes), (try? row.blob(causes, CauseList.decode)) == nil { return false }
        // A session is opened by a request without a body.
        return row.blob(body) {
            kind == .session && $0.isEmpty || (try? JSONScanner.validate($0)) != nil
        }
    }

    private func isIdentity(_ row: Statement) -> Bool {
        guard let block = places["block"], let count = places["count"],
            let list = places["entries"], row.integer(block) >= 0,
            row.integer(block) < EventSequence.max.rawValue / 256,
            Self.isSequence(row.integer(block) * 256 + 255)
        else { return false }
        let entries = row.blob(list) {
            SpoolStore.entries($0, digests: nil, block: row.integer(block))
        }
        let size = entries.reduce(0) { $0 + 11 + $1.id.utf8.count }
        return entries.count == Int(row.integer(count)) && size == row.blob(list) { $0.count }
    }
}

/// Puts the sound rows of a table into the fresh file, in transactions of a bounded number of them.
final class SalvageCopy {
    private let target: Connection
    private let insert: Statement
    private let check: SalvageRow
    private let columnCount: Int32
    private var count = 0

    init(to target: Connection, table: String, columns: [String]) throws {
        self.target = target
        let places = columns.map { _ in "?" }.joined(separator: ", ")
        insert = try target.prepare(
            """
            INSERT OR IGNORE INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(places))
            """)
        check = SalvageRow(table: table, columns: columns)
        columnCount = Int32(columns.count)
    }

    /// Takes a row: its number, then the columns.
    func take(_ row: Statement) throws {
        guard check.isSound(row) else { return }
        for place in 1...columnCount { insert.bind(place, from: row, column: place) }
        if let place = check.badDigests(row) { insert.bind(place, nil as Int64?) }
        do {
            _ = try insert.step()
        } catch {
            if error.isConstraint { return }
            throw error
        }
        count += 1
        if count % Limits.rowsPerStepMax == 0 { try target.execute("COMMIT; BEGIN IMMEDIATE") }
    }
}

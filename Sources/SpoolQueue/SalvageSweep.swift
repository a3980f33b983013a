internal import SpoolSQLite

/// Reads the rows of a damaged table around what cannot be read.
///
/// From the lower end until the first failure, from the upper end until the first failure, and then every
/// number that is still missing by itself: in a damaged tree a walk may leave pages out, or meet them out
/// of their order, while a lookup still finds its row. A page that is lost costs its own rows.
struct SalvageSweep {
    let source: Connection
    let table: String
    /// The columns that `take` gets, behind the row's number.
    let columns: [String]
    /// Numbers that are looked up one by one at most: some seconds' work.
    var lookupsMax = 1_000_000

    /// Reads the rows numbered 1 to `last`; returns whether a plain walk met all of them.
    func run(upTo last: Int64, _ take: (Statement) throws -> Void) throws -> Bool {
        let list = columns.map { ", " + $0 }.joined()
        let sql = "SELECT rowid\(list) FROM \(table) WHERE rowid "
        guard let rise = try? source.prepare(sql + "BETWEEN 1 AND ? ORDER BY rowid"),
            let fall = try? source.prepare(sql + "BETWEEN 1 AND ? ORDER BY rowid DESC"),
            let lookup = try? source.prepare(sql + "= ?")
        else { return false }
        var taken: Set<Int64> = []
        let isWhole = try walk(rise, upTo: last, &taken, take)
        // A number out of its order may end the walk as if it were the last.
        let highest = try? source.integer("SELECT coalesce(max(rowid), 0) FROM \(table)")
        if isWhole, let highest, highest == 0 || taken.contains(highest) {
            return true
        }
        _ = try walk(fall, upTo: last, &taken, take)
        var lookups = 0
        var number = last
        while number > 0, lookups < lookupsMax {
            if !taken.contains(number) {
                lookups += 1
                lookup.bind(1, number)
                if (try? lookup.step()) == true, lookup.integer(0) == number { try take(lookup) }
                lookup.reset()
            }
            number -= 1
        }
        return false
    }

    /// Walks in a statement's order as long as it makes sense; returns whether it came to the end.
    private func walk(
        _ rows: Statement, upTo last: Int64, _ taken: inout Set<Int64>,
        _ take: (Statement) throws -> Void
    ) throws -> Bool {
        rows.bind(1, last)
        defer { rows.reset() }
        var isRising: Bool?
        var previous: Int64?
        while let isRow = try? rows.step() {
            guard isRow else { return true }
            let number = rows.integer(0)
            if let previous {
                guard number != previous, isRising ?? (number > previous) == (number > previous)
                else { return false }
                isRising = number > previous
            }
            previous = number
            // From both ends, a row may come twice.
            if taken.insert(number).inserted { try take(rows) }
        }
        return false
    }

    /// Reads a table that has no row numbers, from both ends.
    func runWithoutNumbers(by key: [String], _ take: (Statement) throws -> Void) throws -> Bool {
        let sql = "SELECT NULL, \(columns.joined(separator: ", ")) FROM \(table) ORDER BY "
        for order in [" ASC", " DESC"] {
            let keys = key.map { $0 + order }.joined(separator: ", ")
            guard let rows = try? source.prepare(sql + keys) else { return false }
            defer { rows.reset() }
            while let isRow = try? rows.step() {
                guard isRow else { return true }
                try take(rows)
            }
        }
        return false
    }
}

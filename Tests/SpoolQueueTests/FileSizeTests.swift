import Foundation
import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("The size of the file")
struct FileSizeTests {
    private func pages(_ spool: TestSpool) throws -> Int64 {
        try spool.store.connection.integer("PRAGMA page_count") ?? 0
    }

    @Test("shrinks after a drain, in small steps, and keeps room for the next burst")
    func shrinks() throws {
        let spool = try TestSpool()
        let text = String(repeating: "x", count: 6000)
        for _ in 0..<40 {
            try spool.append((0..<100).map { _ in .log(text: text) })
        }
        let full = try pages(spool)
        _ = try spool.drain()
        var steps = 0
        while try spool.store.upkeep() { steps += 1 }
        let left = try pages(spool)
        #expect(left * 2 < full, "\(full) pages before, \(left) after")
        #expect(steps > 3, "\(steps) steps: each one holds up whoever wants to log")
        let free = try spool.store.connection.integer("PRAGMA freelist_count") ?? 0
        #expect(free > 0)
        #expect(try spool.store.connection.text("PRAGMA integrity_check") == "ok")
        // Nothing has happened since, and nothing has to.
        let attributes = try FileManager.default.attributesOfItem(
            atPath: spool.directory + "/spool.db")
        #expect(attributes[.size] as? Int64 == left * 8192)
    }
}

import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

/// The cost of an event must not grow with the backlog: every statement that runs for each event finds
/// its rows through an index.
@Suite("Query plans")
struct QueryPlanTests {
    @Test("no statement that the queue keeps scans a table or sorts")
    func usesIndexes() throws {
        let spool = try TestSpool()
        var seen = 0
        for child in Mirror(reflecting: spool.store.statements).children {
            let statement = try #require(child.value as? Statement)
            let plan = try spool.store.connection.prepare("EXPLAIN QUERY PLAN " + statement.sql)
            while try plan.step() {
                let step = plan.text(3)
                // Tables of one row may be read whole.
                if step == "SCAN ledger" || step == "SCAN spool" { continue }
                #expect(!step.hasPrefix("SCAN"), "\(child.label ?? ""): \(step)")
                #expect(!step.contains("TEMP B-TREE"), "\(child.label ?? ""): \(step)")
            }
            seen += 1
        }
        #expect(seen > 30)
    }

    @Test("a start reads the lane index alone, not the payloads")
    func startReadsAnIndex() throws {
        let spool = try TestSpool()
        let plan = try spool.store.connection.prepare(
            """
            EXPLAIN QUERY PLAN
            SELECT lane, hold, sequence, reference, kind FROM event ORDER BY lane, hold, sequence
            """)
        #expect(try plan.step())
        #expect(plan.text(3).contains("USING COVERING INDEX event_lane"))
    }
}

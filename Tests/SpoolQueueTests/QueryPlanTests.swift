import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

/// The cost of an event must not grow with the backlog: every statement that runs for each event finds
/// its rows through an index.
@Suite("Query plans")
struct QueryPlanTests {
    @Test(
        "no statement of a hot path scans a table or sorts",
        arguments: [
            "SELECT sequence FROM event WHERE lane = 1 AND hold = 0 AND sequence > 5 ORDER BY sequence",
            "SELECT lane FROM event WHERE sequence = 1",
            """
            SELECT sequence, kind FROM event WHERE reference = 1 AND kind IN (2, 3, 6) \
            AND sequence < 9 ORDER BY sequence DESC LIMIT 1
            """,
            """
            SELECT sequence, lane, 1 FROM event WHERE waits_on = 1 AND kind = 1 \
            ORDER BY sequence LIMIT 5
            """,
            """
            SELECT sequence, lane, waits_on IS NOT NULL FROM event WHERE not_before <= 5 \
            ORDER BY not_before LIMIT 5
            """,
            "SELECT min(not_before) FROM event WHERE not_before IS NOT NULL",
            "SELECT 1 FROM event WHERE waits_on = 1 LIMIT 1",
            "SELECT 1 FROM dead WHERE reference = 1 AND kind = 1 LIMIT 1",
            "SELECT entries FROM identity WHERE block = 1 AND destination = 1",
            "DELETE FROM event WHERE sequence BETWEEN 1 AND 2",
        ])
    func usesAnIndex(sql: String) throws {
        let spool = try TestSpool()
        let plan = try spool.store.connection.prepare("EXPLAIN QUERY PLAN " + sql)
        var steps: [String] = []
        while try plan.step() { steps.append(plan.text(3)) }
        #expect(!steps.isEmpty)
        for step in steps {
            #expect(step.hasPrefix("SEARCH"), "\(sql): \(steps)")
        }
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

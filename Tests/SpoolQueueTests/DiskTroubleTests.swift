import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("A disk's trouble", .timeLimit(.minutes(1)))
struct DiskTroubleTests {
    @Test("is told for as long as nothing can be written, though nobody tries, and is counted")
    func isTold() async throws {
        let spool = try DiskSpool()
        #expect(await spool.append(1) != nil)
        #expect(await spool.report()?.accepted == 1)
        spool.disk.fail(.write, on: .log, with: .full, count: nil)
        #expect(await spool.append(1) == nil)
        // Reading alone would succeed: the disk is full, not broken.
        for _ in 0..<5 { #expect(await spool.report() == nil) }
        spool.disk.mend()
        await spool.untilInOrder()
        let report = try #require(await spool.report())
        #expect(report.accepted == 1)
        #expect(report.counters["disk_refusals"] == 1)
        await spool.stop()
    }

    @Test("is not blamed for a row against the rules, and a sound file is not searched again")
    func isNotBlamed() async throws {
        let spool = try DiskSpool()
        #expect(await spool.append(1) != nil)
        let failure: GroupFailure? = await withCheckedContinuation { done in
            spool.queue.committer.submit { store in
                try store.connection.execute("INSERT INTO session VALUES (1, 1, 1, NULL)")
                try store.connection.execute("INSERT INTO session VALUES (1, 1, 2, NULL)")
                return { done.resume(returning: nil) }
            } orElse: { failure in
                done.resume(returning: failure)
            }
        }
        guard case .contradicted(let words)? = failure else {
            Issue.record(Comment(rawValue: "it ended with \(String(describing: failure))"))
            return
        }
        #expect(words.contains("UNIQUE constraint failed: session.sequence"))
        #expect(words.contains("a defect of loopspool"))
        await spool.untilInOrder()
        await spool.stop()

        let opening = SalvageOpening(spool.directory)
        _ = try opening.opening.open()
        let refusal = SQLiteError(code: 1555, message: "UNIQUE", action: "INSERT")
        opening.opening.failed(refusal)
        #expect(!opening.opening.isSuspect)
        opening.opening.failed(SQLiteError(code: 11, message: "malformed", action: "SELECT"))
        #expect(opening.opening.isSuspect)
    }
}

import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// A disk that refuses is a state of the queue: never an end, never a lie.
@Suite("A disk that fails")
struct DiskFaultTests {
    /// One operation that fails, in one way.
    struct Fault: CustomTestStringConvertible {
        let operation: FaultDisk.Operations
        let files: FaultDisk.Files
        let failure: FaultDisk.Failure
        let effect: FaultDisk.Effect

        /// Whether it shows only when the file is opened again: what is known by heart is not read.
        var needsReopening: Bool { operation == .read || operation == .open }

        var testDescription: String { "\(failure) on \(files.rawValue), \(effect) of it done" }
    }

    private static let faults: [Fault] = [
        Fault(operation: .write, files: .log, failure: .full, effect: .none),
        Fault(operation: .write, files: .log, failure: .write, effect: .half),
        Fault(operation: .write, files: .log, failure: .write, effect: .whole),
        Fault(operation: .write, files: .database, failure: .full, effect: .half),
        Fault(operation: .write, files: .database, failure: .write, effect: .half),
        Fault(operation: .sync, files: .log, failure: .sync, effect: .none),
        Fault(operation: .sync, files: .log, failure: .sync, effect: .whole),
        Fault(operation: .sync, files: .database, failure: .sync, effect: .none),
        Fault(operation: .read, files: .all, failure: .read, effect: .none),
        Fault(operation: .truncate, files: .all, failure: .truncate, effect: .none),
        Fault(operation: .open, files: .all, failure: .open, effect: .none),
    ]

    @Test(
        "loses nothing acknowledged and delivers nothing twice, whichever operation it is",
        arguments: faults)
    func everyOperation(fault: Fault) async throws {
        var place = 1
        while true {
            let spool = try DiskSpool()
            await spool.recall()
            await spool.checkpointOften()
            let others = fault.needsReopening ? 1 : 0
            if others > 0 { spool.disk.fail(.sync, on: .log, with: .sync) }
            spool.disk.fail(
                fault.operation, on: fault.files, with: fault.failure, first: place,
                effect: fault.effect)
            // A second one later: the way back fails, too.
            spool.disk.fail(
                fault.operation, on: fault.files, with: fault.failure, first: place + 3,
                effect: fault.effect)
            try await shortHistory(spool)
            let failures = spool.disk.failures - others
            spool.disk.mend()
            try await check(spool, "\(fault.testDescription), operation \(place)")
            await spool.stop()
            if failures == 0 { break }
            // Every one of the first; then ever fewer of the many reads.
            place += 1 + place / 16
        }
        #expect(place > 1, "it never happened: the row proves nothing")
    }

    private func shortHistory(_ spool: DiskSpool) async throws {
        for round in 0..<3 {
            await spool.append(3, text: String(repeating: "x", count: round * 9000))
            await spool.append(2)
            if case .batch(let lease) = await spool.lease() { await spool.deliver(lease) }
        }
    }

    /// What was acknowledged is there, after a power cut too; what was delivered is not.
    private func check(_ spool: DiskSpool, _ place: String) async throws {
        await spool.untilInOrder()
        try checkPowerCut(spool, place)
        let before = spool.delivered
        let batches = await spool.drain().flatMap { $0 }
        #expect(Set(batches).count == batches.count, "\(place): leased twice")
        #expect(before.isDisjoint(with: batches), "\(place): delivered twice")
        let lost = spool.accepted.subtracting(spool.delivered)
        #expect(lost.isEmpty, "\(place): lost \(lost.map(\.rawValue).sorted())")
        let report = try #require(await spool.report())
        #expect(report.queued == 0 && report.inFlight == 0, "\(place): \(report)")
        #expect(report.accepted == report.delivered, "\(place): \(report)")
        // A disk that fails is no damage: nothing was set aside, and nothing salvaged.
        let names = try FileManager.default.contentsOfDirectory(atPath: spool.directory)
        let kept = names.filter { $0.contains(".corrupt") || $0.contains(".foreign") }
        #expect(kept.isEmpty, "\(place): \(kept), \(spool.reports.all)")
    }

    private func checkPowerCut(_ spool: DiskSpool, _ place: String) throws {
        let image = try TestFolder.make("disk")
        defer { try? FileManager.default.removeItem(atPath: image) }
        spool.disk.crash(into: image, leaving: .nothing, seed: 1)
        let connection = try Connection(path: image + "/spool.db")
        #expect(try connection.text("PRAGMA integrity_check") == "ok", "\(place)")
        let rows = try connection.prepare("SELECT sequence FROM event")
        var found: Set<EventSequence> = []
        while try rows.step() { found.insert(EventSequence(rawValue: rows.integer(0))) }
        let lost = spool.accepted.subtracting(spool.delivered).subtracting(found)
        #expect(lost.isEmpty, "\(place): the power cut lost \(lost.map(\.rawValue).sorted())")
        #expect(found.isDisjoint(with: spool.delivered), "\(place): the power cut brought back")
    }

    @Test("a commit that reached the disk and was answered with a refusal is in the queue once")
    func commitInDoubt() async throws {
        let spool = try DiskSpool()
        spool.disk.fail(.sync, on: .log, with: .sync, effect: .whole)
        // The log stays as it is only if closing cannot move it into the database.
        spool.disk.fail(.write, on: .database, with: .write)
        #expect(await spool.append(1) == nil)
        await spool.untilInOrder()
        let report = try #require(await spool.report())
        #expect(report.accepted == 1 && report.queued == 1)
        #expect(await spool.drain().count == 1)
        await spool.stop()
    }

    @Test("a lease whose answer was a refusal is taken back, and its events travel")
    func leaseInDoubt() async throws {
        let spool = try DiskSpool()
        await spool.recall()
        let sequences = try #require(await spool.append(2))
        spool.disk.fail(.sync, on: .log, with: .sync, effect: .whole)
        spool.disk.fail(.write, on: .database, with: .write)
        guard case .failing = await spool.lease() else {
            Issue.record("the lease did not fail")
            return
        }
        #expect(await spool.drain() == [sequences])
        await spool.stop()
    }

    @Test("a settlement that reached the disk may be made again")
    func settlementInDoubt() async throws {
        let spool = try DiskSpool()
        await spool.recall()
        await spool.append(2)
        guard case .batch(let lease) = await spool.lease() else {
            Issue.record("no batch")
            return
        }
        spool.disk.fail(.sync, on: .log, with: .sync, effect: .whole)
        spool.disk.fail(.write, on: .database, with: .write)
        await spool.deliver(lease)
        #expect(spool.reports.all.count == 1)
        let report = try #require(await spool.report())
        #expect(report.delivered == 2 && report.queued == 0 && report.inFlight == 0)
        await spool.stop()
    }

    @Test("a sync that failed is made good before anything is built on it")
    func failedSync() async throws {
        let spool = try DiskSpool()
        await spool.append(1)
        // The commit's sync fails, and so does moving the log into the database on closing: a recovery
        // finds the commit in pages that a kernel may never write.
        spool.disk.fail(.sync, on: .log, with: .sync)
        spool.disk.fail(.write, on: .database, with: .write)
        #expect(await spool.append(1) == nil)
        await spool.untilInOrder()
        #expect(await spool.append(1) != nil)
        try checkPowerCut(spool, "after a failed sync")
        await spool.stop()
    }

    @Test("a full disk refuses events, keeps what it has, and takes events again by itself")
    func full() async throws {
        let spool = try DiskSpool()
        await spool.recall()
        spool.disk.limit(to: 1 << 20)
        var refusals = 0
        for _ in 0..<40 where refusals < 3 {
            if await spool.append(4, text: String(repeating: "x", count: 20_000)) == nil {
                refusals += 1
            }
        }
        #expect(refusals == 3)
        #expect(spool.reports.all.first?.contains("full") == true)
        spool.disk.mend()
        await spool.untilInOrder()
        #expect(await spool.append(1) != nil)
        try await check(spool, "after a full disk")
        await spool.stop()
    }

    @Test("a read-only disk is a state; the sender hears when it is over, without a new event")
    func readOnly() async throws {
        let spool = try DiskSpool()
        await spool.append(2)
        let (rings, bell) = AsyncStream.makeStream(of: Void.self)
        spool.queue.whenWorkArrives { bell.yield() }
        spool.disk.becomeReadOnly()
        #expect(await spool.append(1) == nil)
        guard case .failing = await spool.lease() else {
            Issue.record("a lease was committed to a read-only disk")
            return
        }
        spool.disk.mend()
        for await _ in rings { break }
        await spool.recall()
        try await check(spool, "after a read-only disk")
        await spool.stop()
    }

    @Test("a stop ends while the disk fails, and everybody who asked is answered")
    func stopWhileFailing() async throws {
        let spool = try DiskSpool()
        await spool.append(1)
        spool.disk.fail([.write, .sync, .open], with: .write, count: nil)
        #expect(await spool.append(1) == nil)
        let queue = spool.queue
        async let recalled = DiskSpool.recall(queue)
        async let stopped: Void = queue.stop()
        #expect(await recalled.leases.isEmpty)
        await stopped
        #expect(await spool.append(1) == nil)
    }

    @Test("a failing disk is asked again ever more rarely, however many events come")
    func noStorm() async throws {
        let spool = try DiskSpool()
        spool.disk.fail([.write, .sync, .open], with: .write, count: nil)
        let start = ContinuousClock.now
        for _ in 0..<500 { #expect(await spool.append(1) == nil) }
        // Pauses of 0, 0.1, 0.2, 0.4 … 5 s: each report is one try, however long this took.
        let bound = 10 + Int((ContinuousClock.now - start) / .seconds(4))
        #expect(spool.reports.all.count <= bound, "\(spool.reports.all.count) tries")
        await spool.stop()
    }
}

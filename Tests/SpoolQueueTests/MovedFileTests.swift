import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

@Suite("A spool's file that is taken away under the daemon", .timeLimit(.minutes(1)))
struct MovedFileTests {
    private func path(_ spool: DiskSpool, _ ending: String = "") -> String {
        spool.directory + "/spool.db" + ending
    }

    @Test("is written anew with all that was acknowledged, and found by the next start")
    func removed() async throws {
        let spool = try DiskSpool()
        try #require(await spool.append(5) != nil)
        for ending in ["", "-wal", "-shm"] {
            try FileManager.default.removeItem(atPath: path(spool, ending))
        }
        #expect(await spool.append(1) == nil, "acknowledged into a file that nobody finds again")
        await spool.untilInOrder()
        #expect(await spool.append(1) != nil)
        try await spool.restart()
        #expect(await spool.report()?.queued == 6)
        #expect(spool.reports.all.contains { $0.contains("was removed or replaced") })
    }

    @Test("is held open until what it held can be written again, and nothing is lost")
    func removedWithoutRoom() async throws {
        let spool = try DiskSpool()
        try #require(await spool.append(5) != nil)
        for ending in ["", "-wal", "-shm"] {
            try FileManager.default.removeItem(atPath: path(spool, ending))
        }
        // Stands for a disk without room.
        let obstacle = path(spool, ".salvage")
        try FileManager.default.createDirectory(
            atPath: obstacle, withIntermediateDirectories: false)
        for _ in 0..<3 { #expect(await spool.append(1) == nil) }
        #expect(spool.reports.all.contains { $0.contains("Do not stop it") })
        try FileManager.default.removeItem(atPath: obstacle)
        await spool.untilInOrder()
        #expect(await spool.append(1) != nil)
        try await spool.restart()
        #expect(await spool.report()?.queued == 6)
    }

    @Test("is kept beside the file that is there instead, which is served")
    func replaced() async throws {
        let spool = try DiskSpool()
        try #require(await spool.append(5) != nil)
        let other = try DiskSpool()
        try #require(await other.append(2) != nil)
        await other.stop()
        for ending in ["", "-wal", "-shm"] {
            try FileManager.default.removeItem(atPath: path(spool, ending))
        }
        try FileManager.default.copyItem(atPath: path(other), toPath: path(spool))
        #expect(await spool.append(1) == nil)
        await spool.untilInOrder()
        #expect(await spool.append(1) != nil)
        #expect(await spool.report()?.queued == 3)
        let names = try FileManager.default.contentsOfDirectory(atPath: spool.directory)
        let kept = try #require(names.first { $0.hasPrefix("spool.db.moved-") })
        let copy = try DurableFile.open(
            path: spool.directory + "/" + kept, applicationID: QueueSchema.applicationID,
            migrations: QueueSchema.migrations)
        #expect(try copy.integer("SELECT count(*) FROM event") == 5)
    }

    /// The events in a copy of the files as they are now: what a killed daemon would leave.
    private func leftByKill(_ spool: DiskSpool) throws -> Int64? {
        let copy = try TestFolder.make("disk")
        for ending in ["", "-wal"] {
            let file = path(spool, ending)
            guard FileManager.default.fileExists(atPath: file) else { continue }
            try FileManager.default.copyItem(atPath: file, toPath: copy + "/spool.db" + ending)
        }
        let connection = try DurableFile.open(
            path: copy + "/spool.db", applicationID: QueueSchema.applicationID,
            migrations: QueueSchema.migrations)
        return try connection.integer("SELECT count(*) FROM event")
    }

    @Test("loses nothing where its log alone is removed, not even when the daemon is killed next")
    func logRemoved() async throws {
        let spool = try DiskSpool()
        try #require(await spool.append(5) != nil)
        try FileManager.default.removeItem(atPath: path(spool, "-wal"))
        #expect(await spool.append(1) == nil, "acknowledged into a log that nobody finds again")
        await spool.untilInOrder()
        #expect(try leftByKill(spool) == 5)
        #expect(await spool.append(2) != nil)
        #expect(try leftByKill(spool) == 7)
        #expect(await spool.report()?.queued == 7)
        #expect(spool.reports.all.contains { $0.contains("spool.db-wal was removed or replaced") })
        await spool.stop()
    }

    @Test("goes before what was put in its log's place, which is set aside")
    func logReplaced() async throws {
        let spool = try DiskSpool()
        try #require(await spool.append(5) != nil)
        let stale = path(spool, "-copy")
        try FileManager.default.copyItem(atPath: path(spool, "-wal"), toPath: stale)
        try #require(await spool.append(3) != nil)
        try FileManager.default.removeItem(atPath: path(spool, "-wal"))
        try FileManager.default.moveItem(atPath: stale, toPath: path(spool, "-wal"))
        #expect(await spool.append(1) == nil)
        await spool.untilInOrder()
        #expect(try leftByKill(spool) == 8)
        #expect(await spool.append(1) != nil)
        #expect(await spool.report()?.queued == 9)
        let names = try FileManager.default.contentsOfDirectory(atPath: spool.directory)
        #expect(names.contains { $0.hasPrefix("spool.db-wal.foreign-") }, "\(names)")
        #expect(try SpoolDoctor.examine(path: path(spool)).findings.isEmpty)
        await spool.stop()
    }

    @Test("is held open without its log until what the log held is in the database")
    func logRemovedWithoutRoom() async throws {
        let spool = try DiskSpool()
        try #require(await spool.append(5) != nil)
        try FileManager.default.removeItem(atPath: path(spool, "-wal"))
        spool.disk.fail(.write, on: .database, with: .full, count: nil)
        for _ in 0..<3 { #expect(await spool.append(1) == nil) }
        #expect(spool.reports.all.contains { $0.contains("Do not stop it") })
        spool.disk.mend()
        await spool.untilInOrder()
        #expect(await spool.append(1) != nil)
        #expect(try leftByKill(spool) == 6)
        await spool.stop()
    }
}

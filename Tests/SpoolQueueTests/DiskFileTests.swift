import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import Testing

@testable import SpoolQueue

/// Files as crashes, copies and mistakes leave them.
@Suite("The files of a spool")
struct DiskFileTests {
    /// The files of a spool that died: database and log, no `-shm`.
    private func deadSpool(_ rounds: Int = 6) async throws -> (directory: String, acked: Int) {
        let spool = try DiskSpool()
        for _ in 0..<rounds { await spool.append(2) }
        let image = try DiskSpool.makeDirectory()
        spool.disk.crash(into: image, leaving: .nothing, seed: 1)
        await spool.stop()
        return (image, rounds * 2)
    }

    private func open(_ directory: String) throws -> SpoolStore {
        try SpoolStore(
            path: directory + "/spool.db", destination: "http://upstream",
            settings: QueueSettings(freeDiskBytesMin: 0),
            clock: { Timestamp(milliseconds: 1_800_000_000_000) })
    }

    @Test("without -shm everything is there: it is only an index of the log")
    func missingIndex() async throws {
        let (directory, acked) = try await deadSpool()
        #expect(!FileManager.default.fileExists(atPath: directory + "/spool.db-shm"))
        let store = try open(directory)
        #expect(store.ledger.held == Int64(acked))
    }

    @Test(
        "a log that was cut off opens with the commits before the cut", arguments: [0.2, 0.5, 0.9])
    func truncatedLog(share: Double) async throws {
        let (directory, acked) = try await deadSpool()
        let log = directory + "/spool.db-wal"
        let handle = try #require(FileHandle(forUpdatingAtPath: log))
        try handle.truncate(atOffset: UInt64(Double(try handle.seekToEnd()) * share))
        try handle.close()
        let store = try open(directory)
        #expect(try store.connection.text("PRAGMA integrity_check") == "ok")
        #expect(store.ledger.held <= Int64(acked))
        let rows = try store.connection.integer("SELECT count(*) FROM event")
        #expect(rows == store.ledger.held)
    }

    @Test("a log of another time, whose salt does not match, is not read")
    func foreignLog() async throws {
        let (directory, acked) = try await deadSpool()
        let log = directory + "/spool.db-wal"
        var bytes = try Data(contentsOf: URL(filePath: log))
        // The salt in the second half of the frames' headers (sqlite.org/fileformat2.html, section 4.1).
        let frame = 24 + 8192
        let count = (bytes.count - 32) / frame
        for number in (count / 2)..<count { bytes[32 + number * frame + 8] ^= 0xff }
        try bytes.write(to: URL(filePath: log))
        let store = try open(directory)
        #expect(try store.connection.text("PRAGMA integrity_check") == "ok")
        #expect(store.ledger.held < Int64(acked))
    }

    @Test("a newer spool is refused with both versions and what to do, and is left alone")
    func newer() async throws {
        let (directory, _) = try await deadSpool()
        try Connection(path: directory + "/spool.db").execute("PRAGMA user_version = 99")
        let error = try #require(throws: DurableFileError.self) { try open(directory) }
        #expect("\(error)".contains("version 99"))
        #expect("\(error)".contains("Install the newer loopspool"))
    }

    @Test("a database of another program is refused and left alone")
    func foreign() throws {
        let directory = try DiskSpool.makeDirectory()
        try Connection(path: directory + "/spool.db").execute(
            "PRAGMA application_id = 7; CREATE TABLE a (x)")
        let error = try #require(throws: DurableFileError.self) { try open(directory) }
        #expect("\(error)".contains("another program"))
    }
}

import Foundation
import Glibc
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// What the doctor finds where a spool should be, and what it leaves there.
@Suite("The doctor's place", .timeLimit(.minutes(1)))
struct DoctorPlaceTests {
    private func words(_ directory: String) throws -> String {
        let error = #expect(throws: DoctorError.self) {
            try SpoolDoctor.examine(directory: directory)
        }
        return try #require(error).description
    }

    @Test("without a spool it says so, and what to name")
    func missing() throws {
        let directory = try TestFolder.make("place")
        for place in [directory, directory + "/nowhere"] {
            #expect(try words(place) == "There is no spool in \(place). Name its --state-dir.")
        }
    }

    @Test("what is no file is told of, and not waited for")
    func noFile() throws {
        let directory = try TestFolder.make("place")
        let path = directory + "/spool.db"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(try words(directory).contains("\(path): it is a directory"))
        try FileManager.default.removeItem(atPath: path)
        try #require(mkfifo(path, 0o600) == 0)
        #expect(try words(directory).contains("\(path): it is no file"))
    }

    @Test("where nobody has the spool open, no log is left that was not there")
    func leavesNothing() async throws {
        let spool = try DiskSpool()
        _ = await spool.queue.stop()
        let directory = spool.directory
        for name in ["spool.db-wal", "spool.db-shm"] {
            try? FileManager.default.removeItem(atPath: directory + "/" + name)
        }
        let before = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        let bytes = try Data(contentsOf: URL(filePath: directory + "/spool.db"))
        #expect(try SpoolDoctor.examine(directory: directory).findings.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == before)
        #expect(try Data(contentsOf: URL(filePath: directory + "/spool.db")) == bytes)
    }

    @Test("beside a daemon the log stays where it is")
    func besideADaemon() async throws {
        let spool = try DiskSpool()
        let log = spool.directory + "/spool.db-wal"
        #expect(FileManager.default.fileExists(atPath: log))
        #expect(try SpoolDoctor.examine(directory: spool.directory).findings.isEmpty)
        #expect(FileManager.default.fileExists(atPath: log))
    }
}

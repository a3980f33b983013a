import Foundation
import Testing

@testable import SpoolArchive

/// An archive whose file SQLite cannot read.
@Suite struct ArchiveDamageTests {
    /// The directory of an archive that held a log and lost its first page.
    private func damaged() async throws -> (directory: String, instanceID: String) {
        let archive = try ArchiveFixture()
        _ = try await archive.log(#"{"project":"p"}"#)
        let id = archive.archive.status.instanceID
        await archive.close()
        let path = URL(filePath: archive.directory + "/archive.db")
        var bytes = try Data(contentsOf: path)
        bytes.replaceSubrange(0..<8192, with: Data(count: 8192))
        try bytes.write(to: path)
        return (archive.directory, id)
    }

    @Test func `is refused with the name of the file and what to do, and left as it is`()
        async throws
    {
        let (directory, _) = try await damaged()
        let before = try Data(contentsOf: URL(filePath: directory + "/archive.db"))
        let error = try #require(throws: ArchiveError.self) { try ArchiveFixture(in: directory) }
        #expect("\(error)".contains("\(directory)/archive.db is damaged: "))
        #expect("\(error)".contains("move it and its -wal away"))
        #expect(try Data(contentsOf: URL(filePath: directory + "/archive.db")) == before)
    }

    @Test func `makes way for a fresh one, of another name, where that is asked for`() async throws
    {
        let (directory, id) = try await damaged()
        let before = try Data(contentsOf: URL(filePath: directory + "/archive.db"))
        let archive = try ArchiveFixture(in: directory) { $0.setsDamagedAside = true }
        #expect(archive.archive.status.instanceID != id)
        #expect(archive.archive.status.logs == 0)
        let kept = try #require(archive.archive.filesSetAside.first)
        #expect(kept.hasPrefix(directory + "/archive.db.corrupt-2"))
        #expect(try Data(contentsOf: URL(filePath: kept)) == before)
        let words = try #require(archive.reports.first)
        #expect(words.contains("is kept as \(kept)") && words.contains("Delete it"))
        _ = try await archive.log(#"{"project":"p"}"#)
        #expect(archive.archive.status.logs == 1)
        await archive.remove()
    }

    @Test func `gets a name of its own when two are set aside in one second`() async throws {
        let (directory, _) = try await damaged()
        for count in 1...2 {
            try Data("this is no database".utf8)
                .write(to: URL(filePath: directory + "/archive.db"))
            let archive = try ArchiveFixture(in: directory) { $0.setsDamagedAside = true }
            #expect(Set(archive.archive.filesSetAside).count == count)
            await archive.close()
        }
    }
}

import Foundation
import SpoolSQLite
import SpoolTestKit
import Testing

@Suite("A durable file")
struct DurableFileTests {
    private let migrations = [
        Migration(version: 1, sql: "CREATE TABLE a (x INTEGER) STRICT"),
        Migration(version: 2, sql: "CREATE TABLE b (x INTEGER) STRICT"),
    ]

    private func path() throws -> String { try TestFolder.make("durable") + "/file.db" }

    private func open(_ path: String, _ count: Int, id: Int32 = 7) throws -> Connection {
        try DurableFile.open(
            path: path, applicationID: id, migrations: Array(migrations.prefix(count)))
    }

    @Test("commits durably: WAL, synchronous=FULL, foreign keys, a file that can shrink")
    func settings() throws {
        let connection = try open(try path(), 1)
        #expect(try connection.text("PRAGMA journal_mode") == "wal")
        #expect(try connection.integer("PRAGMA synchronous") == 2)
        #expect(try connection.integer("PRAGMA foreign_keys") == 1)
        #expect(try connection.integer("PRAGMA auto_vacuum") == 2)
        #expect(try connection.integer("PRAGMA page_size") == 8192)
    }

    @Test("an older file is brought up to date, step by step")
    func migrates() throws {
        let path = try path()
        _ = try open(path, 1)
        let connection = try open(path, 2)
        #expect(try connection.integer("PRAGMA user_version") == 2)
        try connection.execute("INSERT INTO b VALUES (1)")
    }

    @Test("a newer file is refused, with both versions and what to do, and left as it is")
    func newer() throws {
        let path = try path()
        _ = try open(path, 2)
        let error = try #require(throws: DurableFileError.self) { try open(path, 1) }
        #expect("\(error)".contains("version 2"))
        #expect("\(error)".contains("Install the newer loopspool"))
        #expect(try open(path, 2).integer("PRAGMA user_version") == 2)
    }

    @Test("a file of another program is refused")
    func foreign() throws {
        let path = try path()
        _ = try open(path, 1, id: 8)
        #expect(throws: DurableFileError.self) { try open(path, 1, id: 7) }
    }

    @Test("a step that fails leaves the file at the version before it")
    func failedStep() throws {
        let path = try path()
        let broken = [
            migrations[0], Migration(version: 2, sql: "CREATE TABLE c (x); CREATE NONSENSE"),
        ]
        #expect(throws: SQLiteError.self) {
            try DurableFile.open(path: path, applicationID: 7, migrations: broken)
        }
        let connection = try open(path, 1)
        #expect(try connection.integer("PRAGMA user_version") == 1)
        #expect(try connection.integer("SELECT count(*) FROM sqlite_master WHERE name = 'c'") == 0)
    }
}

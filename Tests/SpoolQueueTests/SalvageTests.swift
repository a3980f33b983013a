import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit
import Testing

@testable import SpoolQueue

/// A damaged spool is kept aside, what can be read of it goes on, and the ledger balances.
///
/// `SALVAGES=500` damages so many copies at random; without it there are some dozens.
@Suite("A damaged spool")
struct SalvageTests {
    private static let runs =
        ProcessInfo.processInfo.environment["SALVAGES"].flatMap { UInt64($0) } ?? 12

    @Test(
        "opens, keeps every row that can be read, balances, and delivers", arguments: [false, true])
    func random(hasLog: Bool) throws {
        let sample = try
            (hasLog ? SalvageSpool.sampleWithLog : .init { try SalvageSpool.sample.get() })
            .get()
        for seed in 1...Self.runs {
            var random = SeededRandom(seed: seed &* 2 &+ (hasLog ? 1 : 0))
            let directory = try sample.copy { Self.damage(&$0, &random) }
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let readable = try Self.readable(sample, directory)
            let place = "seed \(seed), log \(hasLog)"
            let opening = SalvageOpening(directory)
            let store = try opening.opening.open()
            let events = try SalvageSpool.sequences("event", store.connection)
            let dead = try SalvageSpool.sequences("dead", store.connection)
            let missing = readable.subtracting(events).subtracting(dead)
            #expect(
                missing.isEmpty,
                "\(place): readable and not there: \(missing.sorted()); \(opening.reports)")
            try Self.checkBooks(store, place)
            try opening.drain(store)
            try Self.checkBooks(store, place + ", drained")
            let left = try store.connection.integer("SELECT count(*) FROM event") ?? 0
            #expect(left == 0, "\(place): \(left) are stuck")
            withExtendedLifetime(opening) {}
        }
    }

    /// One to four pages zeroed, scribbled on, flipped or exchanged; the first one in a fifth of the runs.
    private static func damage(_ bytes: inout Data, _ random: inout SeededRandom) {
        let pages = bytes.count / 8192
        for number in 0..<Int.random(in: 1...4, using: &random) {
            let isFirst = number == 0 && Int.random(in: 0..<5, using: &random) == 0
            let page = isFirst ? 0 : Int.random(in: 0..<pages, using: &random)
            let range = (page * 8192)..<(page * 8192 + 8192)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.replaceSubrange(range, with: Data(count: 8192))
            case 1:
                bytes.replaceSubrange(
                    range,
                    with: Data((0..<8192).map { _ in UInt8.random(in: 0...255, using: &random) }))
            case 2:
                let other = Int.random(in: 0..<pages, using: &random) * 8192
                bytes.replaceSubrange(range, with: bytes.subdata(in: other..<(other + 8192)))
            case 3 where number == 0:
                bytes.removeLast(Int.random(in: 1..<20_000, using: &random))
                return
            default:
                for _ in 0..<Int.random(in: 1...12, using: &random) {
                    bytes[range.lowerBound + Int.random(in: 0..<8192, using: &random)] =
                        UInt8.random(in: 0...255, using: &random)
                }
            }
        }
    }

    /// Events whose rows a plain lookup of the damaged file still finds, with a body that is JSON.
    private static func readable(_ sample: SalvageSpool, _ directory: String) throws -> Set<Int64> {
        let copy = try TestFolder.make("disk")
        defer { try? FileManager.default.removeItem(atPath: copy) }
        for name in ["/spool.db", "/spool.db-wal"] {
            try? FileManager.default.copyItem(atPath: directory + name, toPath: copy + name)
        }
        guard let connection = try? Connection(path: copy + "/spool.db", access: .query),
            let find = try? connection.prepare(
                """
                SELECT body FROM event JOIN lane ON lane.id = event.lane WHERE sequence = ?
                AND kind BETWEEN 1 AND 6 AND hold IN (0, 1) AND attempts >= 0
                AND length(causes) IS NOT NULL = (causes IS NOT NULL) AND typeof(body) = 'blob'
                """)
        else { return [] }
        var found: Set<Int64> = []
        for sequence in sample.events {
            find.bind(1, sequence)
            guard (try? find.step()) == true else { continue }
            let body = find.bytes(0)
            find.reset()
            if (try? JSONValue(parsing: body)) != nil { found.insert(sequence) }
        }
        return found
    }

    private static func checkBooks(_ store: SpoolStore, _ place: String) throws {
        let ledger = try Ledger(reading: store.connection)
        #expect(
            ledger.accepted == ledger.held + ledger.delivered + ledger.dead + ledger.discarded,
            "\(place): \(ledger)")
        let report = try SpoolDoctor.examine(path: store.connection.path)
        let damage = report.findings.filter { $0.severity == .damage }
        #expect(damage.isEmpty, "\(place): \(damage)")
    }

    @Test("a lost first page costs nothing: the tables are found where an empty spool has them")
    func firstPage() throws {
        let sample = try SalvageSpool.sample.get()
        let directory = try sample.copy { $0.replaceSubrange(0..<8192, with: Data(count: 8192)) }
        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        #expect(try SalvageSpool.sequences("event", store.connection) == sample.events)
        #expect(try SalvageSpool.sequences("dead", store.connection) == sample.dead)
        #expect(store.ledger.accepted == sample.accepted)
        #expect(store.ledger.discarded == 0)
        let row = try #require(try SpoolRow(store.connection))
        #expect([row.epoch, row.key0, row.key1] == sample.identity)
        let files = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(files.contains("spool.db.corrupt-20270115T080000Z"), "\(files)")
        #expect(files.contains { $0.hasSuffix(".page1") })
        #expect(opening.reports.first?.contains("spool.db.corrupt-20270115T080000Z") == true)
    }

    @Test(
        "a lost page of events costs its own events, counted as corruption, and no sequence is reused"
    )
    func leafPage() throws {
        let sample = try SalvageSpool.sample.get()
        var worst = 0
        for page in stride(from: 30, to: sample.pageCount, by: 17) {
            let directory = try sample.copy {
                $0.replaceSubrange((page * 8192)..<(page * 8192 + 8192), with: Data(count: 8192))
            }
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let opening = SalvageOpening(directory)
            let store = try opening.opening.open()
            let events = try SalvageSpool.sequences("event", store.connection)
            let dead = try SalvageSpool.sequences("dead", store.connection)
            #expect(events.isSubset(of: sample.events) && dead.isSubset(of: sample.dead))
            let lost = sample.events.count + sample.dead.count - events.count - dead.count
            worst = max(worst, lost)
            #expect(store.ledger.accepted == sample.accepted)
            #expect(store.ledger.discarded == Int64(lost))
            let counted = try store.connection.integer(
                "SELECT value FROM counter WHERE name = 'discarded.corruption'")
            if !opening.reports.isEmpty {
                #expect(counted ?? 0 == Int64(lost))
                #expect(store.nextSequence > (sample.events.max() ?? 0) + Salvage.gap)
            }
        }
        #expect(worst > 0, "no page held an event: the test proves nothing")
    }

    @Test("a running process keeps its identity by heart; a start that finds none begins a new one")
    func identity() throws {
        let sample = try SalvageSpool.sample.get()
        // The page of the table `spool`: the third, behind the list of tables and the map of pages.
        func lose(_ bytes: inout Data) {
            bytes.replaceSubrange((2 * 8192)..<(3 * 8192), with: Data(count: 8192))
        }
        let directory = try sample.copy { _ in }
        let opening = SalvageOpening(directory)
        var store: SpoolStore? = try opening.opening.open()
        #expect(store?.ledger.accepted == sample.accepted)
        store = nil
        let path = URL(filePath: directory + "/spool.db")
        var bytes = try Data(contentsOf: path)
        lose(&bytes)
        try bytes.write(to: path)
        opening.opening.failed(
            SQLiteError(code: 11, message: "database disk image is malformed", action: "a lease"))
        let kept = try opening.opening.open()
        let row = try #require(try SpoolRow(kept.connection))
        #expect([row.epoch, row.key0, row.key1] == sample.identity)
        #expect(try SalvageSpool.sequences("event", kept.connection) == sample.events)

        let other = SalvageOpening(try sample.copy(lose))
        let begun = try other.opening.open()
        let fresh = try #require(try SpoolRow(begun.connection))
        #expect([fresh.key0, fresh.key1] != Array(sample.identity.dropFirst()))
        #expect(fresh.nextSequence > (sample.events.max() ?? 0) + Salvage.gap)
        #expect(other.reports.last?.contains("Its identity was lost") == true)
        withExtendedLifetime((opening, other)) {}
    }

    @Test("a file that is no database at all is kept aside, and a fresh one serves")
    func garbage() throws {
        let directory = try TestFolder.make("disk")
        try Data("this is no database, and long enough to be looked at".utf8)
            .write(to: URL(filePath: directory + "/spool.db"))
        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        #expect(store.ledger.accepted == 0)
        #expect(opening.reports.count == 1)
        let files = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(files.contains { $0.hasPrefix("spool.db.corrupt-") })
    }

    @Test("a newer file and another program's are refused, not quarantined")
    func refused() throws {
        for change in ["PRAGMA user_version = 99", "PRAGMA application_id = 7"] {
            let directory = try TestFolder.make("disk")
            let connection = try Connection(path: directory + "/spool.db")
            try connection.execute(
                change.contains("99") ? "CREATE TABLE spool (x)" : "CREATE TABLE a (x)")
            for table in change.contains("99") ? ["ledger", "event", "lease", "dead"] : [] {
                try connection.execute("CREATE TABLE \(table) (x)")
            }
            try connection.execute(change)
            let opening = SalvageOpening(directory)
            #expect(throws: DurableFileError.self) { try opening.opening.open() }
            let files = try FileManager.default.contentsOfDirectory(atPath: directory)
            #expect(files.filter { $0.hasPrefix("spool.db.corrupt") }.isEmpty)
        }
    }

    @Test("a crash at any step of the replacement is made good by the next start")
    func crashes() throws {
        let sample = try SalvageSpool.sample.get()
        // Decided, and the old log still there: the new file takes the place, the log goes.
        let directory = try sample.copy { $0.replaceSubrange(0..<8192, with: Data(count: 8192)) }
        try Data(repeating: 7, count: 5000).write(to: URL(filePath: directory + "/spool.db-wal"))
        try sample.database.write(to: URL(filePath: directory + "/spool.db.salvaged"))
        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        #expect(try SalvageSpool.sequences("event", store.connection) == sample.events)
        // Not decided: what was begun is thrown away.
        let other = try sample.copy { $0.replaceSubrange(0..<8192, with: Data(count: 8192)) }
        try Data(repeating: 7, count: 5000).write(to: URL(filePath: other + "/spool.db.salvage"))
        let next = SalvageOpening(other)
        let second = try next.opening.open()
        #expect(try SalvageSpool.sequences("event", second.connection) == sample.events)
    }

    @Test("an attempt that fails says so and leaves one set of files, however often it is made")
    func failures() throws {
        let sample = try SalvageSpool.sample.get()
        let directory = try sample.copy {
            $0.replaceSubrange((40 * 8192)..<(41 * 8192), with: Data(count: 8192))
        }
        let path = directory + "/spool.db"
        func sets() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: directory)
                .filter { $0.hasPrefix("spool.db.corrupt-") }
        }
        for _ in 0..<3 {
            let opening = SalvageOpening(directory)
            opening.disk.limit(to: sample.database.count / 2)
            let error = try #require(throws: QueueError.self) { try opening.opening.open() }
            #expect("\(error)".contains("Salvaging the damaged spool \(path) failed"))
            #expect("\(error)".contains("full") && "\(error)".contains("Make room"))
            #expect(try sets().count == 1)
            #expect(!FileManager.default.fileExists(atPath: path + ".salvage"))
        }
        let opening = SalvageOpening(directory)
        let store = try opening.opening.open()
        #expect(store.ledger.accepted == sample.accepted)
        #expect(opening.reports.count == 1)
        #expect(try sets().count == 1)
        let left = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(left.allSatisfy { !$0.hasPrefix("spool.db.salvage") }, "\(left)")
    }

    @Test("a fresh file that its log cannot be written back to does not take the place")
    func unfinished() throws {
        let sample = try SalvageSpool.sample.get()
        for first in [5, 85, 205, 325] {
            let directory = try sample.copy {
                $0.replaceSubrange((40 * 8192)..<(41 * 8192), with: Data(count: 8192))
            }
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let opening = SalvageOpening(directory)
            opening.disk.fail(.write, on: .database, with: .full, first: first, count: nil)
            let isRefused = (try? opening.opening.open()) == nil
            opening.disk.mend()
            let store = try opening.opening.open()
            #expect(store.ledger.accepted == sample.accepted, "write \(first)")
            let lost = store.ledger.discarded
            #expect(lost < 200, "write \(first), refused: \(isRefused)")
        }
    }
}

import Foundation
import SpoolCore
import SpoolSQLite
import SpoolSender

@testable import SpoolQueue

/// The spool's file and the store over it, through the deaths of the process.
final class SimulatedSpool {
    /// The store while the process lives.
    private(set) var store: SpoolStore?
    /// Mints this spool's ids: the same for every history, so that a history repeats exactly.
    let identity = SimulatedSpool.template.identity
    /// Whether the disk has room for more events.
    let disk = Disk()
    /// Opens the store, and keeps what outlives one; a new one in every life of the process.
    private(set) var opening: SpoolOpening?
    private let settings: QueueSettings
    private let directory: String
    private let time: VirtualTime
    private let bell = Bell()
    private var lives = 0

    /// A new spool in an empty directory.
    init(directory: String, time: VirtualTime, settings: QueueSettings) throws {
        self.directory = directory
        self.time = time
        var settings = settings
        let disk = disk
        settings.freeDiskBytesMin = 1
        settings.freeDiskBytes = { disk.isFull ? 0 : 1 << 40 }
        settings.instant = { time.instant }
        self.settings = settings
        try Self.template.bytes.write(to: URL(filePath: path))
    }

    private var path: String { "\(directory)/spool-\(lives).db" }

    /// The process starts.
    func start() throws {
        opening = Self.opening(of: path, settings, time, bell)
        try open()
    }

    /// The store is made from the file: at the start, and after the disk refused.
    func open() throws { store = try opening?.open() }

    /// The store is thrown away, because the disk refused.
    func close() { store = nil }

    /// The process ends in order.
    func stop() {
        store = nil
        opening = nil
    }

    /// The process dies: what it has written is in the file and its log, what it had open is not closed.
    func die() throws {
        let old = path
        opening = nil
        lives += 1
        for ending in ["", "-wal"] where FileManager.default.fileExists(atPath: old + ending) {
            try FileManager.default.copyItem(atPath: old + ending, toPath: path + ending)
        }
        store = nil
        for ending in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: old + ending)
        }
    }

    /// Everything that left is where the books say, in the tables too.
    func check(_ books: Books) throws {
        if store == nil { try open() }
        guard let store else { throw Violation("the daemon does not run") }
        try books.checkBalance(of: store)
        let leases = try store.connection.integer("SELECT count(*) FROM lease") ?? 0
        guard leases == 0 else { throw Violation("\(leases) leases are left") }
        let integrity = try store.connection.text("PRAGMA integrity_check") ?? "nothing"
        guard integrity == "ok" else { throw Violation("the file is damaged: \(integrity)") }
    }

    /// What an event waits for, in words.
    func hold(of sequence: EventSequence) -> String {
        let row = try? store?.connection.prepare(
            "SELECT hold, waits_on, not_before FROM event WHERE sequence = \(sequence.rawValue)")
        guard let row, (try? row.step()) == true else { return "gone" }
        if row.integer(0) == 0 { return "ready" }
        let name = row.optionalInteger(1).map { "waits on \($0)" } ?? "waits"
        let time = row.optionalInteger(2).map { " until \($0)" } ?? ""
        return name + time
    }

    /// Whether the store rang for the sender since it was asked last.
    func takeRing() -> Bool {
        defer { bell.isRung = false }
        return bell.isRung
    }

    // MARK: Making one

    private static func opening(
        of path: String, _ settings: QueueSettings, _ time: VirtualTime, _ bell: Bell
    ) -> SpoolOpening {
        SpoolOpening(
            path: path, destination: "http://upstream", settings: settings, clock: { time.wall },
            report: { _ in }, ring: { bell.isRung = true }, vfs: nil)
    }

    /// A new spool's file with a fixed epoch and fixed keys, made once.
    private static let template: (bytes: Data, identity: SpoolIdentity) = {
        let directory = FileManager.default.temporaryDirectory
            .appending(path: "simulated-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        do {
            try FileManager.default.createDirectory(
                at: directory, withIntermediateDirectories: true)
            let path = directory.appending(path: "spool.db").path
            let settings = QueueSettings(freeDiskBytesMin: 0)
            let opening = SimulatedSpool.opening(of: path, settings, VirtualTime(), Bell())
            var store: SpoolStore? = try opening.open()
            try store?.connection.execute("UPDATE spool SET epoch = 7, key0 = 11, key1 = 13")
            store = nil
            store = try opening.open()
            guard let identity = store?.identity else { preconditionFailure("no store at \(path)") }
            store = nil
            return (try Data(contentsOf: URL(filePath: path)), identity)
        } catch {
            preconditionFailure("no template in \(directory.path): \(error)")
        }
    }()

    /// How much room there is.
    // Safety: touched on the history's thread alone.
    final class Disk: @unchecked Sendable {
        /// Whether nothing may be accepted.
        var isFull = false
    }

    /// What the store rings.
    // Safety: touched on the history's thread alone.
    private final class Bell: @unchecked Sendable {
        var isRung = false
    }
}

/// Work for the store, as the ports of ``EventQueue`` submit it.
enum SpoolJob {
    case append(Submission, [AppEvent])
    case lease(LeaseWish, SenderMachine.LeasePurpose)
    case settle(Settlement)
    case keep(notes: String)
    case recall
    case discard([EventSequence])
    case replay(DeadFilter, after: EventSequence?)
    case replayFollowers(after: EventSequence?, found: Int)
    case discardDead(DeadFilter, after: EventSequence?)
}

/// What the store answered.
enum SpoolAnswer {
    case append(Result<Receipt, AppendRefusal>, [AppEvent])
    case lease(LeaseAnswer, SenderMachine.LeasePurpose)
    /// A settlement, what of it was still to be done, and what came of it.
    case settle(Settlement, Settlement?, SettleOutcome)
    case kept
    case recall(Recollection)
    case discard(DiscardOutcome, [EventSequence])
    case replay(DeadFilter, SpoolStore.DeadStep)
    case replayFollowers(SpoolStore.DeadStep, found: Int)
    case discardDead(DeadFilter, SpoolStore.DeadStep)
}

/// What the queue itself let die or gave up while it did a job.
struct Losses {
    /// Every dead letter that upstream did not refuse, where any died; nil where none did.
    var dead: [(sequence: EventSequence, reason: DeadLetterReason)]?
    /// What is left in the queue and among the dead; nil: nothing was given up.
    var left: Set<EventSequence>?

    /// The losses since the ledger was `before`.
    init(of store: SpoolStore, since before: Ledger) throws {
        if store.ledger.dead != before.dead || store.ledger.discarded > before.discarded {
            dead = try Self.deadOfThemselves(store)
        }
        guard store.ledger.discarded > before.discarded else { return }
        let rows = try store.connection.prepare(
            "SELECT sequence FROM event UNION ALL SELECT sequence FROM dead")
        var left: Set<EventSequence> = []
        while try rows.step() { left.insert(EventSequence(rawValue: rows.integer(0))) }
        self.left = left
    }

    private static func deadOfThemselves(
        _ store: SpoolStore
    ) throws -> [(sequence: EventSequence, reason: DeadLetterReason)] {
        let rows = try store.connection.prepare(
            "SELECT sequence, reason FROM dead WHERE status IS NULL")
        var dead: [(sequence: EventSequence, reason: DeadLetterReason)] = []
        while try rows.step() {
            let sequence = EventSequence(rawValue: rows.integer(0))
            guard let reason = DeadLetterReason(rawValue: rows.text(1)) else {
                throw Violation("event \(sequence.rawValue) died of '\(rows.text(1))'")
            }
            dead.append((sequence, reason))
        }
        return dead
    }
}

import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolSender

@testable import SpoolQueue

/// The spool's file and the store over it, through the deaths of the process and of the power.
final class SimulatedSpool {
    /// The store while the process lives and the disk does not refuse.
    private(set) var store: SpoolStore?
    /// Mints this spool's ids: the same for every history, so that a history repeats exactly.
    let identity = SimulatedSpool.template.identity
    /// Whether the disk has room for more events.
    let room = Room()
    /// The disk; a new one after every power cut.
    private(set) var disk: FaultDisk
    /// Whether the disk fails until it is mended.
    private(set) var isFailing = false
    /// Opens the store, and keeps what outlives one; a new one in every life of the process.
    private(set) var opening: SpoolOpening?
    private var settings: QueueSettings
    private let root: String
    private let time: VirtualTime
    private let bell = Bell()
    private let canary: Canary?
    private var cuts = 0
    /// The files as a power cut during the running group leaves them.
    private var image: String?

    /// How the process ends.
    enum Death {
        /// What it has written is in the kernel's memory, if not on the disk.
        case killed
        /// What was not synced is there, or not.
        case powerCut(leaving: FaultDisk.Remains, seed: UInt64)
    }

    /// A new spool in an empty directory.
    init(directory: String, time: VirtualTime, settings: QueueSettings, canary: Canary?) throws {
        root = directory
        self.time = time
        self.canary = canary
        var settings = settings
        let room = room
        settings.freeDiskBytesMin = 1
        settings.freeDiskBytes = { room.isFull ? 0 : 1 << 40 }
        settings.instant = { time.instant }
        self.settings = settings
        disk = Self.makeDisk()
        try FileManager.default.createDirectory(
            atPath: self.directory, withIntermediateDirectories: false)
        try Self.template.bytes.write(to: URL(filePath: path))
    }

    private var directory: String { "\(root)/\(cuts)" }
    private var path: String { "\(directory)/spool.db" }

    private static func makeDisk() -> FaultDisk { FaultDisk("simulated-\(UUID().uuidString)") }

    /// The operator gives the next life of the process all the room there is.
    func widen() { settings.bytesMax = Limits.spoolBytesMax }

    /// Whether there may be no room for a request of an app.
    var isNarrow: Bool { settings.bytesMax < Limits.spoolBytesMax }

    /// The process starts.
    func start() throws {
        opening = Self.opening(of: path, settings, time, bell, vfs: disk.name)
        try open()
    }

    /// The store is made from the file: at the start, and after the disk refused.
    func open() throws {
        do {
            store = try opening?.open()
        } catch {
            opening?.failed(error)
            throw error
        }
        if let kept = bell.salvaged { throw Violation("a sound file was salvaged: \(kept)") }
        // A small log, so that a short history sees checkpoints.
        try store?.connection.execute("PRAGMA wal_autocheckpoint = 20")
        if canary == .skipsSync { try store?.connection.execute("PRAGMA synchronous = OFF") }
    }

    /// The store is thrown away, because the disk refused.
    func close(after error: (any Error)?) {
        if let error { opening?.failed(error) }
        store = nil
    }

    /// The process ends in order.
    func stop() {
        store = nil
        opening = nil
    }

    // MARK: Groups and the disk

    /// Notes in the running transaction which group it is.
    func mark(_ group: Int64) throws {
        try store?.connection.execute(
            "INSERT OR REPLACE INTO counter VALUES ('simulated_group', \(group))")
    }

    /// The last group that the file holds.
    func lastGroup() throws -> Int64? {
        try store?.connection.integer(
            "SELECT value FROM counter WHERE name = 'simulated_group'")
    }

    /// The disk fails, once or until it is mended.
    func fail(_ fault: DiskFault) {
        isFailing = fault.lasts
        disk.fail(
            fault.operations, with: fault.failure, first: fault.first,
            count: fault.lasts ? nil : 1, effect: fault.effect)
    }

    /// The disk is in order again.
    func mend() {
        isFailing = false
        disk.mend()
    }

    /// The power goes before so many more operations on the files, if there are so many.
    func cutPower(before operation: Int, leaving remains: FaultDisk.Remains, seed: UInt64) throws {
        var left = operation
        let target = try makeImageDirectory()
        disk.observe { [unowned self] _, _ in
            left -= 1
            guard left == 0 else { return }
            disk.crash(into: target, leaving: remains, seed: seed)
            image = target
        }
    }

    private func makeImageDirectory() throws -> String {
        let next = "\(root)/\(cuts + 1)"
        try FileManager.default.createDirectory(
            atPath: next, withIntermediateDirectories: true)
        return next
    }

    /// The process dies: nothing of what it had open is closed in order.
    func die(_ death: Death) throws {
        if case .powerCut(let remains, let seed) = death, image == nil {
            let target = try makeImageDirectory()
            disk.crash(into: target, leaving: remains, seed: seed)
            image = target
        }
        // A store that is thrown away would tidy up, and a dead process does not.
        disk.becomeReadOnly()
        stop()
        mend()
        disk.observe { _, _ in }
        guard image != nil else { return }
        image = nil
        try FileManager.default.removeItem(atPath: directory)
        cuts += 1
        disk = Self.makeDisk()
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
        of path: String, _ settings: QueueSettings, _ time: VirtualTime, _ bell: Bell, vfs: String?
    ) -> SpoolOpening {
        SpoolOpening(
            path: path, destination: "http://upstream", settings: settings, clock: { time.wall },
            report: { if $0 is SalvageNotice { bell.salvaged = "\($0)" } },
            ring: { bell.isRung = true }, vfs: vfs)
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
            let opening = SimulatedSpool.opening(
                of: path, settings, VirtualTime(), Bell(), vfs: nil)
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
    final class Room: @unchecked Sendable {
        /// Whether nothing may be accepted.
        var isFull = false
    }

    /// What the store rings, and says.
    // Safety: touched on the history's thread alone.
    private final class Bell: @unchecked Sendable {
        var isRung = false
        /// What was said about a damaged file.
        var salvaged: String?
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

    /// The losses since the ledger was `before`; nil: since it was looked at last.
    init(of store: SpoolStore, since before: Ledger?) throws {
        let discarded = before.map { store.ledger.discarded - $0.discarded } ?? 1
        if store.ledger.dead != before?.dead || discarded > 0 {
            dead = try Self.deadOfThemselves(store)
        }
        guard discarded > 0 else { return }
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

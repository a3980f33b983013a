import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit
import Synchronization

@testable import SpoolQueue

/// One life of a spool on a disk whose power is cut at every sync and at random moments between: random
/// transactions, and after each cut the image is opened as a start opens it, and looked through. A start that
/// takes a sound file for a damaged one, and salvages it, is a finding.
///
/// An image must hold exactly what was committed before the running transaction, or exactly that and the
/// transaction; never less, never a part. Separately, what callers were told is checked by sequence.
final class PowerCutRun {
    /// What a cut run may do to its spool, to show that the harness sees it.
    enum Mutation: String {
        case none
        /// Commits that nobody syncs.
        case synchronousOff = "PRAGMA synchronous = OFF"
        /// Commits that are synced at the next checkpoint.
        case synchronousNormal = "PRAGMA synchronous = NORMAL"
    }

    let seed: UInt64
    private(set) var cuts = 0
    private(set) var findings: [String] = []
    /// A hash over what all images held: the same for the same seed.
    private(set) var fingerprint: UInt64 = 0
    private let mutation: Mutation
    private let cutsMax: Int
    private let directory: String
    private let disk: FaultDisk
    private var store: SpoolStore!
    private var random: SeededRandom
    private var time = Timestamp(milliseconds: 1_800_000_000_000)
    /// What every table holds after the last commit, as a hash.
    private var committed: UInt64 = 0
    /// Images that hold something else: right if that is what the running step commits.
    private var ahead: [(place: String, content: UInt64, image: String)] = []
    /// What makes the image of the running cut.
    private var cutting = (remains: FaultDisk.Remains.nothing, seed: UInt64(0))
    private var told = Told()
    /// Whether the running step may take events out of the queue.
    private var isRemoving = false
    /// Whether the power stays on.
    private var isSpared = false
    private var discarded: Int64 = 0
    private var leases: [Lease] = []

    /// What callers know.
    private struct Told {
        var accepted: Set<Int64> = []
        var gone: Set<Int64> = []
    }

    init(seed: UInt64, cutsMax: Int, mutation: Mutation = .none) throws {
        self.seed = seed
        self.cutsMax = cutsMax
        self.mutation = mutation
        random = SeededRandom(seed: seed)
        directory = try TestFolder.make("power")
        disk = FaultDisk("power-\(UUID().uuidString)")
        disk.observe { [unowned self] operation, _ in
            if self.isSpared { return }
            let isBoundary = operation == .sync || operation == .delete
            if isBoundary || Int.random(in: 0..<6, using: &self.random) == 0 { self.cut() }
        }
    }

    deinit {
        disk.observe { _, _ in }
        store = nil
        forgetImages()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Lives through `transactions` of them, or until there were enough cuts.
    func live(transactions: Int) throws {
        try make()
        for _ in 0..<transactions where cuts < cutsMax && findings.isEmpty {
            try step()
            if Int.random(in: 0..<4, using: &random) == 0 {
                cut()
                try compareImages()
            }
            time = time + .milliseconds(Int.random(in: 0...900, using: &random))
        }
    }

    /// A new spool, with the ids of every life, so that a seed repeats its life exactly. Images of
    /// its making have ids of their own, can be compared with nothing, and do not count.
    private func make() throws {
        try open()
        isSpared = true
        try store.connection.execute("UPDATE spool SET epoch = 7, key0 = 11, key1 = 13")
        _ = try store.connection.text("PRAGMA wal_checkpoint(TRUNCATE)")
        isSpared = false
        committed = try digest(store.connection)
        (cuts, fingerprint) = (0, 0)
        forgetImages()
        try reopen()
    }

    /// Closing and opening change nothing, and a cut in either leaves what was committed.
    private func reopen() throws {
        try open()
        if try digest(store.connection) != committed {
            findings.append("seed \(seed), reopening: not what was committed")
        }
        try compareImages()
    }

    private func open() throws {
        store = nil
        let opened = try open(directory, on: disk)
        store = opened.store
        if let report = opened.reports.first {
            findings.append("seed \(seed), reopening: \(Self.salvaged): \(report)")
        }
        if mutation != .none { try store.connection.execute(mutation.rawValue) }
        // Small, so that a short life sees spilled pages, checkpoints, and a log that begins anew.
        let pages = [3, 12, 60].randomElement(using: &random)!
        try store.connection.execute(
            "PRAGMA cache_size = 10; PRAGMA wal_autocheckpoint = \(pages)")
        leases = try store.recall().leases
    }

    /// The spool as a start opens it, and what that start reported: nothing, if the file is sound.
    private func open(
        _ directory: String, on disk: FaultDisk
    ) throws -> (store: SpoolStore, reports: [String]) {
        var settings = QueueSettings(freeDiskBytesMin: 0)
        settings.identitiesMax = 40
        let reports = Reports()
        let opening = SpoolOpening(
            path: directory + "/spool.db", destination: "http://upstream", settings: settings,
            clock: { [time] in time }, report: { reports.add($0) }, ring: {}, vfs: disk.name)
        return (try opening.open(), reports.all)
    }

    /// What an opening tells the operator, such as a ``SalvageNotice``.
    private final class Reports: Sendable {
        private let words = Mutex<[String]>([])

        var all: [String] { words.withLock { $0 } }

        func add(_ report: any Error) { words.withLock { $0.append("\(report)") } }
    }

    // MARK: Living

    private func step() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<38: try append()
        case ..<60: try lease()
        case ..<80: try settle()
        case ..<86: try discard()
        case ..<91: try upkeep()
        case ..<95:
            try transaction {
                try $0.keepMalformed(Array("{".utf8), reason: "cut off", source: "stream")
            }
        case ..<98:
            _ = try store.connection.text("PRAGMA wal_checkpoint(TRUNCATE)")
            try compareImages()
        default: try reopen()
        }
    }

    /// A transaction as the queue's thread runs one; `told` is what its answer tells.
    private func transaction<Result>(
        removes: Bool = false, _ work: (SpoolStore) throws -> Result,
        told: (inout Told, Result) -> Void = { _, _ in }
    ) throws {
        isRemoving = removes
        defer { isRemoving = false }
        try store.begin()
        let result = try work(store)
        try store.commit()
        try compareImages()
        told(&self.told, result)
    }

    /// A step is over: images that were ahead of the last commit must hold what it has committed.
    private func compareImages() throws {
        committed = try digest(store.connection)
        for image in ahead where image.content != committed {
            find("a part of a transaction", at: image.place, image: image.image)
        }
        forgetImages()
    }

    private func forgetImages() {
        for image in ahead { try? FileManager.default.removeItem(atPath: image.image) }
        ahead = []
    }

    private func append() throws {
        let submission = PowerCutEvents.submission(
            Int.random(in: 1...6, using: &random), identity: store.identity, using: &random)
        try transaction({ try $0.append(submission).get() }) { told, receipt in
            told.accepted.formUnion(receipt.sequences.map(\.rawValue))
        }
    }

    private func lease() throws {
        let wish = LeaseWish(eventsMax: Int.random(in: 1...8, using: &random), linger: .zero)
        try transaction(removes: true, { try $0.lease(wish) }) { _, answer in
            if case .batch(let lease) = answer { self.leases.append(lease) }
        }
        try noteDiscarded()
    }

    private func settle() throws {
        guard !leases.isEmpty else { return try append() }
        let lease = leases.remove(at: Int.random(in: 0..<leases.count, using: &random))
        var settlement = Settlement(lease: lease.id)
        settlement.routeAnswered = true
        var group: [EventSequence] = []
        for event in lease.events {
            switch Int.random(in: 0..<10, using: &random) {
            case ..<6:
                settlement.delivered.append(
                    .init(
                        sequence: event.sequence, id: "data_\(event.sequence.rawValue)",
                        projectID: "pr_1"))
            case 6: settlement.returned.append(.init(sequence: event.sequence))
            case 7:
                settlement.dead.append(
                    .init(sequence: event.sequence, reason: .refused, status: 400, words: "no"))
            default: group.append(event.sequence)
            }
        }
        if !group.isEmpty { settlement.regrouped = [group] }
        try transaction(removes: true, { try $0.settle(settlement) }) { told, _ in
            told.gone.formUnion(settlement.delivered.map(\.sequence.rawValue))
        }
    }

    private func discard() throws {
        guard let sequence = told.accepted.subtracting(told.gone).min() else { return }
        try transaction(removes: true, { try $0.discard([EventSequence(rawValue: sequence)]) })
        try noteDiscarded()
    }

    /// A discarded log takes along what names it: as many may be missing as the ledger says.
    private func noteDiscarded() throws {
        let events = try sequences("event", store.connection)
        let missing = try told.accepted.subtracting(told.gone).subtracting(events)
            .subtracting(sequences("dead", store.connection))
        if Int64(missing.count) != store.ledger.discarded - discarded {
            findings.append("seed \(seed): missing without a reason: \(missing.sorted())")
        }
        told.gone.formUnion(missing)
        discarded = store.ledger.discarded
    }

    private func upkeep() throws {
        _ = try store.upkeep()
        try store.connection.execute("PRAGMA incremental_vacuum(4)")
        try compareImages()
    }

    // MARK: Dying

    private static let salvaged = "a sound file was salvaged"

    private func cut() {
        guard cuts < cutsMax, findings.isEmpty else { return }
        cuts += 1
        cutting = (FaultDisk.Remains.allCases.randomElement(using: &random)!, random.next())
        let place = "seed \(seed), cut \(cuts) leaving \(cutting.remains)"
        do {
            let image = try makeImage()
            defer { try? FileManager.default.removeItem(atPath: image) }
            if let flaw = try examine(image, place) {
                find(flaw, at: place, image: try makeImage())
            }
        } catch {
            find("does not open: \(error)", at: place, image: try? makeImage())
        }
    }

    /// What the running cut leaves: the same every time, as nobody has opened it yet.
    private func makeImage() throws -> String {
        let image = try TestFolder.make("power")
        disk.crash(into: image, leaving: cutting.remains, seed: cutting.seed)
        return image
    }

    /// Notes what is wrong; the images of the first findings outlast the run.
    private func find(_ flaw: String, at place: String, image: String?) {
        var words = "\(place): \(flaw)"
        if mutation == .none, findings.count < 3, let image {
            let kept = FileManager.default.temporaryDirectory
                .appending(path: "loopspool-power-\(seed)-\(UUID().uuidString)").path
            let isKept = (try? FileManager.default.moveItem(atPath: image, toPath: kept)) != nil
            if isKept { words += "; the image is kept in \(kept)" }
        }
        findings.append(words)
    }

    /// What is wrong with an image; nil when it is as it should be.
    private func examine(_ image: String, _ place: String) throws -> String? {
        // Without real syncs; the disk must outlive the connection.
        let disk = FaultDisk("image-\(UUID().uuidString)")
        return try withExtendedLifetime(disk) {
            let (store, reports) = try open(image, on: disk)
            if let report = reports.first { return "\(Self.salvaged): \(report)" }
            return try examine(store, place)
        }
    }

    private func examine(_ store: SpoolStore, _ place: String) throws -> String? {
        let integrity = try store.connection.text("PRAGMA integrity_check")
        guard integrity == "ok" else { return "integrity check: \(integrity ?? "")" }
        let events = try sequences("event", store.connection)
        let dead = try sequences("dead", store.connection)
        let lost = told.accepted.subtracting(told.gone).subtracting(events).subtracting(dead)
        if !lost.isEmpty, !isRemoving { return "acknowledged and missing: \(lost.sorted())" }
        let back = told.gone.intersection(events.union(dead))
        guard back.isEmpty else { return "gone and back again: \(back.sorted())" }
        let found = try digest(store.connection)
        fingerprint = (fingerprint ^ found) &* 0x100_0000_01b3
        if found != committed { ahead.append((place, found, try makeImage())) }
        guard store.ledger.held == Int64(events.count), store.ledger.dead == Int64(dead.count)
        else { return "the ledger says \(store.ledger), there are \(events.count), \(dead.count)" }
        return nil
    }

    private func sequences(_ table: String, _ connection: Connection) throws -> Set<Int64> {
        let rows = try connection.prepare("SELECT sequence FROM \(table)")
        var found: Set<Int64> = []
        while try rows.step() { found.insert(rows.integer(0)) }
        return found
    }

    /// A hash over every row of every table.
    private func digest(_ connection: Connection) throws -> UInt64 {
        let tables = try connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        while try tables.step() {
            let columns = try connection.text(
                "SELECT group_concat('quote(' || name || ')', ' || '','' || ') FROM pragma_table_info('\(tables.text(0))')"
            )
            let rows = try connection.prepare("SELECT \(columns ?? "1") FROM \(tables.text(0))")
            while try rows.step() {
                rows.blob(0) { for byte in $0 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
            }
        }
        return hash
    }
}

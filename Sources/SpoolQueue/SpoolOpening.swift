internal import Glibc
internal import SpoolCore
internal import SpoolSQLite

/// Opens the spool for the queue: at the start, and again after every failure.
///
/// Looks at the file first. One that contradicts itself is kept aside, what can be read of it is salvaged into a
/// fresh one, and the service goes on. Keeps what must outlive a store: who waits for deliveries, and
/// which leases the sender was told of.
// Safety: touched on the committer's thread alone, which opens stores, runs their work and answers.
final class SpoolOpening: @unchecked Sendable {
    let watches = DeliveryWatches()
    let leases = ToldLeases()
    private let make: (ToldLeases?) throws -> SpoolStore
    private let quarantine: SalvageQuarantine
    private let mark: DoctorMark
    private let destination: String
    private let clock: @Sendable () -> Timestamp
    private let report: @Sendable (any Error) -> Void
    private let vfs: String?
    private var known: KnownSpool?
    /// Something went wrong that a damaged file would explain.
    private(set) var isSuspect = false
    /// The whole file was read since the start, and nothing was wrong with it.
    private var isKnownSound = false

    init(
        path: String, destination: String, settings: QueueSettings,
        clock: @escaping @Sendable () -> Timestamp,
        report: @escaping @Sendable (any Error) -> Void, ring: @escaping @Sendable () -> Void,
        vfs: String?
    ) {
        let watches = watches
        make = { told in
            try SpoolStore(
                path: path, destination: destination, settings: settings, clock: clock,
                watches: watches, ring: ring, vfs: vfs, told: told)
        }
        quarantine = SalvageQuarantine(path: path)
        mark = DoctorMark(beside: path)
        self.destination = destination
        self.clock = clock
        self.report = report
        self.vfs = vfs
    }

    /// The store, made from what the file holds now.
    func open() throws -> SpoolStore {
        try quarantine.finish()
        if LogMatch(path: quarantine.path, vfs: vfs) == .foreign {
            report(SalvageNotice(foreignLog: try quarantine.setLogAside(at: clock())))
        }
        if let damage = try damage() { try salvage(damage) }
        // At the start every lease that is found is in doubt.
        let told = known == nil ? nil : leases
        let store: SpoolStore
        do {
            store = try make(told)
        } catch  where Self.isDamage(error) {
            try salvage("\(error)")
            store = try make(told)
        }
        if let row = try SpoolRow(store.connection) {
            known = KnownSpool(
                epoch: row.epoch, key0: row.key0, key1: row.key1, nextSequence: row.nextSequence)
        }
        isSuspect = false
        mark.takeAway()
        return store
    }

    /// The committer gave up a store.
    func failed(_ error: any Error) {
        if let refusal = error as? SQLiteError, !refusal.isOfTheDisk {
            // In a file that was read through and found sound, a row that breaks the rules is the program's
            // mistake: to read all of it at every opening would find nothing.
            if !refusal.isConstraint || !isKnownSound { isSuspect = true }
        }
        if Self.isDamage(error) { isSuspect = true }
        report(error)
    }

    private static func isDamage(_ error: any Error) -> Bool {
        switch error {
        case QueueError.damaged: true
        case let error as SQLiteError: error.isCorruption
        default: false
        }
    }

    // MARK: Damage

    /// Bytes of a file that is read through at every opening; a larger one is when it is suspect, to this
    /// process or to a doctor.
    private static let thoroughBytesMax: Int64 = 64 << 20

    /// What is wrong with the file, as far as its size lets one look.
    private func damage() throws -> String? {
        let size = SpoolDoctor.size(of: quarantine.path)
        let logSize = SpoolDoctor.size(of: quarantine.path + "-wal")
        guard size + logSize > 0 else { return nil }
        // A crash while the file was made leaves a rollback journal, and only who may write can play it
        // back (SQLITE_READONLY_ROLLBACK, sqlite.org/rescode.html). What else is wrong shows below.
        if access(quarantine.path + "-journal", F_OK) == 0 {
            _ = try? Connection(path: quarantine.path, vfs: vfs).integer("PRAGMA user_version")
        }
        guard isSuspect || mark.isThere || size + logSize <= Self.thoroughBytesMax else {
            return try SpoolDoctor.glance(path: quarantine.path, vfs: vfs)?.description
        }
        let findings = try SpoolDoctor.examine(path: quarantine.path, vfs: vfs).findings
        let damage = findings.first { $0.severity == .damage }
        isKnownSound = damage == nil
        return damage?.description
    }

    private func salvage(_ damage: String) throws {
        do {
            let kept = try quarantine.keep(at: clock())
            quarantine.clear()
            defer { quarantine.clear(kept: kept) }
            try EventQueue.createPrivately(quarantine.fresh)
            let outcome = try fill(from: kept)
            let findings = try SpoolDoctor.examine(path: quarantine.fresh, vfs: vfs).findings
            if let flaw = findings.first(where: { $0.severity == .damage }) {
                // Better no service than one on a file that is wrong in a new way.
                throw QueueError.damaged(quarantine.fresh, "\(flaw)")
            }
            try quarantine.replace()
            report(SalvageNotice(damage: damage, kept: kept, outcome: outcome))
        } catch {
            throw QueueError.unsalvaged(path: quarantine.path, damage: damage, cause: "\(error)")
        }
    }

    /// Fills the fresh file; closes it, so that all of it is in one file.
    private func fill(from kept: String) throws -> Salvage.Outcome {
        let source = try SalvageSource(path: kept, scratch: quarantine.fresh + ".empty", vfs: vfs)
        let target = try DurableFile.open(
            path: quarantine.fresh, applicationID: QueueSchema.applicationID,
            migrations: QueueSchema.migrations, vfs: vfs)
        let outcome = try Salvage(
            source: source?.connection, target: target, destination: destination, known: known
        ).run()
        // Closing would do the same, and say nothing when it fails.
        guard try target.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0 else {
            throw QueueError.damaged(quarantine.fresh, "its log cannot be written back")
        }
        return outcome
    }
}

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
    private let destination: String
    private let clock: @Sendable () -> Timestamp
    private let report: @Sendable (any Error) -> Void
    private let vfs: String?
    private var known: KnownSpool?
    /// Something went wrong that a damaged file would explain.
    private var isSuspect = false

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
        self.destination = destination
        self.clock = clock
        self.report = report
        self.vfs = vfs
    }

    /// The store, made from what the file holds now.
    func open() throws -> SpoolStore {
        try quarantine.finish()
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
        return store
    }

    /// The committer gave up a store.
    func failed(_ error: any Error) {
        if let refusal = error as? SQLiteError, !refusal.isOfTheDisk { isSuspect = true }
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

    /// Bytes of a file that is read through at every opening; a larger one is when it is suspect.
    private static let thoroughBytesMax: Int64 = 64 << 20

    /// What is wrong with the file, as far as its size lets one look.
    private func damage() throws -> String? {
        let size = SpoolDoctor.size(of: quarantine.path)
        let logSize = SpoolDoctor.size(of: quarantine.path + "-wal")
        guard size + logSize > 0 else { return nil }
        guard isSuspect || size + logSize <= Self.thoroughBytesMax else {
            return try SpoolDoctor.glance(path: quarantine.path, vfs: vfs)?.description
        }
        let findings = try SpoolDoctor.examine(path: quarantine.path, vfs: vfs).findings
        isSuspect = false
        return findings.first { $0.severity == .damage }?.description
    }

    private func salvage(_ damage: String) throws {
        let kept = try quarantine.keep(at: clock())
        quarantine.clear()
        try EventQueue.createPrivately(quarantine.fresh)
        let outcome = try fill(from: kept)
        let findings = try SpoolDoctor.examine(path: quarantine.fresh, vfs: vfs).findings
        if let flaw = findings.first(where: { $0.severity == .damage }) {
            // Better no service than one on a file that is wrong in a new way.
            throw QueueError.damaged(quarantine.path, "\(damage); salvaging gave: \(flaw)")
        }
        try quarantine.replace()
        report(SalvageNotice(damage: damage, kept: kept, outcome: outcome))
    }

    /// Fills the fresh file; closes it, so that all of it is in one file.
    private func fill(from kept: String) throws -> Salvage.Outcome {
        let source = try SalvageSource(path: kept, scratch: quarantine.fresh + ".empty", vfs: vfs)
        let target = try DurableFile.open(
            path: quarantine.fresh, applicationID: QueueSchema.applicationID,
            migrations: QueueSchema.migrations, vfs: vfs)
        return try Salvage(
            source: source?.connection, target: target, destination: destination, known: known
        ).run()
    }
}

/// Tells the operator that a damaged spool was replaced, and what that cost.
public struct SalvageNotice: Error, Sendable, CustomStringConvertible {
    let damage: String
    /// Where the damaged file is kept.
    let kept: String
    let outcome: Salvage.Outcome

    /// What was wrong, what was read back, and what to do now.
    public var description: String {
        var text = """
            The spool was damaged (\(damage)). It is kept as \(kept); \(outcome.events) events and \
            \(outcome.deadLetters) dead letters were read back into a fresh one
            """
        if outcome.lost > 0 {
            text += ", \(outcome.lost) could not be and are counted as discarded.corruption"
        }
        if !outcome.keptIdentity {
            text += ". Its identity was lost: ids that were given out before mean nothing any more"
        }
        if !outcome.keptTotals { text += ". Its totals were lost: they begin anew" }
        return text + ". Look at the disk; the kept file can be deleted when nobody needs it."
    }
}

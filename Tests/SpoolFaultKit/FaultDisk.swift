internal import CFaultVFS

// Safety: the C object behind it locks; `observer` is set before the disk is used, on its user's thread.
/// A disk for tests: keeps apart what was not synced, can be cut off at any moment, and fails on demand.
///
/// Give ``name`` to a connection as its VFS. Database, write-ahead log and rollback journal are watched.
/// Everything it does follows from its seed and from what is asked of it.
public final class FaultDisk: @unchecked Sendable {
    /// What is done to a file.
    public struct Operations: OptionSet, Sendable {
        /// The bits of the C interface.
        public let rawValue: Int32

        /// Made of such bits.
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// Bytes put into a file.
        public static let write = Operations(rawValue: Int32(FAULT_WRITE))
        /// What was put into it made durable.
        public static let sync = Operations(rawValue: Int32(FAULT_SYNC))
        /// Bytes taken from it.
        public static let read = Operations(rawValue: Int32(FAULT_READ))
        /// Its size changed.
        public static let truncate = Operations(rawValue: Int32(FAULT_TRUNCATE))
        /// It is opened, or made.
        public static let open = Operations(rawValue: Int32(FAULT_OPEN))
        /// It is taken out of its directory.
        public static let delete = Operations(rawValue: Int32(FAULT_DELETE))
    }

    /// The files it watches, by what they are to SQLite.
    public struct Files: OptionSet, Sendable {
        /// The bits of the C interface.
        public let rawValue: Int32

        /// Made of such bits.
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// The database.
        public static let database = Files(rawValue: Int32(FAULT_DATABASE))
        /// The write-ahead log.
        public static let log = Files(rawValue: Int32(FAULT_LOG))
        /// The rollback journal, which only the making of a file needs.
        public static let journal = Files(rawValue: Int32(FAULT_JOURNAL))
        /// Each of them.
        public static let all: Files = [.database, .log, .journal]
    }

    /// What is left of the unsynced after a power cut.
    public enum Remains: Int32, CaseIterable, Sendable {
        case nothing, everything, subset, torn
    }

    /// How an operation fails: the code SQLite is told (sqlite.org/rescode.html).
    public enum Failure: Int32, CaseIterable, Sendable {
        /// `SQLITE_FULL`: no space left.
        case full = 13
        /// `SQLITE_IOERR_READ`.
        case read = 266
        /// `SQLITE_IOERR_WRITE`.
        case write = 778
        /// `SQLITE_IOERR_FSYNC`.
        case sync = 1034
        /// `SQLITE_IOERR_TRUNCATE`.
        case truncate = 1546
        /// `SQLITE_CANTOPEN`.
        case open = 14
    }

    /// How much of a failed operation happens nevertheless.
    public enum Effect: Int32, CaseIterable, Sendable {
        case none, half, whole
    }

    /// The name to open connections with.
    public let name: String
    private let disk: OpaquePointer
    private var observer: Observer?

    /// Registers the disk. One name, one disk.
    public init(_ name: String) {
        self.name = name
        guard let disk = fault_disk_create(name) else {
            preconditionFailure("no memory for the disk \(name)")
        }
        self.disk = disk
    }

    deinit {
        fault_disk_destroy(disk)
    }

    // MARK: Power cuts

    /// Called before each write, sync, truncate and delete, on the thread that does it.
    public func observe(_ notify: @escaping (Operations, Files) -> Void) {
        let observer = Observer(notify)
        self.observer = observer
        fault_disk_observe(
            disk,
            { context, operation, file in
                // Safety: the context is the observer kept by the disk that calls.
                Unmanaged<Observer>.fromOpaque(context!).takeUnretainedValue()
                    .notify(Operations(rawValue: operation), Files(rawValue: file))
            }, Unmanaged.passUnretained(observer).toOpaque())
    }

    /// Writes the files as a power cut at this moment would leave them into an existing directory.
    public func crash(into directory: String, leaving remains: Remains, seed: UInt64) {
        let failure = fault_disk_crash(disk, remains.rawValue, seed, directory)
        precondition(failure == 0, "a crash image in \(directory) failed with errno \(failure)")
    }

    private final class Observer {
        let notify: (Operations, Files) -> Void

        init(_ notify: @escaping (Operations, Files) -> Void) {
            self.notify = notify
        }
    }

    // MARK: Faults

    /// Fails operations: the `first` that matches from now on, and `count` in all, nil for every later one.
    public func fail(
        _ operations: Operations, on files: Files = .all, with failure: Failure, first: Int = 1,
        count: Int? = 1, effect: Effect = .none
    ) {
        let rule = fault_rule(
            operations: operations.rawValue, files: files.rawValue, first: Int64(first),
            count: Int64(count ?? 0), code: failure.rawValue, effect: effect.rawValue)
        precondition(fault_disk_add_rule(disk, rule) == 0, "a disk fails by at most 8 rules")
    }

    /// The disk is in order again.
    public func mend() {
        fault_disk_clear_rules(disk)
        fault_disk_set_read_only(disk, 0)
        fault_disk_set_capacity(disk, 0)
    }

    /// Nothing changes any more, as after a remount.
    public func becomeReadOnly() {
        fault_disk_set_read_only(disk, 1)
    }

    /// The files may have so many bytes together.
    public func limit(to bytes: Int) {
        fault_disk_set_capacity(disk, Int64(bytes))
    }

    /// Operations that have failed.
    public var failures: Int { Int(fault_disk_failures(disk)) }

    /// Operations done so far.
    public func count(_ operations: Operations, on files: Files = .all) -> Int {
        Int(fault_disk_count(disk, operations.rawValue, files.rawValue))
    }
}

public import SpoolCore
import SpoolSQLite
public import SpoolServer
import Synchronization

/// The built-in v4 store: what an upstream looks like from the inside.
///
/// It is the daemon's default destination and, as `archive serve`, a server of its own. It keeps
/// three promises:
///
/// - **2xx means on disk**: answered after a commit with `synchronous=FULL`, requests that arrive
///   together sharing one.
/// - **It is strict**: every documented rule of the v4 API is enforced, and everything wrong with a
///   request is said at once, so that a mistake shows here and not at somebody's production
///   upstream. It shares no rule with the daemon's door, and so judges the daemon independently.
/// - **It never deduplicates**: a second `POST` with the same reference makes a second log.
///
/// A request is checked on its connection's thread (``ArchiveAPI``, ``ShapeCheck`` with the tables
/// of ``V4Contract``), turned into drafts, and handed to the writer thread (``ArchiveStore``),
/// which owns the only connection.
///
/// What the v4 documents leave open, decided:
///
/// - A project, session, parent or log that a *body* names and that is not here is 422 at that
///   member, with type `unknown_reference`, so that the culprit of an array is known. One that a
///   path or query names is 404.
/// - `project_id` goes before `project`. A reference is looked up in the whole archive and means
///   the newest log that has it. A `parent_reference_id` that only a log of the same request has is
///   refused; one that an earlier log has as well means that one.
/// - An integer is a number without fraction and exponent; a member that occurs twice counts once,
///   the last time. Unknown members are stored and not answered.
/// - All feedback is kept, in order; one that unsets is answered with an empty `value`.
/// - Configs, datapoints, evaluations and evaluators live elsewhere, so ids of these are taken as
///   given. A result needs a log that answers some datapoint. `config` in an answer is the given
///   one with an id made from the log's, or a `generic` placeholder.
/// - With `save: false` what is documented and no payload is stored; unknown members are not, since
///   nobody can say what they hold, nor is an output that comes later.
/// - `GET /logs` lists by arrival. Nothing else of the API is served: 501, other methods 405.
public final class Archive: Sendable {
    /// What to serve over HTTP.
    public let application: any HTTPApplication

    private let committer: GroupCommitter<ArchiveStore>
    private let board: StatusBoard
    /// Holds the lock until the file is closed.
    private let directory: ArchiveDirectory

    private init(
        application: any HTTPApplication, committer: GroupCommitter<ArchiveStore>,
        board: StatusBoard, directory: ArchiveDirectory
    ) {
        self.application = application
        self.committer = committer
        self.board = board
        self.directory = directory
    }

    /// Opens the archive in a directory, making both when missing, and starts its writer thread.
    ///
    /// - Parameters:
    ///   - directory: holds `archive.db` with its companions and `archive.lock`; its parent must
    ///     exist.
    ///   - now: the wall clock, for times in answers.
    ///   - random: where ids come from; they must not be guessable outside of tests.
    ///   - report: told of every failure of the store or the record, for the operator.
    /// - Throws: ``ArchiveError``; `DurableFileError` when the file is newer than the program or
    ///   not ours; `SQLiteError`. Each says what to do.
    public static func open(
        directory path: String, settings: ArchiveSettings = ArchiveSettings(),
        now: @escaping @Sendable () -> Timestamp,
        random: some RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        report: @escaping @Sendable (any Error) -> Void
    ) throws -> Archive {
        let directory = try ArchiveDirectory(path)
        let record = try settings.recordPath.map { path throws in try RequestRecord(path: path) }
        let board = StatusBoard()
        let committer = try GroupCommitter<ArchiveStore>(name: "archive-writer", report: report) {
            try ArchiveStore(
                path: directory.databasePath, storedBytesMax: settings.storedBytesMax,
                random: random, publish: board.post)
        }
        let application = ArchiveAPI(
            committer: committer, settings: settings, freeDiskBytes: { directory.freeBytes },
            now: now, record: record, report: report)
        return Archive(
            application: application, committer: committer, board: board, directory: directory)
    }

    /// What the archive holds as of its last commit.
    public var status: ArchiveStatus {
        guard let status = board.read() else {
            preconditionFailure("the store posts its status before open returns")
        }
        return status
    }

    /// Commits and answers what is under way and closes the file. Later requests are answered 503.
    public func close() async {
        await withCheckedContinuation { continuation in
            committer.stop { continuation.resume() }
        }
        directory.release()
    }
}

/// Where the writer thread leaves its status for others to read.
private final class StatusBoard: Sendable {
    private let status = Mutex<ArchiveStatus?>(nil)

    func post(_ status: ArchiveStatus) {
        self.status.withLock { $0 = status }
    }

    func read() -> ArchiveStatus? {
        status.withLock { $0 }
    }
}

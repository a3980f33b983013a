import Glibc
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
/// whose connection makes all writes and checkpoints. Questions are answered on a thread of their
/// own (``ArchiveReader``) whose connection only reads, a few milliseconds at a time; they see
/// every log that was answered before.
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
/// - Configs, datapoints, evaluations, evaluators and directories live elsewhere, so ids of these
///   are taken as given. A result needs a log that answers some datapoint. `config` in an answer is
///   the given one with an id made from the log's, or a `generic` placeholder.
/// - With `save: false` what is documented and no payload is stored; unknown members are not, since
///   nobody can say what they hold, nor is an output that comes later.
/// - Lists of logs are as ``LogQuery`` says, lists of projects as ``ProjectQuery``. `total` counts
///   all pages. A list that would take too much to find is 422 and asks for a shorter time.
/// - `DELETE /logs` removes all logs that it names, with their feedback and results, or none: an id
///   that is not here is 404, and named. A session goes with its last log. Children stay, without
///   their parent. Sessions that nobody has logged to are forgotten, the oldest first, when there
///   are more than about 100,000. Projects without logs go when the archive is full and they are
///   older than its oldest log.
/// - `first_inputs` and `last_output` of a session are those of the log that came first and last.
/// - `POST /projects` with the name of another project is 422.
/// - What only the hosted service could do is 501 and says so; other methods are 405.
public final class Archive: Sendable {
    /// What to serve over HTTP.
    public let application: any HTTPApplication

    private let committer: GroupCommitter<ArchiveStore>
    private let reader: GroupCommitter<ArchiveReader>
    private let board: StatusBoard
    /// Holds the lock until the file is closed.
    private let directory: ArchiveDirectory

    private init(
        application: any HTTPApplication, committer: GroupCommitter<ArchiveStore>,
        reader: GroupCommitter<ArchiveReader>, board: StatusBoard, directory: ArchiveDirectory
    ) {
        self.application = application
        self.committer = committer
        self.reader = reader
        self.board = board
        self.directory = directory
    }

    /// Opens the archive in a directory, making both when missing, and starts its two threads.
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
        func openWriter() throws -> GroupCommitter<ArchiveStore> {
            try GroupCommitter(name: "archive-writer", report: report) {
                try ArchiveStore(
                    path: directory.databasePath, storedBytesMax: settings.storedBytesMax,
                    random: random, publish: board.post)
            }
        }
        /// A read that fails now and then may be told of as damage (`SQLITE_IOERR_CORRUPTFS`,
        /// sqlite.org/rescode.html): only damage that stays is believed.
        func openWriterOrSeeDamage() throws -> GroupCommitter<ArchiveStore> {
            for _ in 1..<Self.looksAtDamage {
                do {
                    return try openWriter()
                } catch let error as SQLiteError where error.isCorruption {
                    usleep(100_000)
                }
            }
            return try openWriter()
        }
        let committer: GroupCommitter<ArchiveStore>
        do {
            committer = try openWriterOrSeeDamage()
        } catch let error as SQLiteError where error.isCorruption {
            let file = directory.databasePath
            guard settings.setsDamagedAside else {
                throw ArchiveError.damaged(path: file, words: "\(error)")
            }
            let kept = try directory.setAside(at: now())
            report(ArchiveSetAside(path: file, kept: kept, damage: "\(error)"))
            committer = try openWriter()
        }
        // After the writer, which makes the file and brings it up to date.
        let reader = try GroupCommitter<ArchiveReader>(name: "archive-reader", report: report) {
            try ArchiveReader(path: directory.databasePath)
        }
        let application = ArchiveAPI(
            committer: committer, reader: reader,
            teamID: ArchiveID.rename(board.status.instanceID, from: .archive, to: .team),
            settings: settings, turns: WalkTurns(walkingMax: settings.walkingMax),
            freeDiskBytes: { directory.freeBytes }, now: now, record: record, report: report)
        return Archive(
            application: application, committer: committer, reader: reader, board: board,
            directory: directory)
    }

    /// How often a file must look damaged before it is taken for that.
    private static let looksAtDamage = 3

    /// What the archive holds as of its last commit.
    public var status: ArchiveStatus { board.status }

    /// Damaged files that were set aside in its directory, the newest first.
    public var filesSetAside: [String] { directory.filesSetAside() }

    /// Commits and answers what is under way and closes the file. Later requests are answered 503.
    public func close() async {
        // The reader first: who closes the file last checkpoints it.
        await withCheckedContinuation { continuation in
            reader.stop { continuation.resume() }
        }
        await withCheckedContinuation { continuation in
            committer.stop { continuation.resume() }
        }
        directory.release()
    }
}

/// Where the writer thread leaves its status for others to read.
private final class StatusBoard: Sendable {
    private let posted = Mutex<ArchiveStatus?>(nil)

    func post(_ status: ArchiveStatus) {
        posted.withLock { $0 = status }
    }

    var status: ArchiveStatus {
        guard let status = posted.withLock({ $0 }) else {
            preconditionFailure("the store posts its status before open returns")
        }
        return status
    }
}

internal import Glibc
internal import SpoolCore
internal import SpoolSQLite

/// The file under the store: still the one that the next start will find?
extension SpoolStore {
    /// A file that somebody removed or replaced lives on in this connection alone, and whatever is
    /// acknowledged into it is gone with the process. So its content is written down again: in its place,
    /// when that is free, else beside it. Then throws, that the file in its place be opened. Where it
    /// cannot be written, this connection must stay open: see ``SpoolStranded``.
    func checkPlace() throws {
        let hasMoved = connection.hasMoved
        guard hasMoved || hasLogMoved else { return }
        let path = hasMoved ? connection.path : connection.logPath
        do {
            if hasMoved { try keepElsewhere() } else { try keepInDatabase() }
        } catch let moved as SpoolMoved {
            throw moved
        } catch {
            throw SpoolStranded(path: path, cause: "\(error)")
        }
    }

    private var hasLogMoved: Bool {
        guard let logFile else { return false }
        return FileMark(connection.logPath) != logFile
    }

    /// The log alone was taken away: this connection has it open, and writes all of it into the database,
    /// which the next one opens with a log of its own. What is in the log's place goes first: it would be
    /// replayed over the database.
    private func keepInDatabase() throws {
        let path = connection.logPath
        if access(path, F_OK) == 0 {
            _ = try SalvageQuarantine(path: connection.path).setLogAside(at: clock())
        }
        guard try connection.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0 else {
            throw QueueError.unusable(
                path: connection.path, errno: EBUSY, words: "another program is reading it")
        }
        throw SpoolMoved(path: path, kept: connection.path, isLog: true)
    }

    private func keepElsewhere() throws {
        let quarantine = SalvageQuarantine(path: connection.path)
        if access(connection.path, F_OK) != 0 {
            quarantine.clear()
            try copy(into: quarantine.fresh)
            try quarantine.decide()
            throw SpoolMoved(path: connection.path, kept: connection.path)
        }
        let kept = connection.path + ".moved-" + SalvageQuarantine.stamp(clock())
        if access(kept, F_OK) != 0 { try copy(into: kept) }
        throw SpoolMoved(path: connection.path, kept: kept)
    }

    /// Everything that was committed, as a file of its own (sqlite.org/lang_vacuum.html).
    private func copy(into path: String) throws {
        if let free = settings.freeDiskBytes(), free < usedBytes {
            throw QueueError.unusable(
                path: path, errno: ENOSPC, words: "\(usedBytes) bytes are needed, \(free) are free")
        }
        try EventQueue.createPrivately(path)
        do {
            let vacuum = try connection.prepare("VACUUM INTO ?")
            vacuum.bind(1, path)
            try vacuum.run()
        } catch {
            unlink(path)
            throw error
        }
    }
}

/// Which file a path leads to: another one has another mark.
struct FileMark: Equatable {
    private let device: dev_t
    private let inode: ino_t

    /// Nil where there is none.
    init?(_ path: String) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return nil }
        device = facts.st_dev
        inode = facts.st_ino
    }
}

/// Tells the operator that the spool's file was taken away under the daemon, and what was done about it.
struct SpoolMoved: Error, Sendable, CustomStringConvertible {
    let path: String
    /// Where its content is now.
    let kept: String
    /// Whether it was the log, whose content is in the database now.
    var isLog = false

    var description: String {
        if isLog {
            return """
                \(path) was removed or replaced while loopspool ran. What it held was written into \(kept), \
                and service goes on with a new log. Leave these files alone: what is in the log is \
                acknowledged, and nowhere else.
                """
        }
        let what = "\(path) was removed or replaced while loopspool ran. What it held is kept as"
        guard kept != path else {
            return "\(what) \(kept) again, and service goes on. Leave the file alone."
        }
        return """
            \(what) \(kept), and service goes on with the file that is there now. To deliver what was \
            kept, stop loopspool, put that file in the place of \(path), and start it again.
            """
    }
}

/// The spool's file was taken away, and what it held cannot be written again: as long as the store is kept,
/// it is not lost.
struct SpoolStranded: PreservesState, CustomStringConvertible {
    let path: String
    let cause: String

    var description: String {
        """
        \(path) was removed or replaced while loopspool ran, and what it held cannot be written again: \
        \(cause). It is there only as long as loopspool runs. Do not stop it; make room on the disk, and \
        service goes on by itself.
        """
    }
}

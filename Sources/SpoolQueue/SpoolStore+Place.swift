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
        guard connection.hasMoved else { return }
        do {
            try keepElsewhere()
        } catch let moved as SpoolMoved {
            throw moved
        } catch {
            throw SpoolStranded(path: connection.path, cause: "\(error)")
        }
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

/// Tells the operator that the spool's file was taken away under the daemon, and what was done about it.
struct SpoolMoved: Error, Sendable, CustomStringConvertible {
    let path: String
    /// Where its content is now.
    let kept: String

    var description: String {
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

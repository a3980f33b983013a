internal import Glibc
internal import SpoolCore
internal import SpoolSQLite

/// The file under the store: still the one that the next start will find?
extension SpoolStore {
    /// A file that somebody removed or replaced lives on in this connection alone, and whatever is
    /// acknowledged into it is gone with the process. So its content is written down again: in its place,
    /// when that is free, else beside it. Throws in either case, that the file in its place be opened.
    func checkPlace() throws {
        guard connection.hasMoved else { return }
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
        try EventQueue.createPrivately(path)
        let vacuum = try connection.prepare("VACUUM INTO ?")
        vacuum.bind(1, path)
        try vacuum.run()
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

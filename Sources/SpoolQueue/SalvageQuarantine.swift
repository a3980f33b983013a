internal import Glibc
internal import SpoolCore

/// The files of a spool that is being replaced, and the order in which they change places.
///
/// 1. The damaged file and its log get second names (`spool.db.corrupt-…`): a crash here changes nothing.
/// 2. The new spool is filled as `spool.db.salvage`: a crash leaves a file that the next start deletes.
/// 3. It is renamed to `spool.db.salvaged`, which decides: the next start only finishes step 4.
/// 4. The old log goes, for it would be replayed over the new file; then the new file takes the place.
struct SalvageQuarantine {
    /// `spool.db`.
    let path: String

    var fresh: String { path + ".salvage" }
    private var decided: String { path + ".salvaged" }

    /// Gives the damaged files their dated second names, and returns the database's.
    func keep(at now: Timestamp) throws -> String {
        let base = path + ".corrupt-" + Self.stamp(now)
        for attempt in 1...100 {
            let name = attempt == 1 ? base : "\(base)-\(attempt)"
            if link(path, name) == 0 {
                if access(path + "-wal", F_OK) == 0 {
                    try check(link(path + "-wal", name + "-wal"))
                }
                try syncDirectory()
                return name
            }
            guard errno == EEXIST else { break }
        }
        throw failure(base)
    }

    /// Takes away what an earlier attempt left unfinished.
    func clear() {
        for ending in ["", "-wal", "-shm", "-journal"] { unlink(fresh + ending) }
    }

    /// Puts the new file, which is closed and whole, in the old one's place.
    func replace() throws {
        let descriptor = open(fresh, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(fresh) }
        let isSynced = fsync(descriptor) == 0
        close(descriptor)
        guard isSynced else { throw failure(fresh) }
        try check(rename(fresh, decided))
        try syncDirectory()
        try finish()
    }

    /// Finishes a replacement that was decided; nothing where there is none.
    func finish() throws {
        guard access(decided, F_OK) == 0 else { return }
        for ending in ["-wal", "-shm", "-journal"] { unlink(path + ending) }
        try syncDirectory()
        try check(rename(decided, path))
        try syncDirectory()
    }

    private func syncDirectory() throws {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(directory) }
        defer { close(descriptor) }
        try check(fsync(descriptor))
    }

    private func check(_ code: Int32) throws {
        if code != 0 { throw failure(path) }
    }

    private func failure(_ path: String) -> QueueError {
        .unusable(path: path, errno: errno, words: String(cString: strerror(errno)))
    }

    /// `YYYYMMDDTHHMMSSZ`.
    static func stamp(_ time: Timestamp) -> String {
        var text: [UInt8] = []
        DateTime.append(time, to: &text)
        // It begins `2026-11-22T18:33:46`.
        let digits = text.prefix(19).filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
        return String(decoding: digits, as: UTF8.self) + "Z"
    }
}

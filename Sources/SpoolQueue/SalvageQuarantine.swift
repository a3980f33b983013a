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

    /// Gives the damaged files their dated second names, unless an attempt that failed has done so, and
    /// returns the database's.
    func keep(at now: Timestamp) throws -> String {
        if SpoolDoctor.size(of: path) == 0 {
            // Beside an empty database SQLite would erase the log; one page of zeros, and it reads the log.
            try EventQueue.createPrivately(path)
            try check(truncate(path, 8192))
        }
        if let name = unfinishedName() { return name }
        let name = try add(path + ".corrupt-" + Self.stamp(now), to: path)
        if SpoolDoctor.size(of: path + "-wal") > 0 { try check(link(path + "-wal", name + "-wal")) }
        try syncDirectory()
        return name
    }

    /// Takes a log that is another spool's out of the way, and returns its new name. It is no name of a
    /// set of damaged files, for then it would be read with one.
    func setLogAside(at now: Timestamp) throws -> String {
        let name = try add(path + "-wal.foreign-" + Self.stamp(now), to: path + "-wal")
        for ending in ["-wal", "-shm"] { unlink(path + ending) }
        try syncDirectory()
        return name
    }

    /// Takes away what an attempt leaves, finished or not, but for the damaged files.
    func clear(kept: String? = nil) {
        for ending in ["", "-wal", "-shm", "-journal"] { unlink(fresh + ending) }
        guard let kept else { return }
        unlink(kept + "-shm")
        if SpoolDoctor.size(of: kept + "-wal") == 0 { unlink(kept + "-wal") }
    }

    /// Gives a file a second name: the wished one, or that with the first number that is free.
    private func add(_ wish: String, to file: String) throws -> String {
        for attempt in 1...100 {
            let name = attempt == 1 ? wish : "\(wish)-\(attempt)"
            if link(file, name) == 0 { return name }
            guard errno == EEXIST else { break }
        }
        throw failure(wish)
    }

    /// The dated name that the files in place have already, both of them.
    private func unfinishedName() -> String? {
        guard let listing = opendir(directory) else { return nil }
        defer { closedir(listing) }
        let start = path.split(separator: "/").last.map { $0 + ".corrupt-" } ?? ""
        while let entry = readdir(listing) {
            let file = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let name = directory + "/" + file
            let isSame = ["", "-wal"].allSatisfy { Self.inode(path + $0) == Self.inode(name + $0) }
            if file.hasPrefix(start), isSame { return name }
        }
        return nil
    }

    /// Nil for a file that is not there or empty.
    private static func inode(_ path: String) -> ino_t? {
        var facts = stat()
        return lstat(path, &facts) == 0 && facts.st_size > 0 ? facts.st_ino : nil
    }

    /// Puts the new file, which is closed and whole, in the old one's place.
    func replace() throws {
        try decide()
        try finish()
    }

    /// From now on the new file, which is whole, takes the place at the next opening, if not before.
    func decide() throws {
        let descriptor = open(fresh, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(fresh) }
        let isSynced = fsync(descriptor) == 0
        close(descriptor)
        guard isSynced else { throw failure(fresh) }
        try check(rename(fresh, decided))
        try syncDirectory()
    }

    /// Finishes a replacement that was decided; nothing where there is none.
    func finish() throws {
        guard access(decided, F_OK) == 0 else { return }
        for ending in ["-wal", "-shm", "-journal"] { unlink(path + ending) }
        try syncDirectory()
        try check(rename(decided, path))
        try syncDirectory()
    }

    private var directory: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }

    private func syncDirectory() throws {
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
        // It begins `2026-11-22T18:33:46`.
        DateTime.text(time).prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
    }
}

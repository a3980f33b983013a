internal import Glibc
internal import SpoolCore
import Synchronization

/// The directory of one archive, held by one process.
///
/// One process, because SQLite before 3.51.3 can lose commits when two connections checkpoint
/// (sqlite.org/wal.html, section 11). The lock is on a file of its own: closing any descriptor of
/// the database would drop SQLite's locks (sqlite.org/howtocorrupt.html, section 2.2).
final class ArchiveDirectory: Sendable {
    /// The database's path.
    let databasePath: String
    private let path: String
    private let lock: Mutex<Int32?>

    /// Makes the directory if it is missing, and takes its lock.
    init(_ path: String) throws(ArchiveError) {
        self.path = path
        databasePath = path + "/archive.db"
        let lockPath = path + "/archive.lock"
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .directory(path: path, errno: errno)
        }
        let descriptor = try Self.open(lockPath)
        lock = Mutex(descriptor)
        guard Self.takeLock(descriptor) else {
            throw .locked(path: path, holder: Self.text(of: descriptor))
        }
        let pid = Array("pid \(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0, write(descriptor, pid, pid.count) == pid.count else {
            throw .directory(path: lockPath, errno: errno)
        }
        // SQLite gives the -wal and -shm files the mode of the database.
        Glibc.close(try Self.open(databasePath))
    }

    deinit {
        release()
    }

    /// Gives the archive up to the next process; the second time nothing happens. The file stays:
    /// one that is removed could be locked by two.
    func release() {
        let descriptor = lock.withLock { lock in
            defer { lock = nil }
            return lock
        }
        if let descriptor { Glibc.close(descriptor) }
    }

    /// Gives the damaged file and its log dated names, and makes a fresh one; returns the file's new name.
    /// A crash in between leaves both, perhaps under two dates.
    func setAside(at now: Timestamp) throws(ArchiveError) -> String {
        // It begins `2026-11-22T18:33:46`.
        let date = DateTime.text(now).prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
        var kept = databasePath + ".corrupt-" + date
        var attempt = 1
        while ["", "-wal"].contains(where: { access(kept + $0, F_OK) == 0 }) {
            attempt += 1
            kept = databasePath + ".corrupt-\(date)-\(attempt)"
        }
        // The log first: beside an empty database SQLite would erase it.
        guard rename(databasePath + "-wal", kept + "-wal") == 0 || errno == ENOENT,
            rename(databasePath, kept) == 0
        else { throw .directory(path: kept, errno: errno) }
        unlink(databasePath + "-shm")
        Glibc.close(try Self.open(databasePath))
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { Glibc.close(descriptor) } }
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            throw .directory(path: path, errno: errno)
        }
        return kept
    }

    /// The damaged files that were set aside here, now or before, the newest first.
    func filesSetAside() -> [String] {
        guard let listing = opendir(path) else { return [] }
        defer { closedir(listing) }
        var files: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isSetAside = name.hasPrefix("archive.db.corrupt-") && !name.hasSuffix("-wal")
            if isSetAside { files.append(path + "/" + name) }
        }
        return files.sorted(by: >)
    }

    /// Bytes that this user may still write to the file system.
    var freeBytes: Int64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return 0 }
        return Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }

    /// Takes an open file description lock: it belongs to this descriptor alone, and ends with the
    /// process, however that ends (fcntl(2)).
    private static func takeLock(_ descriptor: Int32) -> Bool {
        // F_OFD_SETLK; glibc hides the name without _GNU_SOURCE.
        let setLock: Int32 = 37
        var whole = flock()
        whole.l_type = Int16(F_WRLCK)
        whole.l_whence = Int16(SEEK_SET)
        return fcntl(descriptor, setLock, &whole) == 0
    }

    private static func open(_ path: String) throws(ArchiveError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .directory(path: path, errno: errno) }
        return descriptor
    }

    private static func text(of descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : "pid unknown"
    }
}

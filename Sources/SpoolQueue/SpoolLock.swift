internal import Glibc

/// Holds a spool directory for one process: `flock` on `spool.lock`, which names the holder's pid.
///
/// A file of its own, because a POSIX lock taken through a second descriptor on the database would drop
/// SQLite's own locks when it is closed (sqlite.org/howtocorrupt.html, section 2.2). The kernel lets go when
/// the process ends, however it ends.
public final class SpoolLock: Sendable {
    /// The spool's directory.
    public let directory: String
    private let descriptor: Int32

    /// Takes the lock, or throws ``QueueError/held(path:pid:)`` with the pid found in the file.
    public init(directory: String) throws {
        self.directory = directory
        let path = directory + "/spool.lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw QueueError.unusable(
                path: path, errno: errno, words: String(cString: strerror(errno)))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            // A complete object that throws here is ended by `deinit`, which closes.
            throw QueueError.held(path: path, pid: Self.pid(in: descriptor))
        }
        ftruncate(descriptor, 0)
        let text = Array("\(getpid())\n".utf8)
        pwrite(descriptor, text, text.count, 0)
    }

    deinit {
        close(descriptor)
    }

    private static func pid(in descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let digits = bytes.prefix(max(0, count)).prefix { $0 >= 48 && $0 <= 57 }
        return Int(String(decoding: digits, as: UTF8.self))
    }
}

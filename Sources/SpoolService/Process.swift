internal import Glibc
public import SpoolCore

/// The process and the machine it runs on: where clocks, pids and file systems enter.
public enum Process {
    /// This process's id.
    public static var id: Int32 { getpid() }

    /// The wall clock, to the millisecond.
    @Sendable
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Free bytes of the file system that holds `path`, as far as this user may use them.
    static func freeBytes(at path: String) -> Int64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }

    /// Makes a directory and its missing parents; the last one is this user's alone.
    static func makeDirectory(_ path: String) throws(DirectoryError) {
        var made = ""
        let parts = path.split(separator: "/")
        for (place, part) in parts.enumerated() {
            made += "/" + part
            let mode: mode_t = place == parts.count - 1 ? 0o700 : 0o755
            if mkdir(made, mode) != 0, errno != EEXIST {
                throw DirectoryError(path: made, errno: errno)
            }
        }
        guard access(path, W_OK | X_OK) == 0 else {
            throw DirectoryError(path: path, errno: errno)
        }
    }
}

/// A directory that cannot be used.
public struct DirectoryError: Error, CustomStringConvertible {
    let path: String
    let errno: Int32

    /// What is wrong, with what, and what to do now.
    public var description: String {
        """
        Cannot use the directory \(path): \(String(cString: strerror(errno))). Make it writable for this user, or name another one \
        with --state-dir and --runtime-dir.
        """
    }
}

internal import Glibc
public import SpoolCore

/// The process and the machine it runs on: where clocks, pids and file systems enter.
public enum Process {
    /// This process's id.
    public static var id: Int32 { getpid() }

    /// The directory that relative paths begin in; nil where it is gone or may not be read.
    public static var workingDirectory: String? {
        guard let path = getcwd(nil, 0) else { return nil }
        defer { free(path) }
        let directory = String(cString: path)
        return directory.hasPrefix("/") ? directory : nil
    }

    /// The wall clock, to the millisecond.
    @Sendable
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Raises the number of files this process may open as far as it is allowed to; returns it.
    static func raiseFilesMax() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return .max }
        if limit.rlim_cur < limit.rlim_max {
            let before = limit.rlim_cur
            limit.rlim_cur = limit.rlim_max
            if setrlimit(resource, &limit) != 0 { limit.rlim_cur = before }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// How many of `wanted` connections, at least 1, may be served by a process with `filesMax` files, so
    /// that enough are left for the control socket and for delivery.
    static func connections(_ wanted: Int, filesMax: Int) -> Int {
        min(wanted, max(1, filesMax - Limits.otherFilesMax))
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

internal import CLinux
import Glibc
import Synchronization

/// An exclusive lock on a file beside the thing that is locked, held as long as it is open.
final class FileLock: Sendable {
    private let path: String
    private let descriptor: Mutex<Int32?>

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = Mutex(descriptor)
    }

    /// Takes the lock of `path`, in `path.lock`, or throws when another process holds it.
    static func take(
        beside path: String, for address: ListenAddress
    ) throws(ListenError) -> FileLock {
        let lockPath = path + ".lock"
        while true {
            let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { throw ListenError(errno: errno, address) }
            let failure = clinux_lock(descriptor)
            guard failure == 0 else {
                close(descriptor)
                guard failure == EWOULDBLOCK else { throw ListenError(errno: failure, address) }
                throw ListenError(
                    .addressInUse, address,
                    "another process holds \(lockPath); stop it or choose another path")
            }
            // Whoever held the lock before may have removed the file: then ours locks nothing.
            if FileIdentity(path: lockPath) == FileIdentity(descriptor: descriptor) {
                return FileLock(path: lockPath, descriptor: descriptor)
            }
            close(descriptor)
        }
    }

    /// Removes the file and unlocks it; the second time nothing happens.
    func release() {
        let descriptor = descriptor.withLock { descriptor in
            defer { descriptor = nil }
            return descriptor
        }
        guard let descriptor else { return }
        unlink(path)
        close(descriptor)
    }
}

/// Which file a path or a descriptor stands for.
struct FileIdentity: Equatable, Sendable {
    private let device: UInt
    private let inode: UInt

    /// The file at `path`, not followed if it is a link; nil when there is none.
    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    /// An open file; nil when the descriptor is not open.
    init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }
}

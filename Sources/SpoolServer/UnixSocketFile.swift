internal import CLinux
import Glibc

/// A listening Unix socket and its file, held by this process alone.
///
/// Two starters meet at a lock file beside the socket (`PATH.lock`, flock(2)), held open while the
/// socket is bound; so only one of them ever looks at a file left behind and removes it. A file is
/// stale when connecting to it is refused; one that answers is never touched.
///
/// The file's mode is exact before the first client can connect: the socket's own mode is
/// restricted before bind(2), which makes the file no more permissive than that, `chmod` then
/// undoes the umask, and only listen(2), after that, lets anybody in.
final class UnixSocketFile: Sendable {
    private let path: String
    private let socket: Int32
    private let lock: FileLock
    private let identity: FileIdentity?

    private init(path: String, socket: Int32, lock: FileLock) {
        self.path = path
        self.socket = socket
        self.lock = lock
        self.identity = FileIdentity(path: path)
    }

    /// Binds `path` with exactly `mode` and listens.
    static func bind(
        path: String, mode: UInt16, backlog: Int32
    ) throws(ListenError) -> UnixSocketFile {
        let address = ListenAddress.unix(path: path, mode: mode)
        guard !path.isEmpty, path.utf8.count < SocketPath.bytesMax else {
            throw ListenError(
                .pathTooLong, address,
                "the path has \(path.utf8.count) bytes, and a socket's path has 1 to "
                    + "\(SocketPath.bytesMax - 1) (unix(7)); choose a shorter directory")
        }
        let lock = try FileLock.take(beside: path, for: address)
        do {
            try removeStaleFile(path, address)
            let socket = try listen(path: path, mode: mode, backlog: backlog, address)
            return UnixSocketFile(path: path, socket: socket, lock: lock)
        } catch {
            lock.release()
            throw error
        }
    }

    /// The listening descriptor, which is the caller's to close.
    func takeSocket() -> Int32 { socket }

    /// Whether somebody has connected and was not accepted yet. Only while the descriptor is open.
    var hasPendingConnection: Bool {
        var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&poll, 1, 0) == 1 && poll.revents & Int16(POLLIN) != 0
    }

    /// Removes the file, if it is still ours, and lets the next starter in. Connections stay.
    func remove() {
        if let identity, identity == FileIdentity(path: path) { unlink(path) }
        lock.release()
    }

    private static func removeStaleFile(
        _ path: String, _ address: ListenAddress
    ) throws(ListenError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ListenError(
                .notASocket, address,
                "something that is not a socket lies there; move it away or choose another path")
        }
        switch try SocketPath.probe(path, address) {
        case .live:
            throw ListenError(
                .addressInUse, address,
                "another process answers there; stop it or choose another path")
        case .stale:
            unlink(path)
        }
    }

    private static func listen(
        path: String, mode: UInt16, backlog: Int32, _ address: ListenAddress
    ) throws(ListenError) -> Int32 {
        let socket = try SocketPath.makeSocket(address)
        guard
            fchmod(socket, mode_t(mode)) == 0,
            SocketPath.withAddress(path, { Glibc.bind(socket, $0, $1) }) == 0
        else {
            let failure = ListenError(errno: errno, address)
            close(socket)
            throw failure
        }
        guard chmod(path, mode_t(mode)) == 0, Glibc.listen(socket, backlog) == 0 else {
            let failure = ListenError(errno: errno, address)
            close(socket)
            unlink(path)
            throw failure
        }
        return socket
    }
}

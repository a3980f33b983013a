import Glibc

/// The kernel's view of a Unix socket's path.
enum SocketPath {
    /// Bytes of `sun_path`, its final zero included (unix(7)).
    static let bytesMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path)

    /// What lies at a path that holds a socket.
    enum Finding {
        case live
        case stale
    }

    /// Calls `body` with the address of `path`, which must be shorter than ``bytesMax``.
    static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        precondition(path.utf8.count < bytesMax, "\(path) does not fit sun_path")
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// A stream socket that never blocks and is not inherited.
    static func makeSocket(_ address: ListenAddress) throws(ListenError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw ListenError(errno: errno, address) }
        return descriptor
    }

    /// Asks by connecting whether anybody serves `path`: a full backlog (EAGAIN) is alive, and only
    /// a refused connection means that nobody listens (connect(2), unix(7)).
    static func probe(_ path: String, _ address: ListenAddress) throws(ListenError) -> Finding {
        let socket = try makeSocket(address)
        defer { close(socket) }
        guard withAddress(path, { connect(socket, $0, $1) }) != 0 else { return .live }
        switch errno {
        case EAGAIN: return .live
        case ECONNREFUSED, ENOENT: return .stale
        default: throw ListenError(errno: errno, address)
        }
    }
}

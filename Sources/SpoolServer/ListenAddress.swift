/// Where a listener can be reached.
public enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// A Unix stream socket and the permission bits of its file, for example `0o660`.
    case unix(path: String, mode: UInt16)
    /// A TCP socket. Port 0 asks the kernel for a free one.
    case tcp(host: String, port: Int)

    /// `unix:/path` or `host:port`, an IPv6 host in brackets.
    public var description: String {
        switch self {
        case .unix(let path, _): "unix:\(path)"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

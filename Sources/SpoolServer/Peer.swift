/// Who is at the other end of a connection, as the kernel says.
public struct Peer: Sendable, Hashable {
    /// The way the connection came in.
    public enum Transport: Sendable {
        case unix
        case tcp
    }

    /// The way the connection came in.
    public let transport: Transport
    /// The user that opened the connection (unix(7), SO_PEERCRED); nil on TCP.
    public let uid: UInt32?
    /// Its group; nil on TCP.
    public let gid: UInt32?
    /// Its process, for display only: a pid may have been given away since.
    public let pid: Int32?
    /// The caller's name in a lane: `uid:1000`, `tcp`. Made once for each connection.
    public let callerName: String

    /// A process on this machine, behind a Unix socket.
    public init(uid: UInt32, gid: UInt32, pid: Int32) {
        self.transport = .unix
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.callerName = "uid:\(uid)"
    }

    private init(transport: Transport, callerName: String) {
        self.transport = transport
        self.uid = nil
        self.gid = nil
        self.pid = nil
        self.callerName = callerName
    }

    /// Anybody who reached the TCP port.
    public static let tcp = Peer(transport: .tcp, callerName: "tcp")
}

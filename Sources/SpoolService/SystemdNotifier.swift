internal import Glibc

/// Tells the service manager how the daemon is: one datagram a message, to the socket that systemd names
/// in the environment of a service of `Type=notify` (sd_notify(3)).
public struct SystemdNotifier: Sendable {
    /// How often systemd wants to hear that the daemon makes progress; nil: it does not ask.
    public let watchdogInterval: Duration?
    /// The address as the kernel takes it: a path, or an abstract name behind a zero byte.
    private let name: [UInt8]

    /// Nil when no service manager listens.
    public init?(environment: [String: String], pid: Int32) {
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") || path.hasPrefix("@"),
            (2...Self.nameBytesMax).contains(path.utf8.count)
        else { return nil }
        var name = Array(path.utf8)
        if path.hasPrefix("@") { name[0] = 0 }
        self.name = name
        watchdogInterval = Self.watchdogInterval(environment, pid)
    }

    /// `sun_path` has 108 bytes, the last of which ends a path (unix(7)).
    private static let nameBytesMax = 107

    private static func watchdogInterval(
        _ environment: [String: String], _ pid: Int32
    ) -> Duration? {
        guard let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text),
            microseconds > 0
        else { return nil }
        if let owner = environment["WATCHDOG_PID"], owner != "\(pid)" { return nil }
        return .microseconds(microseconds)
    }

    /// Sends one message, such as `READY=1`. What cannot be sent is nobody's to hear: the manager's own
    /// timeouts tell the operator.
    public func send(_ message: String) {
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let text = Array(message.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(
                    descriptor, text, text.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
    }
}

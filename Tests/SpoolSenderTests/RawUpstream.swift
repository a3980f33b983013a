import Glibc
import Synchronization

/// An upstream made of bare sockets, so that a test decides about every byte and every close.
///
/// Each connection runs the script on a thread of its own; the script reads and writes as it likes, and
/// the connection is closed when it returns.
final class RawUpstream: Sendable {
    /// `127.0.0.1:PORT`, or the socket's path.
    let address: String
    private let listener: Int32
    private let accepted = Mutex(0)
    private let isListening = Mutex(true)

    /// Connections accepted so far.
    var connections: Int { accepted.withLock { $0 } }

    /// Listens on a free port of the loopback, or on a Unix socket at `path`.
    init(path: String? = nil, _ script: @escaping @Sendable (Connection) -> Void) throws {
        let family = path == nil ? AF_INET : AF_UNIX
        // A process that another test starts must not keep a connection open.
        listener = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw Failure(call: "socket", code: errno) }
        if let path {
            try Self.bind(listener, to: path)
            address = path
        } else {
            address = "127.0.0.1:\(try Self.bindToFreePort(listener))"
        }
        guard listen(listener, 16) == 0 else { throw Failure(call: "listen", code: errno) }
        let run: @Sendable () -> Void = { [listener] in
            while true {
                let socket = accept(listener, nil, nil)
                guard socket >= 0 else {
                    // Only here: another socket may get the number at once.
                    Glibc.close(listener)
                    return
                }
                _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
                let number = self.accepted.withLock { count in
                    count += 1
                    return count
                }
                Self.onThread {
                    let connection = Connection(socket: socket, number: number)
                    script(connection)
                    connection.finish()
                }
            }
        }
        Self.onThread(run)
    }

    /// Stops listening: the next connection is refused.
    func close() {
        let wasListening = isListening.withLock { isListening in
            defer { isListening = false }
            return isListening
        }
        if wasListening { shutdown(listener, Int32(SHUT_RDWR)) }
    }

    struct Failure: Error {
        let call: String
        let code: Int32
    }

    /// One accepted connection.
    final class Connection: Sendable {
        /// 1 for the first.
        let number: Int
        private let socket: Int32
        private let isOpen = Mutex(true)

        init(socket: Int32, number: Int) {
            self.socket = socket
            self.number = number
        }

        /// Reads one request with its body; nil when the client closed.
        func request() -> String? {
            var text: [UInt8] = []
            while true {
                if let end = Self.end(of: text), text.count >= end {
                    return String(decoding: text[..<end], as: UTF8.self)
                }
                guard let more = bytes() else { return nil }
                text += more
            }
        }

        /// The next bytes; nil when the client closed, or the script did.
        private func bytes() -> ArraySlice<UInt8>? {
            guard isOpen.withLock({ $0 }) else { return nil }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = recv(socket, &buffer, buffer.count, 0)
            return count > 0 ? buffer[..<count] : nil
        }

        /// Reads what is there, at least one byte; nil when the client closed.
        func some() -> String? {
            bytes().map { String(decoding: $0, as: UTF8.self) }
        }

        /// Reads on until `text` has come; returns all that came.
        @discardableResult
        func read(through text: String) -> String {
            var seen = ""
            while !seen.contains(text), let more = some() { seen += more }
            return seen
        }

        /// Whether all of it could be written: not once the connection is closed at either end.
        @discardableResult
        func write(_ text: String) -> Bool {
            guard isOpen.withLock({ $0 }) else { return false }
            let bytes = Array(text.utf8)
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes {
                    send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }

        /// Answers with a body and its length.
        func answer(_ status: Int, _ body: String, headers: String = "") {
            write(
                "HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
            )
        }

        /// Closes at once, with a reset.
        func reset() {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(
                socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            finish()
        }

        /// Waits until the client closes.
        func waitForClose() {
            while bytes() != nil {}
        }

        func finish() {
            let wasOpen = isOpen.withLock { isOpen in
                defer { isOpen = false }
                return isOpen
            }
            if wasOpen { Glibc.close(socket) }
        }

        /// Where the first request of `text` ends; nil while its head is not complete.
        private static func end(of text: [UInt8]) -> Int? {
            let string = String(decoding: text, as: UTF8.self)
            guard let head = string.firstRange(of: "\r\n\r\n") else { return nil }
            let headBytes = string[..<head.upperBound].utf8.count
            let lines = string[..<head.lowerBound].split(separator: "\r\n")
            let length = lines.first { $0.lowercased().hasPrefix("content-length:") }
            return headBytes + (length.flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0)
        }
    }

    // MARK: Sockets

    private static func bindToFreePort(_ socket: Int32) throws -> Int {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                let bound = Glibc.bind(socket, address, size)
                return bound == 0 ? getsockname(socket, address, &size) : bound
            }
        }
        guard result == 0 else { throw Failure(call: "bind", code: errno) }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func bind(_ socket: Int32, to path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: path.utf8.prefix(bytes.count - 1))
        }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, size)
            }
        }
        guard result == 0 else { throw Failure(call: "bind", code: errno) }
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private static func onThread(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(Body(run)).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body)
        pthread_detach(thread)
    }
}

import Dispatch
import Glibc

/// A client that sends and receives plain bytes, so that a test can say exactly what is on the
/// wire.
///
/// Blocking calls on queues of their own, one for each direction: waiting for bytes never occupies
/// a thread of the test's concurrency pool, and a server that stays silent fails the test after
/// ``patience``.
public final class RawClient: Sendable {
    /// What went wrong at the client's end.
    public struct Failure: Error, CustomStringConvertible {
        /// The call that failed and why.
        public let description: String

        init(_ call: String) {
            description = "\(call): \(String(cString: strerror(errno)))"
        }
    }

    /// Seconds a read or write may take.
    public static let patience = 30

    private let descriptor: Int32
    private let sending = DispatchQueue(label: "RawClient.sending")
    private let receiving = DispatchQueue(label: "RawClient.receiving")

    /// Connects to a Unix socket.
    public convenience init(unixPath path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try self.init(AF_UNIX, address)
    }

    /// Connects to a port of 127.0.0.1.
    public convenience init(port: Int) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try self.init(AF_INET, address)
    }

    private init<Address>(_ family: Int32, _ address: Address) throws {
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure("socket") }
        var timeout = timeval(tv_sec: Self.patience, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        // What is thrown here ends in `deinit`, which closes.
        guard result == 0 else { throw Failure("connect") }
    }

    deinit { Glibc.close(descriptor) }

    // MARK: Sending

    /// Sends all of `bytes`.
    public func send(_ bytes: [UInt8]) async throws {
        let sent = try await on(sending) { try self.sendSome(bytes) }
        guard sent == bytes.count else { throw Failure("send after \(sent) bytes") }
    }

    /// Sends all of `text`.
    public func send(_ text: String) async throws {
        try await send(Array(text.utf8))
    }

    /// Sends until everything is gone or the server has closed; returns how much was sent.
    public func sendAsMuchAsPossible(_ bytes: [UInt8]) async throws -> Int {
        try await on(sending) { try self.sendSome(bytes) }
    }

    /// Says that nothing more will be sent.
    public func shutdownSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Closes with a reset (TCP) and drops what was not read.
    public func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        let size = socklen_t(MemoryLayout.size(ofValue: linger))
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, size)
        disconnect()
    }

    /// Leaves: nothing is sent or received any more, and the server is told.
    public func disconnect() {
        // The descriptor itself stays until deinit, so that its number cannot become another
        // file's.
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        dup2(null, descriptor)
        Glibc.close(null)
    }

    // MARK: Receiving

    /// One `recv`: some bytes, or none at the end of the stream or after a reset.
    public func receive(bytesMax: Int = 1 << 16) async throws -> [UInt8] {
        try await on(receiving) { try self.receiveSome(bytesMax) }
    }

    /// Everything until the server closes.
    public func receiveAll() async throws -> [UInt8] {
        try await on(receiving) {
            var bytes: [UInt8] = []
            while true {
                let part = try self.receiveSome(1 << 16)
                guard !part.isEmpty else { return bytes }
                bytes += part
            }
        }
    }

    /// Exactly that many bytes, or fewer when the server closes before.
    public func receive(exactly count: Int) async throws -> [UInt8] {
        try await on(receiving) {
            var bytes: [UInt8] = []
            while bytes.count < count {
                let part = try self.receiveSome(count - bytes.count)
                guard !part.isEmpty else { return bytes }
                bytes += part
            }
            return bytes
        }
    }

    /// Everything up to and with `mark`, and not a byte more, or up to the end of the stream.
    public func receive(through mark: String) async throws -> [UInt8] {
        let mark = Array(mark.utf8)
        return try await on(receiving) {
            var bytes: [UInt8] = []
            while true {
                let seen = bytes + (try self.receiveSome(1 << 16, flags: Int32(MSG_PEEK)))
                guard seen.count > bytes.count else { return bytes }
                // Only what is ours is taken from the socket.
                let end = Self.end(of: mark, in: seen, from: bytes.count) ?? seen.count
                while bytes.count < end { bytes += try self.receiveSome(end - bytes.count) }
                if bytes.suffix(mark.count).elementsEqual(mark) { return bytes }
            }
        }
    }

    private static func end(of mark: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        var end = Swift.max(start, mark.count)
        while end <= bytes.count {
            if bytes[(end - mark.count)..<end].elementsEqual(mark) { return end }
            end += 1
        }
        return nil
    }

    /// Whether nothing has come that could be received now.
    public var hasNothingToReceive: Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&poll, 1, 0) == 0
    }

    // MARK: -

    private func on<Result: Sendable>(
        _ queue: DispatchQueue, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: .init(catching: body)) }
        }
    }

    private func sendSome(_ bytes: [UInt8]) throws -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno == EPIPE || errno == ECONNRESET {
                return sent
            } else if errno != EINTR {
                throw Failure("send")
            }
        }
        return sent
    }

    private func receiveSome(_ bytesMax: Int, flags: Int32 = 0) throws -> [UInt8] {
        while true {
            var received = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
                received = recv(descriptor, buffer.baseAddress, bytesMax, flags)
                count = max(received, 0)
            }
            if received >= 0 { return bytes }
            if errno == ECONNRESET { return [] }
            if errno != EINTR { throw Failure("recv") }
        }
    }
}

import Glibc
import SpoolCore

/// Sends lines over the event stream with acknowledgements on, reading and writing as the socket allows.
struct StreamClient {
    /// What became of the lines.
    struct Outcome {
        /// Lines that are durable or were refused.
        var acknowledged = 0
        var refusals: [(line: Int, detail: String)] = []
        /// Why the file was not read to its end, in the system's words.
        var readFailure: String?
    }

    private let socket: Int32
    private let path: String
    private var outgoing: [UInt8] = Array("{\"acks\":true}\n".utf8)
    private var sentBytes = 0
    private var incoming: [UInt8] = []
    private var outcome = Outcome()
    private var linesRead = 0
    private var endsInsideLine = false

    /// Connects to the daemon's event socket.
    init(socket path: String) throws(StreamError) {
        self.path = path
        socket = Glibc.socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw StreamError(path: path, words: "the path is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else {
            throw StreamError(path: path, words: String(cString: strerror(errno)))
        }
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// Sends a file as far as it can be read, then waits until every line is acknowledged.
    ///
    /// - Parameters:
    ///   - patience: milliseconds without a move of the daemon before `whenStalled` is called, once.
    mutating func send(
        from file: Int32, patience: Int32 = 10_000, whenStalled: () -> Void = {}
    ) throws(StreamError) -> Outcome {
        defer { close(socket) }
        var hasMore = true
        var isPatient = true
        while true {
            let isSending = sentBytes < outgoing.count
            let isIdle = !isSending && outcome.acknowledged >= (hasMore ? linesRead : linesTotal)
            if isIdle, !hasMore { return outcomeOfWholeLines }
            // A negative descriptor is passed over.
            var states = [
                pollfd(fd: socket, events: Int16(POLLIN | (isSending ? POLLOUT : 0)), revents: 0),
                pollfd(fd: hasMore && !isSending ? file : -1, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&states, 2, isPatient && !isIdle ? patience : -1) == 0 {
                isPatient = false
                whenStalled()
            }
            if states[1].revents != 0 { hasMore = readSome(from: file) }
            if states[0].revents & Int16(POLLOUT) != 0 { try sendSome() }
            if states[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { try receiveSome() }
        }
    }

    /// Reads what comes next; false at the end, or where nothing more can be read.
    private mutating func readSome(from file: Int32) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        let count = read(file, &chunk, chunk.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return true }
        if count < 0 { outcome.readFailure = String(cString: strerror(errno)) }
        outgoing = Array(chunk.prefix(max(0, count)))
        sentBytes = 0
        tally(linesOf: outgoing)
        if count <= 0 { shutdown(socket, Int32(SHUT_WR)) }
        return count > 0
    }

    /// Lines of the file, its unfinished last one included.
    private var linesTotal: Int { linesRead + (endsInsideLine ? 1 : 0) }

    /// A line that the file's failure cut short, and that was refused for it, is still to be sent.
    private var outcomeOfWholeLines: Outcome {
        guard outcome.readFailure != nil, endsInsideLine,
            let cut = outcome.refusals.firstIndex(where: { $0.line == linesTotal })
        else { return outcome }
        var outcome = outcome
        outcome.refusals.remove(at: cut)
        outcome.acknowledged = linesRead
        return outcome
    }

    private mutating func tally(linesOf bytes: [UInt8]) {
        guard let last = bytes.last else { return }
        linesRead += bytes.count { $0 == UInt8(ascii: "\n") }
        endsInsideLine = last != UInt8(ascii: "\n")
    }

    private mutating func sendSome() throws(StreamError) {
        let count = outgoing[sentBytes...].withUnsafeBytes {
            Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        }
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { throw lost(String(cString: strerror(errno))) }
        sentBytes += count
    }

    private mutating func receiveSome() throws(StreamError) {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { throw lost("the daemon closed the stream") }
        incoming += chunk.prefix(count)
        while let end = incoming.firstIndex(of: UInt8(ascii: "\n")) {
            take(line: Array(incoming[..<end]))
            incoming.removeFirst(end + 1)
        }
    }

    private mutating func take(line: [UInt8]) {
        guard let answer = try? JSONValue(parsing: line) else { return }
        if let count = answer["acked"]?.intValue { outcome.acknowledged = count }
        if let refused = answer["refused"]?.intValue {
            outcome.refusals.append((refused, String(decoding: line, as: UTF8.self)))
        }
    }

    private func lost(_ words: String) -> StreamError {
        StreamError(
            path: path,
            words:
                "\(words); lines 1 to \(outcome.acknowledged) are dealt with, send the rest again")
    }
}

/// The event stream cannot be reached, or was lost.
struct StreamError: Error, CustomStringConvertible {
    let path: String
    let words: String

    var description: String { "The event stream on \(path) failed: \(words)." }
}

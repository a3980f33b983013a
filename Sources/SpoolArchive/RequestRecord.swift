internal import Glibc
import SpoolCore
import Synchronization

/// A test aid: every request the archive handled, as one JSON line each, for judges that trust
/// nobody.
///
///     {"time":"…","method":"POST","path":"/logs?…","body":"…","status":200,"answer":"…"}
///
/// The line is written after the commit and before the answer is sent, lines of one commit in the
/// order of their work; refused requests and questions are lines too. `body` is the request's body
/// exactly as it came, also of logs with `save: false`: do not record what must not be kept. A byte
/// that is not part of valid UTF-8 stands as the lone surrogate `\udc80`…`\udcff` with its value in
/// the low byte; in Python, `json.loads(line)["body"].encode("utf-8", "surrogateescape")` gives the
/// bytes back.
///
/// Requests that the server answered itself (too large, not HTTP) never got here. Lines go to the
/// kernel with one `write`, without `fsync`: they survive `kill -9` of this process but not the
/// machine. A kill may cut the last line short, and a commit may then have no line at all; the next
/// start begins a new line.
final class RequestRecord: Sendable {
    private let path: String
    private let descriptor: Int32
    private let turn = Mutex(())

    /// Opens the file to append to it, or makes it.
    init(path: String) throws(ArchiveError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .record(path: path, errno: errno) }
        var last = UInt8(ascii: "\n")
        let size = lseek(descriptor, 0, SEEK_END)
        if size > 0, pread(descriptor, &last, 1, size - 1) == 1, last != UInt8(ascii: "\n") {
            try append(CollectionOfOne(UInt8(ascii: "\n")))
        }
    }

    deinit {
        close(descriptor)
    }

    /// Appends the line of one request.
    func write(
        time: Timestamp, method: String, target: String, body: UnsafeRawBufferPointer,
        status: Int, answer: [UInt8]
    ) throws(ArchiveError) {
        var writer = JSONWriter(reserving: body.count + answer.count + 256)
        writer.beginObject()
        writer.member("time", DateTime.text(time))
        writer.member("method", method)
        writer.member("path", target)
        writer.member("body", raw: Self.quoted(body))
        writer.key("status")
        writer.int(status)
        writer.member("answer", String(decoding: answer, as: UTF8.self))
        writer.endObject()
        try append(writer.bytes + [UInt8(ascii: "\n")])
    }

    private func append(_ bytes: some Collection<UInt8>) throws(ArchiveError) {
        let line = Array(bytes)
        let failure: Int32 = turn.withLock { _ in
            var written = 0
            while written < line.count {
                let count = line.withUnsafeBytes {
                    Glibc.write(descriptor, $0.baseAddress! + written, line.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return errno }
                written += count
            }
            return 0
        }
        guard failure == 0 else { throw .record(path: path, errno: failure) }
    }

    // MARK: Bytes as a JSON string

    /// A JSON string from which exactly these bytes can be had again.
    static func quoted(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var writer = JSONWriter(reserving: bytes.count + 64)
        if let text = String(validating: bytes, as: UTF8.self) {
            writer.string(text)
            return writer.bytes
        }
        // Valid stretches are written as usual, without their quotes, the bytes between them
        // escaped.
        var quoted = [UInt8(ascii: "\"")]
        for piece in pieces(of: bytes) {
            switch piece {
            case .text(let text):
                var writer = JSONWriter(reserving: text.utf8.count + 64)
                writer.string(text)
                quoted += writer.bytes.dropFirst().dropLast()
            case .byte(let byte):
                quoted += "\\udc\(String(byte, radix: 16))".utf8
            }
        }
        quoted.append(UInt8(ascii: "\""))
        return quoted
    }

    private enum Piece {
        case text(String)
        /// At least 0x80, as every byte that is not UTF-8 is.
        case byte(UInt8)
    }

    private static func pieces(of bytes: UnsafeRawBufferPointer) -> [Piece] {
        var pieces: [Piece] = []
        var valid = String.UnicodeScalarView()
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while true {
            switch parser.parseScalar(from: &iterator) {
            case .valid(let encoded):
                valid.append(Unicode.UTF8.decode(encoded))
                offset += encoded.count
            case .error(let length):
                pieces.append(.text(String(valid)))
                valid = String.UnicodeScalarView()
                pieces += bytes[offset..<(offset + length)].map(Piece.byte)
                offset += length
            case .emptyInput:
                pieces.append(.text(String(valid)))
                return pieces
            }
        }
    }
}

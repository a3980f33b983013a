import NIOCore
import SpoolCore

/// The body of an answer under way: what to ask for, and what to write of it.
struct StreamedAnswer {
    /// A part as it is written.
    enum Encoded {
        case bytes(ByteBuffer)
        /// The body is complete after these.
        case last(ByteBuffer)
        /// The body ended before its end, or went beyond it.
        case broken
    }

    private let stream: any ByteStream
    private let length: HTTPAnswer.BodyLength
    private var bytesLeft: Int?
    private var isPulling = false

    /// The body that `stream` makes, framed by `length`. With ``HTTPAnswer/BodyLength/none``
    /// nothing of it is written.
    init(_ stream: any ByteStream, length: HTTPAnswer.BodyLength) {
        self.stream = stream
        self.length = length
        if case .bytes(let bytes) = length { bytesLeft = bytes }
    }

    /// The stream, to be asked for one part; nil while it is asked.
    mutating func pull() -> (any ByteStream)? {
        guard !isPulling else { return nil }
        isPulling = true
        return stream
    }

    /// The part that was asked for.
    mutating func encode(_ part: StreamPart) -> Encoded {
        isPulling = false
        switch part {
        case .bytes(let bytes):
            if let bytesLeft {
                guard bytes.count <= bytesLeft else {
                    stream.cancel()
                    return .broken
                }
                self.bytesLeft = bytesLeft - bytes.count
            }
            return .bytes(encode(bytes))
        case .end:
            guard bytesLeft ?? 0 == 0 else { return .broken }
            return .last(
                length == .chunked ? ByteBuffer(staticString: "0\r\n\r\n") : ByteBuffer())
        case .broken:
            return .broken
        }
    }

    /// Nobody reads it any more.
    func cancel() {
        stream.cancel()
    }

    private func encode(_ bytes: [UInt8]) -> ByteBuffer {
        switch length {
        case .none: return ByteBuffer()
        case .bytes, .untilClose: return ByteBuffer(bytes: bytes)
        case .chunked:
            // RFC 9112, section 7.1.
            var buffer = ByteBuffer()
            buffer.reserveCapacity(bytes.count + 20)
            buffer.writeString(String(bytes.count, radix: 16))
            buffer.writeStaticString("\r\n")
            buffer.writeBytes(bytes)
            buffer.writeStaticString("\r\n")
            return buffer
        }
    }
}

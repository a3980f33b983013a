import NIOCore
import NIOHTTP1
import SpoolCore

extension HTTPAnswer {
    /// The interim answer that asks for a body (RFC 9110, section 15.2.1).
    static let invitation = ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")

    /// Room for a status line and the usual fields.
    private static let headBytesTypical = 192

    /// The whole response in one buffer, so that it leaves in one write.
    func encoded(
        isHead: Bool, connection: ConnectionOption?, allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: Self.headBytesTypical + body.count)
        writeHead(.bytes(body.count), connection, to: &buffer)
        if !isHead, hasContent { buffer.writeBytes(body) }
        return buffer
    }

    /// The head alone, before a body that comes as it is made.
    func encodedHead(
        _ length: BodyLength, connection: ConnectionOption?, allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: Self.headBytesTypical)
        writeHead(length, connection, to: &buffer)
        return buffer
    }

    /// How the end of a response's body is found (RFC 9112, section 6.3).
    enum BodyLength: Equatable {
        case bytes(Int)
        case chunked
        /// By the end of the connection: HTTP/1.0 knows no other way.
        case untilClose
        /// There is no body, whatever the length of one might be.
        case none
    }

    /// How the end of the streamed body is found.
    func streamLength(isHead: Bool, isVersion10: Bool) -> BodyLength {
        guard hasContent else { return .none }
        if let length = stream?.length { return .bytes(length) }
        if isHead { return .none }
        return isVersion10 ? .untilClose : .chunked
    }

    /// What the client must be told about the connection.
    enum ConnectionOption {
        case close
        /// Said to HTTP/1.0 clients only.
        case keepAlive
    }

    /// Whether an answer of this status may have content, and a length of it: 1xx, 204 and 304 never do
    /// (RFC 9110, section 8.6; RFC 9112, section 6.3).
    package var hasContent: Bool { status >= 200 && status != 204 && status != 304 }

    private func writeHead(
        _ length: BodyLength, _ connection: ConnectionOption?, to buffer: inout ByteBuffer
    ) {
        if status == 200 {
            buffer.writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            buffer.writeStaticString("HTTP/1.1 ")
            buffer.writeString(String(status))
            buffer.writeStaticString(" ")
            buffer.writeString(HTTPResponseStatus(statusCode: status).reasonPhrase)
            buffer.writeStaticString("\r\n")
        }
        if let contentType, hasContent, !body.isEmpty {
            buffer.writeStaticString("Content-Type: ")
            buffer.writeStaticString(contentType)
            buffer.writeStaticString("\r\n")
        }
        switch length {
        case .bytes(let bytes) where hasContent:
            buffer.writeStaticString("Content-Length: ")
            buffer.writeString(String(bytes))
            buffer.writeStaticString("\r\n")
        case .chunked:
            buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
        case .bytes, .untilClose, .none:
            break
        }
        for (name, value) in headers {
            Self.writeField(name, to: &buffer)
            buffer.writeStaticString(": ")
            Self.writeField(value, to: &buffer)
            buffer.writeStaticString("\r\n")
        }
        switch connection {
        case .close: buffer.writeStaticString("Connection: close\r\n\r\n")
        case .keepAlive: buffer.writeStaticString("Connection: keep-alive\r\n\r\n")
        case nil: buffer.writeStaticString("\r\n")
        }
    }

    /// A value that came from outside must not end the field it stands in (RFC 9110, section 5.5).
    private static func writeField(_ text: String, to buffer: inout ByteBuffer) {
        let isSafe = text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        if isSafe {
            buffer.writeString(text)
        } else {
            buffer.writeBytes(text.utf8.map { $0 >= 0x20 && $0 != 0x7F ? $0 : UInt8(ascii: " ") })
        }
    }
}

import NIOCore
import SpoolCore

/// What a stream's client is told, if it asked to be.
struct EventStreamReplies {
    /// Whether the client asked for replies.
    var isOn = false
    private var acked = 0
    private var lines = ByteBuffer()

    /// Recognises a first line that is nothing but `{"acks":true}` or `{"acks":false}`.
    static func option(_ line: UnsafeRawBufferPointer) -> Bool? {
        // Longer than the option with any sensible blanks: an event.
        guard line.count <= 64 else { return nil }
        do throws(JSONError) {
            var scanner = JSONScanner(line)
            guard try scanner.peekKind() == .object else { return nil }
            try scanner.enterObject()
            guard let key = try scanner.nextMember(),
                JSONText.equals(line, key.range, hasEscapes: key.hasEscapes, "acks")
            else { return nil }
            let value = try scanner.scanValue().kind
            guard try scanner.nextMember() == nil else { return nil }
            try scanner.finish()
            return value == .true ? true : value == .false ? false : nil
        } catch {
            return nil
        }
    }

    /// `{"refused":LINE,"detail":[…]}`
    mutating func refuse(line: Int, detail: [UInt8]) {
        lines.writeStaticString("{\"refused\":")
        lines.writeString(String(line))
        lines.writeStaticString(",\"detail\":")
        lines.writeBytes(detail)
        lines.writeStaticString("}\n")
    }

    /// `{"acked":LINE}`, unless that was said already.
    mutating func ack(through line: Int) {
        guard isOn, line > acked else { return }
        acked = line
        lines.writeStaticString("{\"acked\":")
        lines.writeString(String(line))
        lines.writeStaticString("}\n")
    }

    /// What is to be written now; nil when there is nothing.
    mutating func take() -> ByteBuffer? {
        guard lines.readableBytes > 0 else { return nil }
        defer { lines = ByteBuffer() }
        return lines
    }
}

/// Appends JSON text to a byte array and puts the commas in: answers, status, spliced batches.
///
/// The calls must follow the grammar (a key before each member's value, every begin ended); the
/// writer checks only that it never ends more than it began.
public struct JSONWriter: Sendable {
    /// The text so far; a document once every container has ended.
    public private(set) var bytes: [UInt8]
    private var depth = 0
    /// The next key or value follows another one in the same container.
    private var needsComma = false

    /// An empty text with room for this many bytes.
    public init(reserving: Int = 256) {
        bytes = []
        bytes.reserveCapacity(reserving)
    }

    /// Starts an object.
    public mutating func beginObject() { begin(UInt8(ascii: "{")) }
    /// Ends the innermost container, which must be an object.
    public mutating func endObject() { end(UInt8(ascii: "}")) }
    /// Starts an array.
    public mutating func beginArray() { begin(UInt8(ascii: "[")) }
    /// Ends the innermost container, which must be an array.
    public mutating func endArray() { end(UInt8(ascii: "]")) }

    /// A member's key, known when this was compiled.
    public mutating func key(_ key: StaticString) {
        precondition(key.hasPointerRepresentation, "\(key) is a scalar, not a string")
        separate()
        appendQuoted(UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        endKey()
    }

    /// A member's key, known only now. Literals go to the overload that needs no string.
    @_disfavoredOverload
    public mutating func key(_ key: String) {
        separate()
        appendQuoted(key)
        endKey()
    }

    /// A string value.
    public mutating func string(_ text: String) {
        separate()
        appendQuoted(text)
    }

    /// A string value from its UTF-8; what is not UTF-8 becomes U+FFFD.
    public mutating func string(_ text: some Sequence<UInt8>) {
        string(String(decoding: Array(text), as: UTF8.self))
    }

    /// An integer.
    public mutating func int(_ value: some SignedInteger & FixedWidthInteger) {
        separate()
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        appendDigits(UInt64(value.magnitude))
    }

    /// An integer that is never negative.
    public mutating func uint(_ value: some UnsignedInteger & FixedWidthInteger) {
        separate()
        appendDigits(UInt64(value))
    }

    /// A finite number in the shortest form that reads back as the same value. JSON has no other
    /// numbers (RFC 8259, section 6).
    public mutating func double(_ value: Double) {
        precondition(value.isFinite, "\(value) has no JSON form")
        separate()
        bytes.append(contentsOf: value.description.utf8)
    }

    /// `true` or `false`.
    public mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// `null`.
    public mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// One value that is JSON already, copied as it is. It is not checked.
    public mutating func raw(_ json: some Collection<UInt8>) {
        separate()
        // Bytes that lie in one piece are copied as one; the generic append takes them singly.
        let copied: Void? = json.withContiguousStorageIfAvailable { bytes.append(contentsOf: $0) }
        if copied == nil { bytes.append(contentsOf: json) }
    }

    // MARK: - Structure

    private mutating func begin(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        depth += 1
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        precondition(depth > 0, "no container is open after \(bytes.count) bytes")
        bytes.append(bracket)
        depth -= 1
        needsComma = true
    }

    private mutating func endKey() {
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    // MARK: - Content

    private mutating func appendDigits(_ value: UInt64) {
        let start = bytes.count
        var rest = value
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    private mutating func appendQuoted(_ text: String) {
        var text = text
        text.withUTF8 { appendQuoted($0) }
    }

    private mutating func appendQuoted(_ utf8: UnsafeBufferPointer<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        var copied = 0
        for index in utf8.indices where Self.needsEscape(utf8[index]) {
            bytes.append(contentsOf: utf8[copied..<index])
            appendEscape(utf8[index])
            copied = index + 1
        }
        bytes.append(contentsOf: utf8[copied...])
        bytes.append(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func appendEscape(_ byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        default:
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(JSONHex.digit(byte >> 4))
            bytes.append(JSONHex.digit(byte & 0x0F))
        }
    }
}

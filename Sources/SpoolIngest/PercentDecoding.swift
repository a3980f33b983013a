/// Reads what a URL's path or query percent-encodes. A `%` without two hexadecimal digits stands
/// for itself, as in forms (URL Standard, https://url.spec.whatwg.org/#percent-decode).
enum PercentDecoding {
    /// The text that an encoded one stands for; nil when its bytes are not UTF-8.
    ///
    /// - Parameter plusIsSpace: true in queries, which are written as forms are.
    static func decode(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let decoded = hexByte(rest.prefix(2)) {
                bytes.append(decoded)
                rest = rest.dropFirst(2)
            } else if byte == UInt8(ascii: "+"), plusIsSpace {
                bytes.append(UInt8(ascii: " "))
            } else {
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexByte(_ digits: Substring.UTF8View) -> UInt8? {
        guard digits.count == 2, let first = digits.first, first.isHexDigit,
            let last = digits.last, last.isHexDigit
        else { return nil }
        return UInt8(Substring(digits), radix: 16)
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}

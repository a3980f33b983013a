/// One `name=value` of a URL's query, decoded as forms are (URL Standard,
/// https://url.spec.whatwg.org/#urlencoded-parsing): `+` is a space, `%20` too, and a `%` without
/// two digits stands for itself.
struct QueryItem: Equatable {
    let name: String
    /// Nil when the value's bytes are not UTF-8.
    let value: String?

    /// The items in their order.
    static func items(in query: String) -> [QueryItem] {
        query.utf8.split(separator: UInt8(ascii: "&")).map { item in
            let parts = item.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            return QueryItem(
                name: decode(parts[0]) ?? "", value: parts.count == 2 ? decode(parts[1]) : "")
        }
    }

    private static func decode(_ text: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let decoded = hexByte(rest.prefix(2)) {
                bytes.append(decoded)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
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

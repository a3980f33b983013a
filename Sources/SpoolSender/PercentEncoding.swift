/// Bytes that a URL cannot hold, written as `%XX` one by one (RFC 3986, section 2.1).
package enum PercentEncoding {
    /// Text as one value: everything but the unreserved characters (section 2.3) is encoded.
    package static func encoded(_ text: String) -> String {
        encoded(text) { isUnreserved($0) }
    }

    /// A path as an operator wrote it: delimiters and `%XX` stay, what no URL may hold is encoded.
    package static func encodedPath(_ path: String) -> String {
        encoded(path) { isUnreserved($0) || "!$&'()*+,;=:@/%".utf8.contains($0) }
    }

    private static func encoded(_ text: String, keeping isKept: (UInt8) -> Bool) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            if isKept(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digit(byte >> 4))
                bytes.append(digit(byte & 0x0F))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~".utf8.contains(byte)
        }
    }
}

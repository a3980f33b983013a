/// Bytes that a URL cannot hold, written as `%XX` one by one (RFC 3986, section 2.1).
package enum PercentEncoding {
    /// Text as one value: everything but the unreserved characters (section 2.3) is encoded.
    package static func encoded(_ text: String) -> String {
        encoded(text) { isUnreserved($0) }
    }

    /// Text as one segment of a path. Dots alone would be a step in the path instead (RFC 3986,
    /// section 5.2.4), so they are encoded too.
    package static func encodedSegment(_ text: String) -> String {
        steps[text] ?? encoded(text)
    }

    /// A path as an operator wrote it: delimiters and `%XX` stay, what no URL may hold is encoded.
    package static func encodedPath(_ path: String) -> String {
        encoded(path) { isPathCharacter($0) || $0 == UInt8(ascii: "/") || $0 == escape }
    }

    /// One segment of a path as a caller wrote it: as ``encodedPath(_:)``, but it stays one segment.
    package static func completedSegment(_ segment: String) -> String {
        steps[segment] ?? encoded(segment) { isPathCharacter($0) || $0 == escape }
    }

    /// A query as a caller wrote it, without its `?`: delimiters and `%XX` stay.
    package static func completedQuery(_ query: String) -> String {
        encoded(query) { isPathCharacter($0) || "/?".utf8.contains($0) || $0 == escape }
    }

    private static let escape = UInt8(ascii: "%")
    private static let steps = [".": "%2E", "..": "%2E%2E"]

    /// RFC 3986, section 3.3, `pchar` without escapes.
    private static func isPathCharacter(_ byte: UInt8) -> Bool {
        isUnreserved(byte) || "!$&'()*+,;=:@".utf8.contains(byte)
    }

    private static func encoded(_ text: String, keeping isKept: (UInt8) -> Bool) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for (place, byte) in zip(text.utf8.indices, text.utf8) {
            if isKept(byte), byte != escape || isEscape(text.utf8[place...]) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digit(byte >> 4))
                bytes.append(digit(byte & 0x0F))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether text begins with `%XX`. Any other `%` is a character like those no URL may hold.
    private static func isEscape(_ text: Substring.UTF8View) -> Bool {
        let digits = text.dropFirst().prefix(2)
        return digits.count == 2
            && digits.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
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

extension JSONScanner {
    /// Consumes the number whose first byte is under the cursor (RFC 8259, section 6).
    ///
    /// Magnitude and precision are unlimited here: `1e400` is a valid number.
    mutating func scanNumber() throws(JSONError) {
        if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        if byteUnderCursor == UInt8(ascii: "0") {
            offset += 1
            if Self.isDigit(byteUnderCursor) { throw error(.invalidNumber) }
        } else {
            try scanDigits()
        }
        if byteUnderCursor == UInt8(ascii: ".") {
            offset += 1
            try scanDigits()
        }
        if byteUnderCursor | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if byteUnderCursor == UInt8(ascii: "+") || byteUnderCursor == UInt8(ascii: "-") {
                offset += 1
            }
            try scanDigits()
        }
    }

    /// Consumes one or more decimal digits.
    @inline(__always)
    private mutating func scanDigits() throws(JSONError) {
        var index = offset
        while index < count, Self.isDigit(bytes[index]) { index += 1 }
        guard index > offset else {
            throw error(offset == count ? .unexpectedEnd : .invalidNumber)
        }
        offset = index
    }

    /// The byte under the cursor, NUL at the end of the text: no part of a number either way.
    @inline(__always)
    private var byteUnderCursor: UInt8 { offset < count ? bytes[offset] : 0 }

    @inline(__always)
    private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
}

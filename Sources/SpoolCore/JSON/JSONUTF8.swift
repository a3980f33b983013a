/// Strict UTF-8, checked against the table of well-formed byte sequences in the Unicode Standard
/// (section 3.9, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
enum JSONUTF8 {
    /// Checks the run of non-ASCII characters that starts at `start`.
    ///
    /// - Returns: the offset of the first ASCII byte after it, or the end of the text.
    /// - Throws: `invalidUTF8` at the byte that cannot stand there; `unexpectedEnd` when the text
    ///   stops inside a sequence that is well-formed so far.
    static func endOfNonASCII(
        _ bytes: UnsafeRawBufferPointer, from start: Int
    ) throws(JSONError) -> Int {
        var index = start
        while index < bytes.count, bytes[index] >= 0x80 {
            let length = lengthOfCommon(bytes, at: index)
            index = length > 0 ? index + length : try endOfSequence(bytes, from: index)
        }
        return index
    }

    /// The length of a well-formed sequence of two or three bytes, found in one load; 0 for any
    /// other sequence, malformed ones included, and near the end of the text.
    @inline(__always)
    private static func lengthOfCommon(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int {
        guard index + 4 <= bytes.count else { return 0 }
        // The lead is the lowest byte. Masked like this, marker bits stay and payload bits go.
        let word = UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self))
        if word & 0xC0E0 == 0x80C0 {
            // C0 and C1 would be overlong.
            return word & 0x1E != 0 ? 2 : 0
        }
        guard word & 0xC0C0F0 == 0x8080E0 else { return 0 }
        // The lead's payload and the second byte's top payload bit: E0 without it is overlong,
        // ED with it is a surrogate.
        let narrowing = word & 0x200F
        return narrowing != 0 && narrowing != 0x200D ? 3 : 0
    }

    /// Checks any one sequence byte by byte and returns the offset behind it.
    private static func endOfSequence(
        _ bytes: UnsafeRawBufferPointer, from index: Int
    ) throws(JSONError) -> Int {
        let length: Int
        // What the second byte may be; the lead narrows it where an overlong form, a surrogate or
        // a value above U+10FFFF would begin.
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch bytes[index] {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: throw JSONError(code: .invalidUTF8, offset: index)
        }
        try check(bytes, at: index + 1, in: second)
        if length > 2 { try check(bytes, at: index + 2, in: 0x80...0xBF) }
        if length > 3 { try check(bytes, at: index + 3, in: 0x80...0xBF) }
        return index + length
    }

    @inline(__always)
    private static func check(
        _ bytes: UnsafeRawBufferPointer, at index: Int, in allowed: ClosedRange<UInt8>
    ) throws(JSONError) {
        guard index < bytes.count else { throw JSONError(code: .unexpectedEnd, offset: index) }
        guard allowed.contains(bytes[index]) else {
            throw JSONError(code: .invalidUTF8, offset: index)
        }
    }
}

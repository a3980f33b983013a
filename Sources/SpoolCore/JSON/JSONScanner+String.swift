extension JSONScanner {
    /// Consumes the string whose opening quote is under the cursor; true when it holds escapes.
    mutating func scanString() throws(JSONError) -> Bool {
        var hasEscapes = false
        offset += 1
        while true {
            offset = endOfPlainRun(from: offset)
            guard offset < count else { throw error(.unexpectedEnd) }
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return hasEscapes
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try scanEscape()
            case 0x80...:
                offset = try JSONUTF8.endOfNonASCII(bytes, from: offset)
            default:
                throw error(.controlCharacter)
            }
        }
    }

    /// The first byte at or after `start` that is not plain string content: a quote, a backslash,
    /// a control character or non-ASCII; the end of the text when there is none.
    @inline(__always)
    private func endOfPlainRun(from start: Int) -> Int {
        var index = start
        while index + 8 <= count {
            let stops = Self.stops(in: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            guard stops == 0 else { return index + stops.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count {
            let byte = bytes[index]
            if byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\"")
                || byte == UInt8(ascii: "\\")
            {
                break
            }
            index += 1
        }
        return index
    }

    /// Sets the top bit of every byte that is not plain string content.
    ///
    /// Subtracting the same amount from all eight bytes at once borrows across them, so bytes above
    /// a true stop may be marked too. The lowest mark is always true, and only it is used.
    @inline(__always)
    private static func stops(in word: UInt64) -> UInt64 {
        let word = UInt64(littleEndian: word)
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        let quotes = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslashes = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        // Subtracting n sets the top bit of a byte below n, and of bytes that had it set already;
        // `~word` drops the latter. Equality is "below 1" after XOR.
        let controlled = (word &- ones &* 0x20) & ~word
        let quoted = (quotes &- ones) & ~quotes
        let escaped = (backslashes &- ones) & ~backslashes
        return (controlled | quoted | escaped | word) & tops
    }

    /// Consumes the escape whose backslash is under the cursor.
    private mutating func scanEscape() throws(JSONError) {
        offset += 1
        guard offset < count else { throw error(.unexpectedEnd) }
        switch bytes[offset] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            offset += 1
        case UInt8(ascii: "u"):
            offset += 1
            for _ in 0..<4 {
                guard offset < count else { throw error(.unexpectedEnd) }
                guard JSONHex.value(of: bytes[offset]) != nil else { throw error(.invalidEscape) }
                offset += 1
            }
        default:
            throw error(.invalidEscape)
        }
    }
}

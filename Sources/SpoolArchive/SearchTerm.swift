import SpoolCore

/// A text to look for in logs: anywhere inside a value, ASCII letters in either case, everything
/// else exactly.
///
/// Finding takes time in proportion to the text alone, whatever is looked for (Knuth, Morris and
/// Pratt, "Fast pattern matching in strings", 1977), so that no search is a trap.
struct SearchTerm: Sendable {
    /// Never empty.
    private let wanted: [UInt8]
    /// For each byte, how long a beginning of ``wanted`` ends with it.
    private let overlaps: [Int]

    /// A term; nil for an empty text, which is no search at all.
    init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        let wanted = text.utf8.map(Self.folded)
        var overlaps = [0]
        for index in wanted.indices.dropFirst() {
            overlaps.append(
                Self.advance(from: overlaps[index - 1], by: wanted[index], wanted, overlaps))
        }
        self.wanted = wanted
        self.overlaps = overlaps
    }

    /// Whether the term stands in a string, number or literal anywhere inside a JSON value.
    ///
    /// - Parameter names: whether it may stand in a member's name as well.
    func isFound(in value: UnsafeRawBufferPointer, names: Bool) throws(JSONError) -> Bool {
        var scanner = JSONScanner(value, depthMax: JSONPart.depthMaxAgain)
        return try isFound(in: value, &scanner, names: names)
    }

    private func isFound(
        in text: UnsafeRawBufferPointer, _ scanner: inout JSONScanner, names: Bool
    ) throws(JSONError) -> Bool {
        switch try scanner.peekKind() {
        case .object:
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                let isNamed =
                    names
                    && isFound(in: text, key.range, hasEscapes: key.hasEscapes) {
                        JSONText.string(text, key)
                    }
                if isNamed { return true }
                if try isFound(in: text, &scanner, names: names) { return true }
            }
            return false
        case .array:
            try scanner.enterArray()
            while try scanner.nextElement() {
                if try isFound(in: text, &scanner, names: names) { return true }
            }
            return false
        case .string, .number, .true, .false, .null:
            let slice = try scanner.scanValue()
            guard slice.kind == .string else { return isFound(in: text[slice.range]) }
            let content = (slice.range.lowerBound + 1)..<(slice.range.upperBound - 1)
            return isFound(in: text, content, hasEscapes: slice.hasEscapes) {
                JSONText.string(text, slice)
            }
        }
    }

    private func isFound(
        in text: UnsafeRawBufferPointer, _ content: Range<Int>, hasEscapes: Bool,
        decoded: () -> String
    ) -> Bool {
        hasEscapes ? isFound(in: decoded().utf8) : isFound(in: text[content])
    }

    /// Whether the term stands in a text.
    func isFound(in text: some Sequence<UInt8>) -> Bool {
        var matched = 0
        for byte in text {
            matched = Self.advance(from: matched, by: Self.folded(byte), wanted, overlaps)
            if matched == wanted.count { return true }
        }
        return false
    }

    /// How much of `wanted` is matched after one more byte.
    private static func advance(
        from matched: Int, by byte: UInt8, _ wanted: [UInt8], _ overlaps: [Int]
    ) -> Int {
        var matched = matched
        while matched > 0, wanted[matched] != byte { matched = overlaps[matched - 1] }
        return wanted[matched] == byte ? matched + 1 : 0
    }

    private static func folded(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}

/// Reads what the scanner found: content of strings and keys, integers.
///
/// Ranges must come from a scanner over the same bytes; they are trusted to be valid JSON.
public enum JSONText {
    /// Compares the content of a key or string (its range without the quotes) with a literal.
    ///
    /// Allocates only when there are escapes to decode.
    public static func equals(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, hasEscapes: Bool,
        _ literal: StaticString
    ) -> Bool {
        precondition(literal.hasPointerRepresentation, "\(literal) is a scalar, not a string")
        let wanted = UnsafeRawBufferPointer(
            start: literal.utf8Start, count: literal.utf8CodeUnitCount)
        let content = UnsafeRawBufferPointer(rebasing: bytes[range])
        return hasEscapes
            ? decode(content).elementsEqual(wanted)
            : content.elementsEqual(wanted)
    }

    /// The decoded content of a string value. Lone surrogate escapes become U+FFFD.
    public static func string(_ bytes: UnsafeRawBufferPointer, _ slice: JSONSlice) -> String {
        precondition(slice.kind == .string, "a \(slice.kind) is not a string")
        let content = (slice.range.lowerBound + 1)..<(slice.range.upperBound - 1)
        return string(bytes, content, hasEscapes: slice.hasEscapes)
    }

    /// The decoded content of a key. Lone surrogate escapes become U+FFFD.
    public static func string(_ bytes: UnsafeRawBufferPointer, _ key: JSONKey) -> String {
        string(bytes, key.range, hasEscapes: key.hasEscapes)
    }

    /// Whether a string value escapes half a surrogate pair, which stands for no character (RFC 8259,
    /// section 8.2).
    public static func hasLoneSurrogate(
        _ bytes: UnsafeRawBufferPointer, _ slice: JSONSlice
    ) -> Bool {
        guard slice.hasEscapes else { return false }
        let content = UnsafeRawBufferPointer(rebasing: bytes[slice.range])
        var index = 0
        while index < content.count {
            if content[index] != UInt8(ascii: "\\") {
                index += 1
            } else if content[index + 1] != UInt8(ascii: "u") {
                index += 2
            } else if scalar(content, at: &index) == nil {
                return true
            }
        }
        return false
    }

    /// True for a number written without fraction and exponent, however large.
    public static func isInteger(_ bytes: UnsafeRawBufferPointer, _ slice: JSONSlice) -> Bool {
        slice.kind == .number
            && bytes[slice.range].allSatisfy { $0 == UInt8(ascii: "-") || isDigit($0) }
    }

    /// The value of an integer; nil for anything else and for what does not fit in 64 bits.
    public static func int(_ bytes: UnsafeRawBufferPointer, _ slice: JSONSlice) -> Int? {
        guard slice.kind == .number else { return nil }
        var digits = bytes[slice.range]
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative { digits.removeFirst() }
        var value = 0
        for byte in digits {
            guard isDigit(byte) else { return nil }
            let digit = Int(byte - UInt8(ascii: "0"))
            // Built on its own side of zero, so that Int.min needs no special case.
            let shifted = value.multipliedReportingOverflow(by: 10)
            let next =
                isNegative
                ? shifted.partialValue.subtractingReportingOverflow(digit)
                : shifted.partialValue.addingReportingOverflow(digit)
            guard !shifted.overflow, !next.overflow else { return nil }
            value = next.partialValue
        }
        return value
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    private static func string(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, hasEscapes: Bool
    ) -> String {
        let content = UnsafeRawBufferPointer(rebasing: bytes[range])
        return hasEscapes
            ? String(decoding: decode(content), as: UTF8.self)
            : String(decoding: content, as: UTF8.self)
    }

    // MARK: - Escapes

    /// The UTF-8 that validated string content stands for.
    private static func decode(_ content: UnsafeRawBufferPointer) -> [UInt8] {
        var decoded: [UInt8] = []
        // Decoding only shrinks: the longest output for `\uXXXX`, six bytes, is three.
        decoded.reserveCapacity(content.count)
        var index = 0
        while index < content.count {
            let byte = content[index]
            guard byte == UInt8(ascii: "\\") else {
                decoded.append(byte)
                index += 1
                continue
            }
            let escape = content[index + 1]
            if escape == UInt8(ascii: "u") {
                let encoded = scalar(content, at: &index).flatMap { UTF8.encode($0) }
                decoded.append(contentsOf: encoded ?? UTF8.encodedReplacementCharacter)
            } else {
                decoded.append(unescaped(escape))
                index += 2
            }
        }
        return decoded
    }

    /// Reads the `\uXXXX` at `index`, or the two that make a surrogate pair, and moves behind it; nil for
    /// half a pair.
    private static func scalar(
        _ content: UnsafeRawBufferPointer, at index: inout Int
    ) -> Unicode.Scalar? {
        let first = codeUnit(content, at: index)
        index += 6
        guard let first else { return nil }
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard UTF16.isLeadSurrogate(first), let second = codeUnit(content, at: index),
            UTF16.isTrailSurrogate(second)
        else { return nil }
        index += 6
        return UTF16.decode(UTF16.EncodedScalar([first, second]))
    }

    /// The code unit of the `\uXXXX` at `index`; nil when none stands there.
    private static func codeUnit(_ content: UnsafeRawBufferPointer, at index: Int) -> UInt16? {
        guard index + 6 <= content.count, content[index] == UInt8(ascii: "\\"),
            content[index + 1] == UInt8(ascii: "u")
        else { return nil }
        return content[(index + 2)..<(index + 6)].reduce(into: 0) { unit, byte in
            unit = unit << 4 | (JSONHex.value(of: byte) ?? 0)
        }
    }

    /// What a one-letter escape stands for (RFC 8259, section 7).
    private static func unescaped(_ letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: letter
        }
    }
}

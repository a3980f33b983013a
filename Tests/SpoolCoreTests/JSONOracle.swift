import Foundation
import SpoolCore

/// A second opinion from Foundation's `JSONSerialization`, and the places where it is known to
/// read something other than RFC 8259 and UTF-8.
enum JSONOracle {
    /// The decoded document; nil when `JSONSerialization` refuses it.
    static func parse(_ text: [UInt8]) -> Any? {
        try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
    }

    /// How scanner and oracle differ on a text, verdict and decoded content; nil when they agree.
    ///
    /// Known differences are narrowed down to the bytes that cause them:
    /// - The oracle guesses UTF-16 and UTF-32 from marks and NULs in the first four bytes and drops
    ///   a UTF-8 mark. Such texts are not compared.
    /// - It accepts a comma before a closing bracket or brace. The comma is blanked and the rest
    ///   compared.
    /// - It refuses lone surrogate escapes. They are replaced by `\ufffd`, which is also what they
    ///   must decode to, and the rest compared.
    /// - It refuses numbers that no finite double can hold. That refusal is excused.
    /// - It drops U+FEFF from the start of a string, or behind an escape. Strings with that
    ///   character are compared without it.
    /// - It keeps some numbers as decimals and rounds them twice on the way to a double. Numbers
    ///   that are no 64-bit integers are compared to 14 digits.
    static func difference(on text: [UInt8]) -> String? {
        guard !looksLikeAnotherEncoding(text) else { return nil }
        switch scan(text) {
        case .failure(let error) where error.code == .trailingComma:
            return difference(on: blankingComma(before: error.offset, in: text))
        case .failure(let error):
            return parse(text) == nil ? nil : "refused (\(error.message)), oracle accepts"
        case .success:
            guard let theirs = parse(replacingLoneSurrogates(in: text)) else {
                return holdsHugeNumber(text) ? nil : "accepted, oracle refuses"
            }
            return text.withUnsafeBytes { bytes in
                var scanner = JSONScanner(bytes)
                do {
                    return try difference(at: &scanner, bytes, theirs)
                } catch {
                    return "accepted, but walking it fails: \(error)"
                }
            }
        }
    }

    // MARK: - Known differences

    private static func looksLikeAnotherEncoding(_ text: [UInt8]) -> Bool {
        text.prefix(4).contains(0) || text.starts(with: [0xEF, 0xBB, 0xBF])
            || text.starts(with: [0xFE, 0xFF]) || text.starts(with: [0xFF, 0xFE])
    }

    private static func blankingComma(before offset: Int, in text: [UInt8]) -> [UInt8] {
        var text = text
        if let comma = text[..<offset].lastIndex(of: UInt8(ascii: ",")) { text[comma] = 0x20 }
        return text
    }

    /// Works on valid documents only: there, every backslash starts an escape inside a string.
    private static func replacingLoneSurrogates(in text: [UInt8]) -> [UInt8] {
        var text = text
        var index = 0
        while index < text.count {
            guard text[index] == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            let unit = codeUnit(in: text, at: index)
            let next = codeUnit(in: text, at: index + 6)
            switch (unit, next) {
            case (0xD800..<0xDC00, 0xDC00..<0xE000): index += 12
            case (0xD800..<0xE000, _):
                text.replaceSubrange(index..<(index + 6), with: Array(#"\ufffd"#.utf8))
                index += 6
            default: index += 2
            }
        }
        return text
    }

    /// The value of a `\uXXXX` at this place; -1 when none stands there.
    private static func codeUnit(in text: [UInt8], at index: Int) -> Int {
        guard index + 6 <= text.count, text[index...].starts(with: Array(#"\u"#.utf8)) else {
            return -1
        }
        let digits = String(decoding: text[(index + 2)..<(index + 6)], as: UTF8.self)
        return Int(digits, radix: 16) ?? -1
    }

    private static func holdsHugeNumber(_ text: [UInt8]) -> Bool {
        func isHuge(_ value: JSONValue) -> Bool {
            switch value {
            case .number: value.doubleValue == nil
            case .array(let elements): elements.contains(where: isHuge)
            case .object(let members): members.contains { isHuge($0.1) }
            default: false
            }
        }
        return (try? JSONValue(parsing: text)).map(isHuge) ?? false
    }

    // MARK: - Decoded content

    /// Compares the value under the cursor with what the oracle decoded, and consumes it.
    private static func difference(
        at scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer, _ theirs: Any
    ) throws(JSONError) -> String? {
        switch try scanner.peekKind() {
        case .object: return try memberDifference(&scanner, bytes, theirs)
        case .array:
            guard let elements = theirs as? [Any] else { return "array against \(theirs)" }
            var index = 0
            try scanner.enterArray()
            while try scanner.nextElement() {
                guard index < elements.count else { return "more elements than \(elements.count)" }
                if let found = try difference(at: &scanner, bytes, elements[index]) { return found }
                index += 1
            }
            return index == elements.count ? nil : "\(index) elements of \(elements.count)"
        case .string:
            let ours = JSONText.string(bytes, try scanner.scanValue())
            let same = (theirs as? String).map { isSame(ours, $0) } ?? false
            return same ? nil : "string \(ours.debugDescription) against \(theirs)"
        case .number: return numberDifference(bytes, try scanner.scanValue(), theirs)
        case .true, .false:
            let ours = try scanner.scanValue().kind == .true
            return theirs as? Bool == ours ? nil : "\(ours) against \(theirs)"
        case .null:
            _ = try scanner.scanValue()
            return theirs is NSNull ? nil : "null against \(theirs)"
        }
    }

    /// Equal scalar by scalar, not only canonically, leaving out the character the oracle drops.
    private static func isSame(_ ours: String, _ theirs: String) -> Bool {
        ours.unicodeScalars.filter { $0 != "\u{FEFF}" }
            .elementsEqual(theirs.unicodeScalars.filter { $0 != "\u{FEFF}" })
    }

    /// Of members with the same key the oracle keeps one; those are compared by key alone.
    private static func memberDifference(
        _ scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer, _ theirs: Any
    ) throws(JSONError) -> String? {
        guard let theirs = theirs as? [String: Any] else { return "object against \(theirs)" }
        let keys = try keys(of: scanner, bytes)
        guard Set(keys) == Set(theirs.keys) else { return "keys \(keys) against \(theirs.keys)" }
        let times = Dictionary(keys.map { ($0, 1) }, uniquingKeysWith: +)
        try scanner.enterObject()
        while let key = try scanner.nextMember() {
            let name = JSONText.string(bytes, key)
            guard times[name] == 1, let index = theirs.index(forKey: name) else {
                _ = try scanner.scanValue()
                continue
            }
            let (theirName, theirValue) = theirs[index]
            guard isSame(name, theirName) else { return "key \(name)" }
            if let found = try difference(at: &scanner, bytes, theirValue) { return found }
        }
        return nil
    }

    private static func keys(
        of scanner: JSONScanner, _ bytes: UnsafeRawBufferPointer
    ) throws(JSONError) -> [String] {
        var scanner = scanner
        var keys: [String] = []
        try scanner.enterObject()
        while let key = try scanner.nextMember() {
            keys.append(JSONText.string(bytes, key))
            _ = try scanner.scanValue()
        }
        return keys
    }

    private static func numberDifference(
        _ bytes: UnsafeRawBufferPointer, _ slice: JSONSlice, _ theirs: Any
    ) -> String? {
        let text = String(decoding: bytes[slice.range], as: UTF8.self)
        guard let theirs = theirs as? NSNumber else { return "number \(text) against \(theirs)" }
        if let ours = JSONText.int(bytes, slice) {
            return theirs.intValue == ours ? nil : "integer \(ours) against \(theirs)"
        }
        let ours = Double(text) ?? .nan
        let isClose = abs(ours - theirs.doubleValue) <= abs(ours) * 1e-14
        return isClose ? nil : "number \(text) against \(theirs)"
    }
}

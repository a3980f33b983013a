import SpoolCore

/// A request's query, decoded (url.spec.whatwg.org, application/x-www-form-urlencoded).
struct ArchiveQuery {
    /// All pairs in order.
    let pairs: [(name: String, value: String)]

    /// The pairs of what follows `?`; nil is an empty query.
    init(_ query: String?) {
        pairs = (query ?? "").split(separator: "&").map { pair in
            let mark = pair.firstIndex(of: "=") ?? pair.endIndex
            return (
                Self.decoded(pair[..<mark], plusIsSpace: true),
                Self.decoded(pair[mark...].dropFirst(), plusIsSpace: true)
            )
        }
    }

    /// The value of this key, the last of several.
    subscript(name: String) -> String? { pairs.last { $0.name == name }?.value }

    /// The values of this key, in order.
    func all(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

    /// The value of a key that must be there; reports a mistake and yields an empty text otherwise.
    func required(_ name: String, _ mistakes: inout Mistakes) -> String {
        if let value = self[name] { return value }
        mistakes.add([.name("query"), .name(name)], .missing, "\(name) is required")
        return ""
    }

    /// The integer at a key, `absent` when it is not there; reports a mistake outside the range.
    func integer(
        _ name: String, absent: Int, in range: ClosedRange<Int>, _ mistakes: inout Mistakes
    ) -> Int {
        guard let text = self[name] else { return absent }
        if let value = Int(text), range.contains(value) { return value }
        let bound = range.upperBound == .max ? "on" : "to \(range.upperBound)"
        mistakes.add(
            [.name("query"), .name(name)], .integer,
            "expected an integer from \(range.lowerBound) \(bound)")
        return absent
    }

    /// The choice at a key, `absent` when it is not there; reports a mistake for any other text.
    func choice<Choice: CaseIterable & RawRepresentable<String>>(
        _ name: String, absent: Choice, _ mistakes: inout Mistakes
    ) -> Choice {
        guard let text = self[name] else { return absent }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: " or ")
        mistakes.add([.name("query"), .name(name)], .literal, "expected \(words)")
        return absent
    }

    /// The date or date-time at a key, nil when it is not there; reports a mistake for others.
    ///
    /// - Parameter endsDay: whether a date means its last moment instead of its first.
    func time(_ name: String, endsDay: Bool, _ mistakes: inout Mistakes) -> Timestamp? {
        guard let text = self[name] else { return nil }
        // An offset's + that nobody escaped has become a space.
        guard let time = (DateTime(text) ?? DateTime(Self.spaceToPlus(text)))?.time
        else {
            mistakes.add(
                [.name("query"), .name(name)], .dateTime,
                "expected a date such as 2024-05-01, or a date and time such as "
                    + "2024-05-01T12:30:15Z")
            return nil
        }
        let isDateAlone = text.utf8.count == 10
        return Timestamp(
            milliseconds: time.milliseconds + (endsDay && isDateAlone ? Self.lastOfDay : 0))
    }

    /// Milliseconds from a day's first moment to its last.
    private static let lastOfDay: Int64 = 86_399_999

    private static func spaceToPlus(_ text: String) -> String {
        guard let space = text.lastIndex(of: " ") else { return text }
        return text[..<space] + "+" + text[text.index(after: space)...]
    }

    /// Text with its percent-escapes decoded. A `%` without two hexadecimal digits stands for
    /// itself, and bytes that are not UTF-8 become U+FFFD, as the URL standard has it.
    static func decoded(_ text: Substring, plusIsSpace: Bool) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = hexByte(rest.prefix(2)) {
                bytes.append(value)
                rest.removeFirst(2)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexByte(_ digits: Substring.UTF8View) -> UInt8? {
        guard digits.count == 2 else { return nil }
        var value: UInt8 = 0
        for digit in digits {
            guard let nibble = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            value = value << 4 | UInt8(nibble)
        }
        return value
    }
}

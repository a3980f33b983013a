extension String {
    /// The text on one line that no terminal obeys: what could steer one is written as JSON would
    /// write it, `\n` or `\u001b`. For words of apps and of upstream.
    public var printable: String {
        unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case _ where !scalar.steersTerminal: text.unicodeScalars.append(scalar)
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default: text += scalar.escaped
            }
        }
    }

    /// The same JSON document as text that no terminal obeys. Below U+0020 JSON has only blanks between
    /// tokens, and the others stand in strings (RFC 8259, sections 2 and 7).
    public var printableJSON: String {
        unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case _ where !scalar.steersTerminal: text.unicodeScalars.append(scalar)
            case "\0"..<" ": text += " "
            default: text += scalar.escaped
            }
        }
    }
}

extension JSONValue {
    /// The value with all its strings, and the names of its members, ``Swift/String/printable``.
    public var printable: JSONValue {
        switch self {
        case .object(let members): .object(members.map { ($0.0.printable, $0.1.printable) })
        case .array(let elements): .array(elements.map(\.printable))
        case .string(let content): .string(content.printable)
        case .number, .bool, .null: self
        }
    }
}

extension Unicode.Scalar {
    /// Whether a terminal may do something else with it than show it: C0, DEL and C1 (ECMA-48), the
    /// separators of lines, and what turns the direction of writing. All are below U+10000.
    fileprivate var steersTerminal: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        default: properties.isBidiControl
        }
    }

    /// As JSON escapes it (RFC 8259, section 7).
    fileprivate var escaped: String {
        let digits = String(value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}

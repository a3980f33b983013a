/// Why a text is not JSON, and the byte that shows it.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Every way a text can fail to be JSON. The raw values are stable: callers may log them.
    public enum Code: String, Sendable, CaseIterable {
        /// The text stops before the value is complete; more bytes could make it valid.
        case unexpectedEnd
        /// The text opens with EF BB BF, which RFC 8259, section 8.1 forbids senders to add.
        case byteOrderMark
        /// No value starts with this byte.
        case expectedValue
        /// The caller asked for an object and another value stands here.
        case expectedObject
        /// The caller asked for an array and another value stands here.
        case expectedArray
        /// An object continues with something other than a quoted key.
        case expectedKey
        /// A key without its colon.
        case expectedColon
        /// A member is followed by something other than `,` or `}`.
        case expectedCommaOrBrace
        /// An element is followed by something other than `,` or `]`.
        case expectedCommaOrBracket
        /// A comma directly before the closing brace or bracket.
        case trailingComma
        /// Starts like `true`, `false` or `null` and goes on differently.
        case invalidLiteral
        /// Not a number by RFC 8259, section 6: leading zero, no digits, bare point or exponent.
        case invalidNumber
        /// A byte below 0x20 inside a string; RFC 8259, section 7 wants it escaped.
        case controlCharacter
        /// A backslash followed by a byte that makes no escape, or `\u` without four hex digits.
        case invalidEscape
        /// Bytes that are not UTF-8: stray, overlong, surrogate, or above U+10FFFF.
        case invalidUTF8
        /// More containers inside each other than the scanner was told to allow.
        case tooDeep
        /// Something other than whitespace after the document's value.
        case trailingBytes
    }

    /// What is wrong.
    public let code: Code
    /// The byte that shows it, counted from 0; the length of the text for `unexpectedEnd`.
    public let offset: Int

    /// A finding about the byte at `offset`.
    public init(code: Code, offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// What is wrong and where, as a sentence part: `expected ',' or '}' at byte 17`.
    public var message: String { "\(code.phrase) at byte \(offset)" }

    /// The message, so that an interpolated error reads well.
    public var description: String { message }
}

extension JSONError.Code {
    fileprivate var phrase: String {
        switch self {
        case .unexpectedEnd: "text ends inside a value"
        case .byteOrderMark: "byte order mark (send the text without it)"
        case .expectedValue: "expected a value"
        case .expectedObject: "expected an object"
        case .expectedArray: "expected an array"
        case .expectedKey: "expected a key in double quotes"
        case .expectedColon: "expected ':' after the key"
        case .expectedCommaOrBrace: "expected ',' or '}'"
        case .expectedCommaOrBracket: "expected ',' or ']'"
        case .trailingComma: "comma without a value after it"
        case .invalidLiteral: "expected true, false or null"
        case .invalidNumber: "malformed number"
        case .controlCharacter: "unescaped control character in a string"
        case .invalidEscape: "malformed escape in a string"
        case .invalidUTF8: "bytes that are not UTF-8"
        case .tooDeep: "containers nested too deeply"
        case .trailingBytes: "unexpected bytes after the value"
        }
    }
}

/// Pull scanner over borrowed bytes: the whole of RFC 8259 plus strict UTF-8, and no decoding.
///
/// The caller walks the containers it cares about level by level (`enterObject`, `nextMember`, …)
/// and skips the rest with `scanValue`, which validates every byte. After each `nextMember` or
/// `nextElement` that announces a value, exactly one value must be consumed: scanned, or entered
/// and walked to its end. A lone surrogate escape such as `"\ud800"` is accepted: the grammar
/// allows it (RFC 8259, section 8.2). Duplicate keys are accepted; the caller decides about them.
///
/// Scanning never allocates: the state is four integers and a flag beside the borrowed bytes, and
/// every result is a range. No array, string, class or stored closure takes part in it.
///
/// The bytes must outlive the scanner. After a thrown error the scanner's position means nothing.
public struct JSONScanner {
    /// The whole text, borrowed from the caller.
    let bytes: UnsafeRawBufferPointer
    /// The length of the text. The buffer works its count out anew, nil check included, each time.
    let count: Int
    private let depthMax: Int
    private var depth = 0
    /// The last container was opened and has shown no member or element yet. One flag serves all
    /// levels: when an inner container is done, the outer one has shown at least that value.
    private var justEntered = false

    /// The next byte to look at, counted from 0.
    public internal(set) var offset = 0

    /// A scanner at the start of `bytes`.
    ///
    /// - Parameter depthMax: containers allowed inside each other, at most 1,024 because
    ///   `scanValue` uses the stack for them; 0 allows only plain values.
    public init(_ bytes: UnsafeRawBufferPointer, depthMax: Int = 64) {
        precondition((0...1024).contains(depthMax), "depthMax is \(depthMax), not in 0...1024")
        self.bytes = bytes
        count = bytes.count
        self.depthMax = depthMax
    }

    /// Validates one whole document: one value with nothing but whitespace around it.
    public static func validate(
        _ bytes: UnsafeRawBufferPointer, depthMax: Int = 64
    ) throws(JSONError) -> JSONSlice {
        var scanner = JSONScanner(bytes, depthMax: depthMax)
        let value = try scanner.scanValue()
        try scanner.finish()
        return value
    }

    /// Moves to the next value and tells its kind from its first byte; the rest is not yet checked.
    public mutating func peekKind() throws(JSONError) -> JSONKind {
        let byte = try nextByte()
        guard let kind = JSONKind(firstByte: byte) else {
            throw error(startsWithByteOrderMark ? .byteOrderMark : .expectedValue)
        }
        return kind
    }

    /// Consumes one value, everything inside it validated.
    public mutating func scanValue() throws(JSONError) -> JSONSlice {
        let kind = try peekKind()
        let start = offset
        let hasEscapes = try skip(kind)
        return JSONSlice(kind: kind, range: start..<offset, hasEscapes: hasEscapes)
    }

    /// Consumes `{`; throws `expectedObject` when another value stands here.
    public mutating func enterObject() throws(JSONError) {
        try enter(.object, orThrow: .expectedObject)
    }

    /// Consumes `[`; throws `expectedArray` when another value stands here.
    public mutating func enterArray() throws(JSONError) {
        try enter(.array, orThrow: .expectedArray)
    }

    /// Consumes the next key and its colon, leaving the cursor at the member's value; nil after
    /// consuming the object's `}`.
    public mutating func nextMember() throws(JSONError) -> JSONKey? {
        var byte = try nextByte()
        if byte == UInt8(ascii: "}") {
            leave()
            return nil
        }
        if !justEntered {
            guard byte == UInt8(ascii: ",") else { throw error(.expectedCommaOrBrace) }
            offset += 1
            byte = try nextByte()
            if byte == UInt8(ascii: "}") { throw error(.trailingComma) }
        }
        guard byte == UInt8(ascii: "\"") else { throw error(.expectedKey) }
        justEntered = false
        let start = offset + 1
        let hasEscapes = try scanString()
        let key = JSONKey(range: start..<(offset - 1), hasEscapes: hasEscapes)
        guard try nextByte() == UInt8(ascii: ":") else { throw error(.expectedColon) }
        offset += 1
        return key
    }

    /// True with the cursor at the next element; false after consuming the array's `]`.
    public mutating func nextElement() throws(JSONError) -> Bool {
        let byte = try nextByte()
        if byte == UInt8(ascii: "]") {
            leave()
            return false
        }
        if !justEntered {
            guard byte == UInt8(ascii: ",") else { throw error(.expectedCommaOrBracket) }
            offset += 1
            if try nextByte() == UInt8(ascii: "]") { throw error(.trailingComma) }
        }
        justEntered = false
        return true
    }

    /// Checks that nothing but whitespace is left after the document's value.
    public mutating func finish() throws(JSONError) {
        skipWhitespace()
        guard offset == count else { throw error(.trailingBytes) }
        guard depth == 0 else { throw error(.unexpectedEnd) }
    }

    // MARK: - Cursor

    /// An error about the byte under the cursor.
    func error(_ code: JSONError.Code) -> JSONError { JSONError(code: code, offset: offset) }

    /// The byte under the cursor after any whitespace.
    @inline(__always)
    private mutating func nextByte() throws(JSONError) -> UInt8 {
        skipWhitespace()
        guard offset < count else { throw error(.unexpectedEnd) }
        return bytes[offset]
    }

    /// Moves past space, tab, line feed and carriage return, the only whitespace there is
    /// (RFC 8259, section 2).
    @inline(__always)
    private mutating func skipWhitespace() {
        while offset < count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    private var startsWithByteOrderMark: Bool {
        offset == 0 && count >= 3
            && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF
    }

    // MARK: - Values

    /// Consumes the value of this kind under the cursor; true for a string with escapes.
    private mutating func skip(_ kind: JSONKind) throws(JSONError) -> Bool {
        switch kind {
        case .string: return try scanString()
        case .number: try scanNumber()
        case .true: try scanLiteral("true")
        case .false: try scanLiteral("false")
        case .null: try scanLiteral("null")
        case .object:
            try enterObject()
            while try nextMember() != nil { _ = try skip(peekKind()) }
        case .array:
            try enterArray()
            while try nextElement() { _ = try skip(peekKind()) }
        }
        return false
    }

    private mutating func enter(_ kind: JSONKind, orThrow code: JSONError.Code) throws(JSONError) {
        guard try peekKind() == kind else { throw error(code) }
        guard depth < depthMax else { throw error(.tooDeep) }
        depth += 1
        offset += 1
        justEntered = true
    }

    private mutating func leave() {
        precondition(depth > 0, "no container is open at byte \(offset)")
        depth -= 1
        offset += 1
        justEntered = false
    }

    private mutating func scanLiteral(_ literal: StaticString) throws(JSONError) {
        for index in 0..<literal.utf8CodeUnitCount {
            guard offset < count else { throw error(.unexpectedEnd) }
            guard bytes[offset] == literal.utf8Start[index] else { throw error(.invalidLiteral) }
            offset += 1
        }
    }
}

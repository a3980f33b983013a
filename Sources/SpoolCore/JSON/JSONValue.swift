/// A small parsed tree, for cold paths only: upstream error bodies, control answers, queries.
/// Events never pass through it; their bytes travel as they came.
public enum JSONValue: Sendable {
    /// Members in the order of the text, duplicates included.
    case object([(String, JSONValue)])
    /// Elements in the order of the text.
    case array([JSONValue])
    /// Decoded content.
    case string(String)
    /// The number as written, so that nothing is lost.
    case number(String)
    /// `true` or `false`
    case bool(Bool)
    /// `null`
    case null

    /// Parses one whole document.
    public init(parsing text: [UInt8], depthMax: Int = 64) throws(JSONError) {
        let result = text.withUnsafeBytes { bytes in
            Result { () throws(JSONError) in try JSONValue(parsing: bytes, depthMax: depthMax) }
        }
        self = try result.get()
    }

    /// Parses one whole document from borrowed bytes.
    public init(parsing bytes: UnsafeRawBufferPointer, depthMax: Int = 64) throws(JSONError) {
        var scanner = JSONScanner(bytes, depthMax: depthMax)
        self = try JSONValue(next: &scanner)
        try scanner.finish()
    }

    private init(next scanner: inout JSONScanner) throws(JSONError) {
        switch try scanner.peekKind() {
        case .object:
            var members: [(String, JSONValue)] = []
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                let name = JSONText.string(scanner.bytes, key)
                members.append((name, try JSONValue(next: &scanner)))
            }
            self = .object(members)
        case .array:
            var elements: [JSONValue] = []
            try scanner.enterArray()
            while try scanner.nextElement() { elements.append(try JSONValue(next: &scanner)) }
            self = .array(elements)
        case .string:
            self = .string(JSONText.string(scanner.bytes, try scanner.scanValue()))
        case .number:
            let slice = try scanner.scanValue()
            self = .number(String(decoding: scanner.bytes[slice.range], as: UTF8.self))
        case .true, .false:
            self = .bool(try scanner.scanValue().kind == .true)
        case .null:
            _ = try scanner.scanValue()
            self = .null
        }
    }

    /// The member of this name, the last one of several as most parsers have it (RFC 8259,
    /// section 4); nil when there is none or this is no object.
    public subscript(key: String) -> JSONValue? {
        members?.last { $0.0 == key }?.1
    }

    /// The element at this place; nil when there is none or this is no array.
    public subscript(index: Int) -> JSONValue? {
        guard let elements, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// An object's members in order.
    public var members: [(String, JSONValue)]? {
        if case .object(let members) = self { members } else { nil }
    }

    /// An array's elements in order.
    public var elements: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// A string's content.
    public var stringValue: String? {
        if case .string(let content) = self { content } else { nil }
    }

    /// A number written as an integer that fits in 64 bits.
    public var intValue: Int? {
        if case .number(let text) = self { Int(text) } else { nil }
    }

    /// The nearest double to a number; nil when it is too large for one.
    public var doubleValue: Double? {
        guard case .number(let text) = self, let value = Double(text), value.isFinite else {
            return nil
        }
        return value
    }

    /// A boolean's value.
    public var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// True for `null`.
    public var isNull: Bool {
        if case .null = self { true } else { false }
    }
}

extension JSONValue: Equatable {
    /// Same text after decoding: order and duplicates count, and `1.0` is not `1`.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.object(let left), .object(let right)):
            left.elementsEqual(right) { $0.0 == $1.0 && $0.1 == $1.1 }
        case (.array(let left), .array(let right)): left == right
        case (.string(let left), .string(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.bool(let left), .bool(let right)): left == right
        case (.null, .null): true
        default: false
        }
    }
}

import SpoolCore

/// A value inside a text that was validated before, with the means to walk further down.
///
/// Valid only while the text's memory is: parts live inside one closure and are never stored.
struct JSONPart {
    /// The validated text that ``slice`` counts in.
    private let text: UnsafeRawBufferPointer
    /// What the value is and where it stands.
    private let slice: JSONSlice

    private init(text: UnsafeRawBufferPointer, slice: JSONSlice) {
        self.text = text
        self.slice = slice
    }

    /// Validates a whole document and stands at its value.
    ///
    /// - Parameter depthMax: containers allowed inside each other.
    init(validating text: UnsafeRawBufferPointer, depthMax: Int) throws(JSONError) {
        self.init(text: text, slice: try JSONScanner.validate(text, depthMax: depthMax))
    }

    /// Stands at the value of a text that was validated when it was stored. Throws where the disk
    /// gave back something else.
    init(stored text: UnsafeRawBufferPointer) throws(JSONError) {
        try self.init(validating: text, depthMax: Self.depthMaxAgain)
        guard kind == .object else { throw JSONError(code: .expectedObject, offset: 0) }
    }

    /// What the value is.
    var kind: JSONKind { slice.kind }

    /// The value as it was written.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: text[slice.range]) }

    /// A string's content; precondition: it is one.
    var string: String { JSONText.string(text, slice) }

    /// True for a number without fraction and exponent.
    var isInteger: Bool { JSONText.isInteger(text, slice) }

    /// True for a string with this content.
    func isString(_ literal: StaticString) -> Bool {
        guard kind == .string else { return false }
        let content = (slice.range.lowerBound + 1)..<(slice.range.upperBound - 1)
        return JSONText.equals(text, content, hasEscapes: slice.hasEscapes, literal)
    }

    /// An object's members; precondition: it is one.
    var members: JSONMembers {
        let bytes = bytes
        var entries: [JSONMembers.Entry] = []
        Self.walk(bytes) { (scanner) throws(JSONError) in
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                let value = JSONPart(text: bytes, slice: try scanner.scanValue())
                entries.append(JSONMembers.Entry(key: key, value: value))
            }
        }
        return JSONMembers(text: bytes, entries: entries)
    }

    /// Calls `body` with each element of an array in order until it returns false; precondition: it
    /// is an array.
    func forEachElement(_ body: (Int, JSONPart) -> Bool) {
        let bytes = bytes
        Self.walk(bytes) { (scanner) throws(JSONError) in
            var index = 0
            try scanner.enterArray()
            while try scanner.nextElement() {
                let element = JSONPart(text: bytes, slice: try scanner.scanValue())
                guard body(index, element) else { return }
                index += 1
            }
        }
    }

    /// For texts whose depth was limited when they were first validated.
    static let depthMaxAgain = 1024

    private static func walk(
        _ bytes: UnsafeRawBufferPointer, _ body: (inout JSONScanner) throws(JSONError) -> Void
    ) {
        var scanner = JSONScanner(bytes, depthMax: depthMaxAgain)
        do {
            try body(&scanner)
        } catch {
            preconditionFailure("\(error) in a text that was valid before")
        }
    }
}

/// The members of one object, found by name.
struct JSONMembers {
    /// One member as it stands in the text.
    struct Entry {
        let key: JSONKey
        let value: JSONPart
    }

    private let text: UnsafeRawBufferPointer
    /// All members in the order of the text, duplicates included.
    let entries: [Entry]

    fileprivate init(text: UnsafeRawBufferPointer, entries: [Entry]) {
        self.text = text
        self.entries = entries
    }

    /// The member of this name, `null` included; the last one of several, as most parsers have it
    /// (RFC 8259, section 4).
    func written(_ name: StaticString) -> JSONPart? {
        entries.last { has($0, name) }?.value
    }

    /// The member of this name. `null` counts as absent: the API does not tell them apart.
    subscript(name: StaticString) -> JSONPart? {
        guard let value = written(name), value.kind != .null else { return nil }
        return value
    }

    /// The content of the string member of this name.
    func string(_ name: StaticString) -> String? { self[name]?.string }

    /// Whether the entry has this name.
    func has(_ entry: Entry, _ name: StaticString) -> Bool {
        JSONText.equals(text, entry.key.range, hasEscapes: entry.key.hasEscapes, name)
    }

    /// The entry as it was written, but for the white space around its colon.
    func written(_ entry: Entry) -> [UInt8] {
        let quote = UInt8(ascii: "\"")
        return [quote] + text[entry.key.range] + [quote, UInt8(ascii: ":")] + entry.value.bytes
    }

    /// The entry's name, decoded.
    func name(of entry: Entry) -> String { JSONText.string(text, entry.key) }
}

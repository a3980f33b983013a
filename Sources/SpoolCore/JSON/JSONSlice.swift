/// A validated value: what it is and where it stands in the scanned text.
public struct JSONSlice: Equatable, Sendable {
    /// What the value is.
    public let kind: JSONKind
    /// Byte offsets in the scanned text. A string's range includes its quotes.
    public let range: Range<Int>
    /// True for a string with a backslash in it; its bytes are not yet its content.
    public let hasEscapes: Bool

    /// A value at a place the caller knows from a scanner.
    public init(kind: JSONKind, range: Range<Int>, hasEscapes: Bool) {
        self.kind = kind
        self.range = range
        self.hasEscapes = hasEscapes
    }
}

/// A member's key and where it stands in the scanned text.
public struct JSONKey: Equatable, Sendable {
    /// Byte offsets of the key's content, without the quotes.
    public let range: Range<Int>
    /// True when the key holds a backslash; its bytes are not yet its content.
    public let hasEscapes: Bool
}

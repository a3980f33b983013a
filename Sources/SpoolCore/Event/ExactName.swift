/// A name that a caller or upstream has given, compared byte by byte.
///
/// Swift compares strings by canonical equivalence, so that a composed and a decomposed "é" are the same
/// (The Swift Programming Language, Strings and Characters). JSON, SQLite and upstream tell them apart:
/// as references or projects they are two.
public struct ExactName: Hashable, Sendable {
    /// The name.
    public let text: String

    /// The name `text`.
    public init(_ text: String) { self.text = text }

    /// Whether both are the same bytes.
    public static func == (one: ExactName, other: ExactName) -> Bool {
        one.text.utf8.elementsEqual(other.text.utf8)
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

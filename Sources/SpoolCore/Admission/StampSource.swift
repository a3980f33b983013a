/// Where the clock and chance enter admission. A test injects both.
public protocol StampSource: Sendable {
    /// The time that stamps what arrives now.
    func now() -> Timestamp
    /// A reference that no other log has, and that sorts after every one minted before it.
    func mintReference() -> MintedReference
}

/// A `reference_id` made up by the daemon for a log that came without one: `ls_`, nine characters
/// of time and twelve that tell logs of one millisecond apart.
///
/// Two words and no string, so that stamping a log costs no allocation.
public struct MintedReference: Hashable, Comparable, Sendable {
    /// Bytes of the written reference.
    public static let length = 24
    private static let prefix: StaticString = "ls_"
    private static let timeCharacters = 9
    private static let tailCharacters = 12

    private let milliseconds: UInt64
    private let tail: UInt64

    /// The reference of one moment.
    ///
    /// - Parameter tail: chance, or a counter that began at chance; equal tails within one
    ///   millisecond give equal references.
    public init(at time: Timestamp, tail: UInt64) {
        self.milliseconds = UInt64(max(0, time.milliseconds))
        self.tail = tail
    }

    /// The order in which references were minted; their bytes sort the same way.
    public static func < (left: MintedReference, right: MintedReference) -> Bool {
        (left.milliseconds, left.tail) < (right.milliseconds, right.tail)
    }

    /// Appends the reference's characters, none of which JSON or a URL would escape.
    public func append(to bytes: inout [UInt8]) {
        Self.prefix.withUTF8Buffer { bytes.append(contentsOf: $0) }
        Base62.append(milliseconds, characters: Self.timeCharacters, to: &bytes)
        Base62.append(tail, characters: Self.tailCharacters, to: &bytes)
    }
}

/// Decisions taken from an input's first bytes, so that the fuzzer can vary them like any other
/// byte; what is left is the text under test.
public struct Choices {
    /// What no choice has taken yet.
    public private(set) var rest: Slice<UnsafeRawBufferPointer>

    /// All choices are still open.
    public init(_ input: UnsafeRawBufferPointer) {
        rest = input[...]
    }

    /// What is left, as an array.
    public var text: [UInt8] { Array(rest) }

    /// The next byte; 0 when there is none left.
    public mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// One of these, evenly where their count divides 256.
    public mutating func one<Choice>(of choices: [Choice]) -> Choice {
        choices[Int(byte()) % choices.count]
    }

    /// Everything up to the next byte of this value, which is dropped; without one, all there is.
    public mutating func text(upTo end: UInt8) -> [UInt8] {
        let place = rest.firstIndex(of: end) ?? rest.endIndex
        let text = Array(rest[..<place])
        rest = rest[place...].dropFirst()
        return text
    }

    /// The next eight bytes as a number, missing ones as 0.
    public mutating func number() -> Int64 {
        (0..<8).reduce(0) { number, _ in number << 8 | Int64(byte()) }
    }
}

/// A text as a message shows it: printable ASCII as it is, everything else as hex.
public func shown(_ text: some Sequence<UInt8>) -> String {
    text.map { byte in
        (0x20..<0x7F).contains(byte)
            ? String(UnicodeScalar(byte)) : "<" + String(byte, radix: 16) + ">"
    }.joined()
}

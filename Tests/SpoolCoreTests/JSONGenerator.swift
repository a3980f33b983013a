import SpoolCore
import SpoolTestKit

/// Random valid documents and random damage to them, the same for the same seed.
struct JSONGenerator {
    private var random: SeededRandom

    /// A generator whose whole output is fixed by `seed`.
    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// A valid document with whitespace, escapes, every length of UTF-8 and every form of number.
    mutating func document() -> [UInt8] {
        var text: [UInt8] = []
        appendValue(to: &text, depth: 0)
        return text
    }

    /// A string literal with its quotes, escapes of lone surrogates among its content.
    mutating func stringLiteral() -> [UInt8] {
        var text: [UInt8] = []
        appendString(to: &text)
        return text
    }

    /// Decoded content for a string value, control characters and quotes included.
    mutating func content() -> String {
        String((0..<Int.random(in: 0...12, using: &random)).map { _ in character() })
    }

    /// The text with one to three small wounds; it may still be valid.
    mutating func mutant(of text: [UInt8]) -> [UInt8] {
        var mutant = text
        for _ in 0..<Int.random(in: 1...3, using: &random) where !mutant.isEmpty {
            let place = Int.random(in: mutant.indices, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: mutant[place] = UInt8.random(in: 0...255, using: &random)
            case 1: mutant[place] = pick(Self.telling)
            case 2: mutant.insert(pick(Self.telling), at: place)
            case 3: mutant.remove(at: place)
            case 4: mutant.removeSubrange(place...)
            default:
                let length = Int.random(in: 1...8, using: &random)
                mutant.insert(contentsOf: mutant[place...].prefix(length), at: place)
            }
        }
        return mutant
    }

    /// A random tree for the writer, its numbers in the form the writer gives them.
    mutating func tree(depth: Int = 0) -> JSONValue {
        switch Int.random(in: 0..<(depth < 4 ? 9 : 6), using: &random) {
        case 0: .null
        case 1: .bool(Bool.random(using: &random))
        case 2: .number(integer().description)
        case 3: .number(finiteDouble().description)
        case 4, 5: .string(content())
        case 6, 7: .object(few().map { _ in (content(), tree(depth: depth + 1)) })
        default: .array(few().map { _ in tree(depth: depth + 1) })
        }
    }

    /// Any integer, every length equally likely.
    mutating func integer() -> Int {
        Int(bitPattern: UInt(random.next())) >> Int.random(in: 0...63, using: &random)
    }

    /// Any finite double, every exponent equally likely.
    mutating func finiteDouble() -> Double {
        while true {
            let value = Double(bitPattern: random.next())
            if value.isFinite { return value }
        }
    }

    /// One of the given values.
    mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: choices.indices, using: &random)]
    }

    // MARK: - Values

    private mutating func few() -> Range<Int> { 0..<pick([0, 1, 2, 3, 6]) }

    /// Bytes that mean something to a JSON or UTF-8 parser.
    private static let telling: [UInt8] =
        Array("{}[]:,\"\\/ \t\n\r0123456789+-.eEtrufalsnbu'".utf8)
        + [0x00, 0x1F, 0x7F, 0x80, 0xA0, 0xBF, 0xC0, 0xC3, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xFF]

    private mutating func appendValue(to text: inout [UInt8], depth: Int) {
        appendSpace(to: &text)
        switch Int.random(in: 0..<(depth < 5 ? 10 : 6), using: &random) {
        case 0: text += pick(["true", "false", "null"]).utf8
        case 1, 2: appendNumber(to: &text)
        case 3, 4, 5: appendString(to: &text)
        case 6, 7, 8: appendMembers(to: &text, depth: depth)
        default: appendElements(to: &text, depth: depth)
        }
        appendSpace(to: &text)
    }

    private mutating func appendMembers(to text: inout [UInt8], depth: Int) {
        text.append(UInt8(ascii: "{"))
        for index in few() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            appendSpace(to: &text)
            appendString(to: &text)
            appendSpace(to: &text)
            text.append(UInt8(ascii: ":"))
            appendValue(to: &text, depth: depth + 1)
        }
        appendSpace(to: &text)
        text.append(UInt8(ascii: "}"))
    }

    private mutating func appendElements(to text: inout [UInt8], depth: Int) {
        text.append(UInt8(ascii: "["))
        for index in few() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            appendValue(to: &text, depth: depth + 1)
        }
        appendSpace(to: &text)
        text.append(UInt8(ascii: "]"))
    }

    private mutating func appendSpace(to text: inout [UInt8]) {
        while Int.random(in: 0..<4, using: &random) == 0 {
            text.append(pick([0x20, 0x20, 0x09, 0x0A, 0x0D]))
        }
    }

    private mutating func appendNumber(to text: inout [UInt8]) {
        if Bool.random(using: &random) { text.append(UInt8(ascii: "-")) }
        let whole: [UInt] = [0, 1, 7, 42, 100_000, .max, integer().magnitude]
        text += pick(whole).description.utf8
        if Int.random(in: 0..<3, using: &random) == 0 {
            text += pick([".0", ".5", ".125000"]).utf8
        }
        if Int.random(in: 0..<4, using: &random) == 0 {
            text += pick(["e0", "E1", "e+2", "E-03", "e-10", "E+15"]).utf8
        }
    }

    private mutating func appendString(to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for _ in 0..<pick([0, 1, 3, 7, 8, 9, 16, 30]) { appendPiece(to: &text) }
        text.append(UInt8(ascii: "\""))
    }

    private mutating func appendPiece(to text: inout [UInt8]) {
        switch Int.random(in: 0..<12, using: &random) {
        case 0: text += "\\\(pick(Array(#""\/bfnrt"#)))".utf8
        case 1: text += pick([#"\u0000"#, #"\u00E9"#, #"\u2028"#, #"\uFFFD"#, #"\uabcd"#]).utf8
        case 2: text += pick([#"\ud83d\ude00"#, #"\uD800\uDC00"#, #"\udbff\uDFFF"#]).utf8
        case 3 where Int.random(in: 0..<8, using: &random) == 0:
            text += pick([#"\ud83d"#, #"\uDC00"#, #"\uDBFF"#]).utf8
        case 3, 4: text += String(pick(Self.wide)).utf8
        default: text.append(pick(Self.plain))
        }
    }

    private mutating func character() -> Character {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: Character(UnicodeScalar(UInt8.random(in: 0..<0x20, using: &random)))
        case 1: pick(["\"", "\\", "/", "\u{7F}"])
        case 2, 3: pick(Self.wide)
        default: Character(UnicodeScalar(pick(Self.plain)))
        }
    }

    /// Printable ASCII that needs no escape.
    private static let plain: [UInt8] = (0x20...0x7E).filter { $0 != 0x22 && $0 != 0x5C }
    /// Characters of two, three and four bytes, the edges of each length among them.
    private static let wide: [Character] = [
        "\u{80}", "é", "ж", "\u{7FF}", "\u{800}", "日", "\u{D7FF}", "\u{E000}", "\u{FFFD}",
        "\u{10000}", "😀", "\u{10FFFF}",
    ]
}

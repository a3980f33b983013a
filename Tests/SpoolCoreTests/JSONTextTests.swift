import SpoolCore
import Testing

@Suite("JSON text")
struct JSONTextTests {
    @Test(
        "strings decode as JSONSerialization decodes them",
        arguments: 1...10 as ClosedRange<UInt64>)
    func decoding(seed: UInt64) {
        var generator = JSONGenerator(seed: seed &* 31)
        for round in 0..<300 {
            let text = generator.stringLiteral()
            let difference = JSONOracle.difference(on: text)
            #expect(difference == nil, "seed \(seed), round \(round): \(shown(text))")
        }
    }

    @Test(
        "escapes decode to their characters",
        arguments: [
            (#""""#, ""),
            (#""plain""#, "plain"),
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
            (#""\u0041\u00e9\u65E5""#, "Aé日"),
            (#""\u0000""#, "\u{0}"),
            (#""\ud83d\ude00!""#, "😀!"),
            (#""\uDBFF\uDFFF""#, "\u{10FFFF}"),
            (#""\\u0041""#, #"\u0041"#),
            (#""é\n日""#, "é\n日"),
            (#""\ud800""#, "\u{FFFD}"),
            (#""\udc00""#, "\u{FFFD}"),
            (#""\ud800x""#, "\u{FFFD}x"),
            (#""\ud800\n""#, "\u{FFFD}\n"),
            (#""\ud800\u0041""#, "\u{FFFD}A"),
            (#""\udc00\ud800""#, "\u{FFFD}\u{FFFD}"),
            (#""\ud800\ud83d\ude00""#, "\u{FFFD}😀"),
            (#""\ud83d\ude00\ude00""#, "😀\u{FFFD}"),
        ])
    func escapes(literal: String, content: String) throws {
        try Array(literal.utf8).withUnsafeBytes { bytes in
            let slice = try JSONScanner.validate(bytes)
            let decoded = JSONText.string(bytes, slice)
            #expect(decoded.unicodeScalars.elementsEqual(content.unicodeScalars))
            #expect(slice.hasEscapes == literal.contains("\\"))
        }
    }

    @Test(
        "a key equals a literal by its decoded content",
        arguments: [
            (#"{"log":0}"#, true), (#"{"l\u006fg":0}"#, true), (#"{"\u006C\u006F\u0067":0}"#, true),
            (#"{"lo":0}"#, false), (#"{"logs":0}"#, false), (#"{"Log":0}"#, false),
            (#"{"":0}"#, false), (#"{"lo\n":0}"#, false), (#"{"log\u0000":0}"#, false),
            (#"{"l\\u006fg":0}"#, false), (#"{"lög":0}"#, false),
        ])
    func equality(text: String, isEqual: Bool) throws {
        try Array(text.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            try scanner.enterObject()
            let key = try #require(try scanner.nextMember())
            let found = JSONText.equals(bytes, key.range, hasEscapes: key.hasEscapes, "log")
            #expect(found == isEqual)
        }
    }

    @Test("one letter and the empty literal compare too")
    func shortLiterals() {
        Array(#"{"":0,"a":0}"#.utf8).withUnsafeBytes { bytes in
            #expect(JSONText.equals(bytes, 2..<2, hasEscapes: false, ""))
            #expect(!JSONText.equals(bytes, 2..<2, hasEscapes: false, "a"))
            #expect(JSONText.equals(bytes, 7..<8, hasEscapes: false, "a"))
            #expect(!JSONText.equals(bytes, 7..<8, hasEscapes: false, "b"))
        }
    }

    @Test(
        "integers are told from other values and read when they fit",
        arguments: [
            ("0", true, 0), ("-0", true, 0), ("42", true, 42), ("-17", true, -17),
            ("9223372036854775807", true, .max), ("-9223372036854775808", true, .min),
            ("9223372036854775808", true, nil), ("-9223372036854775809", true, nil),
            ("99999999999999999999999", true, nil), ("92233720368547758070", true, nil),
            ("1.0", false, nil), ("1e2", false, nil), ("1E0", false, nil), ("-0.0", false, nil),
            (#""1""#, false, nil), ("true", false, nil), ("null", false, nil), ("[1]", false, nil),
        ] as [(String, Bool, Int?)])
    func integers(text: String, isInteger: Bool, value: Int?) throws {
        try Array(text.utf8).withUnsafeBytes { bytes in
            let slice = try JSONScanner.validate(bytes)
            #expect(JSONText.isInteger(bytes, slice) == isInteger)
            #expect(JSONText.int(bytes, slice) == value)
        }
    }
}

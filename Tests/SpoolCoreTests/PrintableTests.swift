import SpoolCore
import Testing

@Suite struct `Words of others on a terminal` {
    @Test func `what steers a terminal is shown and not obeyed`() {
        #expect("p\u{1b}[2J\u{7}".printable == #"p\u001b[2J\u0007"#)
        #expect("one\r\n\ttwo".printable == #"one\r\n\ttwo"#)
        #expect("\u{7f}\u{9b}31m\u{85}".printable == #"\u007f\u009b31m\u0085"#)
        #expect("\u{2028}\u{202e}\u{2066}".printable == #"\u2028\u202e\u2066"#)
    }

    @Test func `no control character is left`() {
        for value in (0..<0x20).map(UInt32.init) + Array(0x7f..<0xa0) {
            let text = Unicode.Scalar(value).map { String($0) } ?? ""
            for shown in [text.printable, text.printableJSON] {
                #expect(!shown.isEmpty)
                #expect(shown.unicodeScalars.allSatisfy { (0x20..<0x7f).contains($0.value) })
            }
        }
    }

    @Test func `everything else is shown as it is`() {
        for text in ["", "Grüße \\ \"x\" 日本語 👩‍💻 e\u{301}", "a b\u{a0}c"] {
            #expect(text.printable == text)
            #expect(text.printableJSON == text)
        }
    }

    @Test func `a whole tree is shown`() throws {
        let tree = try JSONValue(parsing: Array(#"{"a\u001b":["\u009b",1,true,null]}"#.utf8))
        let elements: [JSONValue] = [.string(#"\u009b"#), .number("1"), .bool(true), .null]
        #expect(tree.printable == .object([(#"a\u001b"#, .array(elements))]))
    }

    @Test func `a JSON document stays the same document`() throws {
        let text = "{\"a\u{9b}\u{7f}\u{202e}\":\r\n\t[1, \"\\u001b\\n\"]}"
        #expect(text.printableJSON == #"{"a\u009b\u007f\u202e":   [1, "\u001b\n"]}"#)
        #expect(
            try JSONValue(parsing: Array(text.printableJSON.utf8))
                == JSONValue(parsing: Array(text.utf8)))
    }
}

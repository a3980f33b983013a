import Foundation
import SpoolCore
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// Finding a text inside JSON.
struct SearchTermTests {
    private static func isFound(_ term: String, in json: String, names: Bool = false) throws -> Bool
    {
        let term = try #require(SearchTerm(term))
        return try Array(json.utf8).withUnsafeBytes { try term.isFound(in: $0, names: names) }
    }

    @Test(arguments: [
        ("a", #""a""#, true), ("A", #""xay""#, true), ("a", #""b""#, false), ("a", #""""#, false),
        ("n", "null", true), ("12", "[1,2]", false), ("e-07", "[1e-07]", true),
        ("tru", "true", true),
        (#"""#, #""a""#, false), (#"""#, #""\"""#, true), (#"\"#, #""\n""#, false),
        ("\n", #""\n""#, true), ("😀", #""\ud83d\ude00""#, true), ("é", #""\u00e9""#, true),
        ("É", #""é""#, false), ("aab", #""aaab""#, true), ("abab", #""ababab""#, true),
        ("abac", #""ababac""#, true), ("ab", #"["a","b"]"#, false), ("b", #"{"b":1}"#, false),
        ("c", #"{"a":[{"b":["abc"]}]}"#, true), ("\u{0}", #""\u0000""#, true),
    ])
    func `a term is found inside values, wherever they stand`(
        term: String, json: String, expected: Bool
    ) throws {
        #expect(try Self.isFound(term, in: json) == expected)
    }

    @Test func `names are looked at only where asked`() throws {
        let json = #"{"outer":{"k\u0065y":1}}"#
        for term in ["outer", "KEY", "key"] {
            #expect(try !Self.isFound(term, in: json))
            #expect(try Self.isFound(term, in: json, names: true))
        }
    }

    @Test func `an empty term is no search`() {
        #expect(SearchTerm("") == nil)
    }

    @Test func `the same is found as Foundation finds`() throws {
        var random = SeededRandom(seed: 11)
        func text(_ length: Int) -> String {
            String((0..<length).map { _ in "aAbB".randomElement(using: &random) ?? "a" })
        }
        for _ in 0..<5000 {
            let term = text(Int.random(in: 1...6, using: &random))
            let content = text(Int.random(in: 0...20, using: &random))
            let expected = content.range(of: term, options: .caseInsensitive) != nil
            #expect(
                try Self.isFound(term, in: "\"\(content)\"") == expected, "\(term) in \(content)")
        }
    }
}

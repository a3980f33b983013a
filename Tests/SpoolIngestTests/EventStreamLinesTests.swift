import SpoolTestKit
import Testing

@testable import SpoolIngest

@Suite("Cutting a stream into lines")
struct EventStreamLinesTests {
    private static func cut(
        _ text: [UInt8], at cuts: [Int], lineBytesMax: Int = 1 << 20
    ) -> [String] {
        var lines = EventStreamLines(lineBytesMax: lineBytesMax)
        var found: [String] = []
        func take(_ line: EventStreamLines.Line) {
            switch line {
            case .whole(let bytes): found.append(String(decoding: bytes, as: UTF8.self))
            case .abandoned(let beginning, _): found.append("abandoned \(beginning.count)")
            }
        }
        var start = 0
        for cut in cuts + [text.count] {
            text[start..<cut].withUnsafeBytes { lines.read($0, take) }
            start = cut
        }
        lines.finish(take)
        #expect(lines.heldBytes == 0)
        return found
    }

    @Test("wherever the stream is cut, the lines are the same", arguments: 0..<200)
    func anyCut(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let text = (0..<Int.random(in: 0...400, using: &random)).map { _ in
            Bool.random(using: &random) && Bool.random(using: &random)
                ? UInt8(ascii: "\n") : UInt8.random(in: 97...122, using: &random)
        }
        var expected = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        if expected.last == "" { expected.removeLast() }
        let cuts = (0..<Int.random(in: 0...20, using: &random))
            .map { _ in Int.random(in: 0...text.count, using: &random) }.sorted()
        #expect(Self.cut(text, at: cuts) == expected)
        #expect(Self.cut(text, at: Array(text.indices)) == expected)
    }

    @Test("a line of the greatest length is whole, a longer one abandoned, wherever it is cut")
    func tooLong() {
        let text = Array("12345678\n123456789\n\nabc\n123456789".utf8)
        let expected = ["12345678", "abandoned 9", "", "abc", "abandoned 9"]
        #expect(Self.cut(text, at: [], lineBytesMax: 8) == expected)
        for cut in text.indices {
            #expect(Self.cut(text, at: [cut], lineBytesMax: 8) == expected)
        }
    }

    @Test("of an abandoned line only the beginning is held")
    func heldBytes() {
        var lines = EventStreamLines(lineBytesMax: 100_000)
        let part = [UInt8](repeating: 0x61, count: 70_000)
        for _ in 0..<100 {
            part.withUnsafeBytes { lines.read($0) { _ in } }
            #expect(lines.heldBytes <= 100_000)
        }
        #expect(lines.heldBytes <= 70_000)
    }
}

import SpoolCore
import Testing

/// Every text the scanner was ever told about, with the verdict it owes.
enum JSONCorpus {
    /// The corpus.
    static let all: [JSONCase] =
        JSONCorpusStructure.objects + JSONCorpusStructure.arrays + JSONCorpusStructure.whitespace
        + JSONCorpusStructure.literals + JSONCorpusStructure.surroundings
        + JSONCorpusStructure.nesting + JSONCorpusScalars.numbers + JSONCorpusScalars.strings
        + JSONCorpusScalars.utf8
}

@Suite("JSON corpus")
struct JSONCorpusTests {
    @Test("each text gets its verdict", arguments: JSONCorpus.all)
    func verdict(of text: JSONCase) {
        let found = scan(text.bytes)
        #expect(
            found.refusal?.code == text.refusal,
            "\(found.refusal?.message ?? "accepted"): \(shown(Array(text.bytes.prefix(200))))")
    }

    @Test("an accepted text is one value with whitespace around it")
    func acceptedRange() throws {
        for text in JSONCorpus.all where text.refusal == nil {
            let slice = try scan(text.bytes).get()
            let isSpace = { (byte: UInt8) in [0x20, 0x09, 0x0A, 0x0D].contains(byte) }
            #expect(text.bytes[..<slice.range.lowerBound].allSatisfy(isSpace), "\(text.name)")
            #expect(text.bytes[slice.range.upperBound...].allSatisfy(isSpace), "\(text.name)")
            #expect(!isSpace(text.bytes[slice.range.lowerBound]), "\(text.name)")
            #expect(!isSpace(text.bytes[slice.range.upperBound - 1]), "\(text.name)")
        }
    }

    @Test("a refusal points at a byte of the text, or at its end when the text is too short")
    func refusedOffset() {
        for text in JSONCorpus.all {
            guard let refusal = scan(text.bytes).refusal else { continue }
            if refusal.code == .unexpectedEnd {
                #expect(refusal.offset == text.bytes.count, "\(text.name)")
            } else {
                #expect(text.bytes.indices.contains(refusal.offset), "\(text.name)")
            }
        }
    }

    @Test("the corpus is large, names are unique and no text occurs twice")
    func corpusItself() {
        #expect(JSONCorpus.all.count >= 250)
        let sameName = Dictionary(grouping: JSONCorpus.all, by: \.name).filter { $1.count > 1 }
        let sameText = Dictionary(grouping: JSONCorpus.all, by: \.bytes).filter { $1.count > 1 }
        #expect(sameName.isEmpty, "\(sameName.keys)")
        #expect(sameText.isEmpty, "\(sameText.values.map { $0.map(\.name) })")
    }

    @Test("every refusal code but those of the pull calls has a text that provokes it")
    func codesCovered() {
        let provoked = Set(JSONCorpus.all.compactMap(\.refusal))
        let pullOnly: Set<JSONError.Code> = [.expectedObject, .expectedArray]
        #expect(provoked == Set(JSONError.Code.allCases).subtracting(pullOnly))
    }
}

import SpoolTestKit
import Testing

@Suite("JSON generator")
struct JSONGeneratorTests {
    @Test("its random numbers are SplitMix64's and depend on nothing but the seed")
    func knownSequence() {
        var random = SeededRandom(seed: 0)
        let first = (0..<3).map { _ in random.next() }
        #expect(first == [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F])
    }

    @Test("the same seed gives the same documents and the same damage, another seed others")
    func repeatable() {
        func texts(seed: UInt64) -> [[UInt8]] {
            var generator = JSONGenerator(seed: seed)
            return (0..<20).map { _ in
                let document = generator.document()
                return document + generator.mutant(of: document)
            }
        }
        #expect(texts(seed: 1) == texts(seed: 1))
        #expect(texts(seed: 1) != texts(seed: 2))
    }
}

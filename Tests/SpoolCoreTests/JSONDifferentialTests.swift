import SpoolCore
import Testing

@Suite("JSON scanner against JSONSerialization")
struct JSONDifferentialTests {
    @Test("both read the corpus alike, nesting beyond our limit apart")
    func corpus() {
        for text in JSONCorpus.all where text.refusal != .tooDeep {
            let difference = JSONOracle.difference(on: text.bytes)
            #expect(difference == nil, "\(text.name)")
        }
    }

    @Test("both read generated documents alike", arguments: 1...10 as ClosedRange<UInt64>)
    func documents(seed: UInt64) {
        var generator = JSONGenerator(seed: seed)
        for round in 0..<100 {
            let text = generator.document()
            let difference = JSONOracle.difference(on: text)
            #expect(scan(text).refusal == nil, "seed \(seed), round \(round): \(shown(text))")
            #expect(difference == nil, "seed \(seed), round \(round): \(shown(text))")
        }
    }

    @Test("both judge damaged documents alike", arguments: 1...20 as ClosedRange<UInt64>)
    func mutants(seed: UInt64) {
        var generator = JSONGenerator(seed: seed &* 1_000_003)
        var accepted = 0
        var refused = 0
        for round in 0..<1_000 {
            var text = generator.document()
            while text.count > 400 { text = generator.document() }
            let mutant = generator.mutant(of: text)
            if scan(mutant).refusal == nil { accepted += 1 } else { refused += 1 }
            let difference = JSONOracle.difference(on: mutant)
            #expect(difference == nil, "seed \(seed), round \(round): \(shown(mutant))")
        }
        // Damage that never spoils, or always does, would compare nothing.
        #expect(accepted > 50 && refused > 50, "seed \(seed): \(accepted) and \(refused)")
    }
}

import Glibc
import SpoolCore
import Testing

/// Words of eight bytes, fast paths and ends of text: places where a scanner reads too far or
/// judges a byte by where it stands.
@Suite("JSON scanner at the edges of its text")
struct JSONBoundsTests {
    @Test("every byte gets the same verdict at every place in a string")
    func everyByteAtEveryPlace() {
        for length in 0...19 {
            for place in 0...length {
                for byte in UInt8.min...UInt8.max {
                    var content = [UInt8](repeating: UInt8(ascii: "x"), count: length)
                    content.insert(byte, at: place)
                    let found = scan([0x22] + content + [0x22]).refusal
                    let wanted = refusal(of: byte, at: place + 1, next: place < length)
                    #expect(found == wanted, "byte \(byte) at \(place) of \(length)")
                }
            }
        }
    }

    @Test("sequences outside ASCII get the standard library's verdict, wherever the text ends")
    func everyKindOfSequence() {
        let tails: [UInt8] = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xED, 0xFF]
        for lead in UInt8(0x80)...0xFF {
            for second in tails {
                for third in tails {
                    for length in 1...4 {
                        let content = [lead, second, third, second].prefix(length)
                        let isUTF8 = String(validating: content, as: UTF8.self) != nil
                        for padding in ["", "    "] {
                            let text = [0x22] + content + Array(padding.utf8) + [0x22]
                            let refusal = scan(text).refusal
                            #expect(
                                refusal?.code == (isUTF8 ? nil : .invalidUTF8), "\(shown(text))")
                        }
                    }
                }
            }
        }
    }

    @Test("no prefix of a valid document reads past its end, and none is refused but for its end")
    func everyPrefix() throws {
        let page = try GuardedPage()
        var texts = JSONCorpus.all.filter { $0.refusal == nil }.map(\.bytes)
        var generator = JSONGenerator(seed: 11)
        texts += (0..<60).map { _ in generator.document() }
        for text in texts where text.count <= page.size {
            for length in 0..<text.count {
                let prefix = text.prefix(length)
                let found = page.withBytes(prefix) { bytes in
                    Result { () throws(JSONError) in try JSONScanner.validate(bytes) }
                }
                switch found {
                case .failure(let error):
                    #expect(
                        error == JSONError(code: .unexpectedEnd, offset: length),
                        "\(shown(Array(prefix)))")
                case .success(let slice):
                    // Only a number can be cut and stay whole; else only whitespace was cut.
                    let rest = text[length...].allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
                    #expect(slice.kind == .number || rest, "\(shown(Array(prefix)))")
                }
            }
        }
    }

    @Test("damaged documents are never read past their end", arguments: [1, 2, 3, 4] as [UInt64])
    func mutantsAtTheEndOfMemory(seed: UInt64) throws {
        let page = try GuardedPage()
        var generator = JSONGenerator(seed: seed &* 104_729)
        for round in 0..<1_000 {
            let mutant = generator.mutant(of: generator.document())
            guard mutant.count <= page.size else { continue }
            let found = page.withBytes(mutant[...]) { bytes in
                Result { () throws(JSONError) in try JSONScanner.validate(bytes) }
            }
            #expect(found == scan(mutant), "seed \(seed), round \(round): \(shown(mutant))")
        }
    }

    @Test("an empty buffer without memory is an unexpected end")
    func emptyBuffer() {
        let error = #expect(throws: JSONError.self) {
            try JSONScanner.validate(UnsafeRawBufferPointer(start: nil, count: 0))
        }
        #expect(error == JSONError(code: .unexpectedEnd, offset: 0))
    }

    /// What must be said about one byte between plain letters, `next` telling whether one follows.
    private func refusal(of byte: UInt8, at offset: Int, next: Bool) -> JSONError? {
        switch byte {
        case ..<0x20: JSONError(code: .controlCharacter, offset: offset)
        case UInt8(ascii: "\""): JSONError(code: .trailingBytes, offset: offset + 1)
        // The letter x makes no escape; the closing quote makes one and leaves the string open.
        case UInt8(ascii: "\\"):
            next
                ? JSONError(code: .invalidEscape, offset: offset + 1)
                : JSONError(code: .unexpectedEnd, offset: offset + 2)
        case 0xC2...0xF4: JSONError(code: .invalidUTF8, offset: offset + 1)
        case 0x80...: JSONError(code: .invalidUTF8, offset: offset)
        default: nil
        }
    }
}

/// Memory that ends where the program may read no further: one byte too far stops the test.
private struct GuardedPage: ~Copyable {
    let size = 1 << 16
    private let memory: UnsafeMutableRawPointer

    init() throws {
        let mapped = mmap(
            nil, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        let start = try #require(mapped != MAP_FAILED ? mapped : nil, "mmap: errno \(errno)")
        try #require(mprotect(start + size, size, PROT_NONE) == 0, "mprotect: errno \(errno)")
        memory = start
    }

    deinit { munmap(memory, 2 * size) }

    /// Lends a copy of the text whose last byte is the last one readable.
    func withBytes<Value>(
        _ text: ArraySlice<UInt8>, _ body: (UnsafeRawBufferPointer) -> Value
    ) -> Value {
        let start = memory + (size - text.count)
        let bytes = UnsafeMutableRawBufferPointer(start: start, count: text.count)
        bytes.copyBytes(from: text)
        return body(UnsafeRawBufferPointer(bytes))
    }
}

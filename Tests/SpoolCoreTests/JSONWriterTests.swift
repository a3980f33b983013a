import SpoolCore
import Testing

@Suite("JSON writer")
struct JSONWriterTests {
    @Test("commas and colons stand where they belong")
    func structure() {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("a")
        writer.int(-1)
        writer.key("list" as String)
        writer.beginArray()
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.string("x")
        writer.uint(UInt64.max)
        writer.double(1.5)
        writer.bool(true)
        writer.bool(false)
        writer.null()
        writer.raw(#"{"k": [1, 2]}"#.utf8)
        writer.endArray()
        writer.key("last")
        writer.string("é\n".utf8)
        writer.endObject()
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"{"a":-1,"list":[{},[],"x",18446744073709551615,1.5,true,false,null,"#
                + #"{"k": [1, 2]}],"last":"é\n"}"#)
    }

    @Test("raw JSON is copied as it is, in one piece of memory or not")
    func raw() {
        let inOnePiece: [UInt8] = Array("[1, 2]".utf8)
        #expect(written { $0.raw(inOnePiece) } == "[1, 2]")
        #expect(inOnePiece.withUnsafeBytes { bytes in written { $0.raw(bytes[1..<2]) } } == "1")
        #expect(written { $0.raw("eurt".utf8.reversed()) } == "true")
    }

    @Test("integers of every width and sign are written in full")
    func integers() {
        let values: [Int] = [0, 9, 10, -1, -10, 1_000_000, .max, .min]
        for value in values { #expect(written { $0.int(value) } == "\(value)") }
        #expect(written { $0.int(Int8.min) } == "-128")
        #expect(written { $0.int(Int64.min) } == "-9223372036854775808")
        #expect(written { $0.uint(UInt8.max) } == "255")
        #expect(written { $0.uint(0 as UInt) } == "0")
    }

    @Test("doubles read back as the same value")
    func doubles() throws {
        var generator = JSONGenerator(seed: 5)
        let edges = [
            0, -0.0, 1, 0.1, 1e15, 1e16, 1e17, -1e-5, .pi, .greatestFiniteMagnitude,
            .leastNonzeroMagnitude, -.leastNormalMagnitude,
        ]
        for value in edges + (0..<2_000).map({ _ in generator.finiteDouble() }) {
            let text = written { $0.double(value) }
            #expect(scan(Array(text.utf8)).refusal == nil, "\(text)")
            let readBack = try #require(Double(text))
            #expect(readBack.bitPattern == value.bitPattern, "\(text)")
        }
    }

    @Test("what must be escaped is escaped, and nothing else")
    func escaping() {
        #expect(written { $0.string("\"\\\u{8}\u{9}\n\u{C}\r") } == #""\"\\\b\t\n\f\r""#)
        #expect(written { $0.string("\u{0}\u{1}\u{1F}") } == #""\u0000\u0001\u001f""#)
        #expect(written { $0.string("/é日😀\u{7F}\u{2028}") } == "\"/é日😀\u{7F}\u{2028}\"")
        #expect(written { $0.string("") } == "\"\"")
        #expect(written { $0.string([0x61, 0xFF, 0x62] as [UInt8]) } == "\"a\u{FFFD}b\"")
    }

    @Test("keys are escaped like strings")
    func keys() {
        let dynamic = written {
            $0.beginObject()
            $0.key("say \"\(1)\"\n")
            $0.null()
            $0.endObject()
        }
        #expect(dynamic == #"{"say \"1\"\n":null}"#)
        let fixed = written {
            $0.beginObject()
            $0.key("tab\tquote\"")
            $0.null()
            $0.endObject()
        }
        #expect(fixed == #"{"tab\tquote\"":null}"#)
    }

    @Test(
        "what the writer writes, scanner, tree and JSONSerialization read back",
        arguments: 1...10 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var generator = JSONGenerator(seed: seed &* 271)
        for round in 0..<100 {
            let tree = generator.tree()
            var writer = JSONWriter(reserving: 0)
            write(tree, to: &writer)
            let text = writer.bytes
            let context = "seed \(seed), round \(round): \(shown(text))"
            let slice = try scan(text).get()
            #expect(slice.range == 0..<text.count, "\(context)")
            let parsed = try JSONValue(parsing: text)
            #expect(parsed == tree, "\(context)")
            let difference = JSONOracle.difference(on: text)
            #expect(difference == nil, "\(context)")
        }
    }

    private func written(_ calls: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        calls(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func write(_ value: JSONValue, to writer: inout JSONWriter) {
        switch value {
        case .object(let members):
            writer.beginObject()
            for (name, value) in members {
                writer.key(name)
                write(value, to: &writer)
            }
            writer.endObject()
        case .array(let elements):
            writer.beginArray()
            for element in elements { write(element, to: &writer) }
            writer.endArray()
        case .string(let content): writer.string(content)
        case .number(let text):
            if let value = Int(text) {
                writer.int(value)
            } else if let value = Double(text) {
                writer.double(value)
            }
        case .bool(let value): writer.bool(value)
        case .null: writer.null()
        }
    }
}

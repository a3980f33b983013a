import SpoolCore
import SpoolTestKit
import Testing

@Suite("JSON pull scanner")
struct JSONPullTests {
    @Test("walking members yields each key and its value's bytes")
    func membersOfAnObject() throws {
        let text = Array(#" { "a" : 1 , "b\n":[true, {"c":"x"}],"":"\u0041"} "#.utf8)
        try text.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            var found: [String] = []
            #expect(try scanner.peekKind() == .object)
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                let value = try scanner.scanValue()
                let raw = String(decoding: bytes[value.range], as: UTF8.self)
                let name = JSONText.string(bytes, key)
                found.append("\(name) \(key.hasEscapes) \(value.kind) \(raw)")
            }
            try scanner.finish()
            #expect(
                found == [
                    "a false number 1",
                    "b\n true array [true, {\"c\":\"x\"}]",
                    #" false string "\u0041""#,
                ])
        }
    }

    @Test("kinds, ranges and escapes of an array's elements are told")
    func elementsOfAnArray() throws {
        let text = Array(#"[{},[0] ,"a","\n",-1.5, true,false,null]"#.utf8)
        try text.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            var found: [JSONSlice] = []
            try scanner.enterArray()
            while try scanner.nextElement() { found.append(try scanner.scanValue()) }
            try scanner.finish()
            #expect(
                found.map(\.kind)
                    == [.object, .array, .string, .string, .number, .true, .false, .null])
            #expect(found.map(\.hasEscapes).firstIndex(of: true) == 3)
            #expect(
                found.map { String(decoding: bytes[$0.range], as: UTF8.self) }
                    == ["{}", "[0]", #""a""#, #""\n""#, "-1.5", "true", "false", "null"])
        }
    }

    @Test("entering the wrong container names what was expected")
    func wrongContainer() {
        refusal(of: "[]", .expectedObject, at: 0) { (scanner) throws(JSONError) in
            try scanner.enterObject()
        }
        refusal(of: " {}", .expectedArray, at: 1) { (scanner) throws(JSONError) in
            try scanner.enterArray()
        }
        refusal(of: "", .unexpectedEnd, at: 0) { (scanner) throws(JSONError) in
            try scanner.enterArray()
        }
        refusal(of: "\u{FEFF}{}", .byteOrderMark, at: 0) { (scanner) throws(JSONError) in
            try scanner.enterObject()
        }
    }

    @Test("entered containers count towards the depth limit")
    func depthAcrossEntering() throws {
        let text = Array("[[[[]]]]".utf8)
        text.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes, depthMax: 3)
            let error = #expect(throws: JSONError.self) {
                try scanner.enterArray()
                _ = try scanner.nextElement()
                try scanner.enterArray()
                _ = try scanner.nextElement()
                _ = try scanner.scanValue()
            }
            #expect(error == JSONError(code: .tooDeep, offset: 3))
        }
        #expect(scan(text, depthMax: 4).refusal == nil)
        #expect(scan(Array("1".utf8), depthMax: 0).refusal == nil)
        #expect(scan(Array("[]".utf8), depthMax: 0).refusal?.code == .tooDeep)
    }

    @Test("a container that was left makes room for its neighbour")
    func depthIsGivenBack() {
        #expect(scan(Array("[[],[],{},[{}]]".utf8), depthMax: 3).refusal == nil)
        #expect(scan(Array("[[],[],{},[{}]]".utf8), depthMax: 2).refusal?.code == .tooDeep)
    }

    @Test("finishing inside a container is an unexpected end")
    func finishTooEarly() {
        refusal(of: "[1", .unexpectedEnd, at: 2) { (scanner) throws(JSONError) in
            try scanner.enterArray()
            _ = try scanner.nextElement()
            _ = try scanner.scanValue()
            try scanner.finish()
        }
    }

    @Test(
        "any mix of entering and skipping gives the verdict of one whole scan",
        arguments: 1...20 as ClosedRange<UInt64>)
    func mixedWalk(seed: UInt64) {
        var generator = JSONGenerator(seed: seed &* 7_919)
        for round in 0..<150 {
            let document = generator.document()
            for text in [document, generator.mutant(of: document)] {
                let walked = walk(text, choices: SeededRandom(seed: seed &+ UInt64(round)))
                #expect(walked == scan(text), "seed \(seed), round \(round): \(shown(text))")
            }
        }
    }

    @Test("messages name the byte")
    func messages() {
        let error = scan(Array(#"{"a":1,"bc":true "d":2}"#.utf8)).refusal
        #expect(error?.message == "expected ',' or '}' at byte 17")
        #expect(error.map { "\($0)" } == error?.message)
        let messages = JSONError.Code.allCases.map { JSONError(code: $0, offset: 3).message }
        #expect(Set(messages).count == messages.count)
        #expect(messages.allSatisfy { $0.hasSuffix(" at byte 3") })
    }

    // MARK: - Walking

    private func refusal(
        of text: String, _ code: JSONError.Code, at offset: Int,
        _ calls: (inout JSONScanner) throws(JSONError) -> Void
    ) {
        Array(text.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            let error = #expect(throws: JSONError.self) { try calls(&scanner) }
            #expect(error == JSONError(code: code, offset: offset))
        }
    }

    /// Scans a document through the pull calls, entering or skipping containers at random.
    private func walk(_ text: [UInt8], choices: SeededRandom) -> Result<JSONSlice, JSONError> {
        text.withUnsafeBytes { bytes in
            var choices = choices
            return Result { () throws(JSONError) in
                var scanner = JSONScanner(bytes)
                let slice = try walkValue(&scanner, &choices)
                try scanner.finish()
                return slice
            }
        }
    }

    private func walkValue(
        _ scanner: inout JSONScanner, _ choices: inout SeededRandom
    ) throws(JSONError) -> JSONSlice {
        let kind = try scanner.peekKind()
        let start = scanner.offset
        guard kind == .object || kind == .array, Int.random(in: 0..<4, using: &choices) > 0 else {
            return try scanner.scanValue()
        }
        if kind == .object {
            try scanner.enterObject()
            while try scanner.nextMember() != nil { _ = try walkValue(&scanner, &choices) }
        } else {
            try scanner.enterArray()
            while try scanner.nextElement() { _ = try walkValue(&scanner, &choices) }
        }
        return JSONSlice(kind: kind, range: start..<scanner.offset, hasEscapes: false)
    }
}

import FuzzKit
import SpoolCore

/// The scanner judges and reads every text as Foundation does (known differences apart), its error
/// depends on nothing behind the byte it names, and what is written again reads the same.
@main
enum Scanner {
    static func main() {
        Fuzzer.run { input in
            let text = Array(input)
            let verdict = scan(text)
            checkTree(text, verdict)
            switch verdict {
            case .success: break
            case .failure(let error): checkError(error, text)
            }
            // The oracle has no such limit.
            if case .failure(let error) = verdict, error.code == .tooDeep { return }
            let compared = withoutMarks(text)
            let difference = JSONOracle.difference(on: compared)
            require(difference == nil, "\(difference ?? ""): \(shown(compared))")
        }
    }

    /// The oracle drops U+FEFF from some keys too, so that it may find two equal: U+FEFE stands in.
    private static func withoutMarks(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for end in text.indices.dropFirst(2) where text[(end - 2)...end] == [0xEF, 0xBB, 0xBF] {
            text[end] = 0xBE
        }
        return text
    }

    private static func checkError(_ error: JSONError, _ text: [UInt8]) {
        require((0...text.count).contains(error.offset), "\(error) in \(text.count) bytes")
        guard error.code != .unexpectedEnd else {
            return require(error.offset == text.count, "\(error) in \(text.count) bytes")
        }
        require(error.offset < text.count, "\(error) in \(text.count) bytes")
        // A mark is known by its third byte.
        guard error.code != .byteOrderMark else { return }
        let again = scan(Array(text[...error.offset]))
        require(again == .failure(error), "\(error), but on the text up to there \(again)")
    }

    private static func checkTree(_ text: [UInt8], _ verdict: Result<JSONSlice, JSONError>) {
        let tree = Result { () throws(JSONError) in try JSONValue(parsing: text) }
        switch (verdict, tree) {
        case (.failure(let one), .failure(let other)):
            require(one == other, "scanned: \(one), parsed: \(other)")
        case (.success, .success(let value)):
            var writer = JSONWriter()
            write(value, to: &writer)
            let again = try? JSONValue(parsing: writer.bytes)
            require(again == value, "written again as \(shown(writer.bytes))")
        case (.success, .failure), (.failure, .success):
            require(false, "scanned: \(verdict), parsed: \(tree)")
        }
    }

    private static func write(_ value: JSONValue, to writer: inout JSONWriter) {
        switch value {
        case .object(let members):
            writer.beginObject()
            for (key, value) in members {
                writer.key(key)
                write(value, to: &writer)
            }
            writer.endObject()
        case .array(let elements):
            writer.beginArray()
            for element in elements { write(element, to: &writer) }
            writer.endArray()
        case .string(let content): writer.string(content)
        case .number(let text): writer.raw(Array(text.utf8))
        case .bool(let value): writer.bool(value)
        case .null: writer.null()
        }
    }
}

/// Scans one whole document held in an array.
func scan(_ text: [UInt8], depthMax: Int = 64) -> Result<JSONSlice, JSONError> {
    text.withUnsafeBytes { bytes in
        Result { () throws(JSONError) in try JSONScanner.validate(bytes, depthMax: depthMax) }
    }
}

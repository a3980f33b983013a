import SpoolCore
import Testing

/// One text of the corpus and what the scanner has to say about it.
struct JSONCase: Sendable, CustomTestStringConvertible {
    /// What the text shows; unique in the corpus.
    let name: String
    /// The text.
    let bytes: [UInt8]
    /// Nil when the text is valid JSON.
    let refusal: JSONError.Code?

    /// The name stands for the case in test results.
    var testDescription: String { name }

    /// A valid text.
    static func accept(_ name: String, _ text: String) -> JSONCase {
        JSONCase(name: name, bytes: Array(text.utf8), refusal: nil)
    }

    /// A valid text that a Swift literal cannot spell.
    static func accept(_ name: String, bytes: [UInt8]) -> JSONCase {
        JSONCase(name: name, bytes: bytes, refusal: nil)
    }

    /// A text refused for this reason.
    static func reject(_ name: String, _ text: String, _ code: JSONError.Code) -> JSONCase {
        JSONCase(name: name, bytes: Array(text.utf8), refusal: code)
    }

    /// A refused text that is not UTF-8, or not easily spelt.
    static func reject(_ name: String, bytes: [UInt8], _ code: JSONError.Code) -> JSONCase {
        JSONCase(name: name, bytes: bytes, refusal: code)
    }
}

/// Scans one whole document held in an array.
func scan(_ text: [UInt8], depthMax: Int = 64) -> Result<JSONSlice, JSONError> {
    text.withUnsafeBytes { bytes in
        Result { () throws(JSONError) in try JSONScanner.validate(bytes, depthMax: depthMax) }
    }
}

extension Result where Success == JSONSlice, Failure == JSONError {
    /// The refusal, nil when the text was accepted.
    var refusal: JSONError? {
        if case .failure(let error) = self { error } else { nil }
    }
}

/// A text as a failure message shows it: ASCII as it is, everything else as hex.
func shown(_ text: [UInt8]) -> String {
    text.map { byte in
        (0x20..<0x7F).contains(byte)
            ? String(UnicodeScalar(byte)) : "<" + String(byte, radix: 16) + ">"
    }.joined()
}

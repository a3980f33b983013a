/// What an id must be to stand in a request's path.
public enum PathID {
    /// What is asked of an id, in words.
    public static let demand: String =
        "an id in a path must not be empty, nor hold . or .. as one of its steps"

    /// Whether an id, decoded, cannot leave its place in the path: servers take dot segments away
    /// (RFC 3986, section 5.2.4), many of them also where slash or dots were percent-encoded.
    public static func isUsable(_ id: UnsafeRawBufferPointer) -> Bool {
        guard !id.isEmpty else { return false }
        let steps = id.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return !steps.contains { step in
            (1...2).contains(step.count) && step.allSatisfy { $0 == UInt8(ascii: ".") }
        }
    }

    /// Whether an id, decoded, cannot leave its place in the path.
    public static func isUsable(_ id: String) -> Bool {
        var id = id
        return id.withUTF8 { isUsable(UnsafeRawBufferPointer($0)) }
    }

    /// Appends text as part of a URL: everything but the unreserved characters is percent-encoded
    /// (section 2.3).
    static func append(encoding text: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        for byte in text {
            if isUnreserved(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(hexDigit(byte >> 4))
                bytes.append(hexDigit(byte & 0x0F))
            }
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}

/// What an update calls its log.
public enum LogName: Sendable, Equatable {
    /// Its `reference_id`.
    case reference(String)
    /// Its id, upstream's or a provisional one.
    case id(String)
}

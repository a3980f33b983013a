import NIOHTTP1

/// What a request's head says about the message itself: where it ends, and what becomes of the
/// connection after it. One pass over the fields.
struct RequestFraming: Equatable {
    /// How the end of the body is found (RFC 9112, section 6.3).
    enum BodyLength: Equatable {
        case none
        case bytes(Int)
        case chunked
    }

    /// Where the body ends.
    private(set) var length = BodyLength.none
    /// Whether the client waits for `100 Continue` before it sends the body.
    private(set) var expectsContinue = false
    /// Whether the connection may carry another request.
    private(set) var keepsAlive: Bool
    /// Whether the client must be told that it does: HTTP/1.0 closes by default.
    let isVersion10: Bool
    /// Whether the answer's body is left out.
    let isHead: Bool
    /// Why the message cannot be taken as it is.
    private(set) var refusal: Refusal?
    private var hasLength = false

    /// A message that is refused for its framing.
    struct Refusal: Equatable {
        let status: Int
        let reason: String
    }

    /// Reads `head`.
    init(_ head: HTTPRequestHead) {
        keepsAlive = head.isKeepAlive && head.method != .CONNECT
        isVersion10 = head.version == .http1_0
        isHead = head.method == .HEAD
        for (name, value) in head.headers {
            switch name.utf8.count {
            case 6 where Self.isNamed(name, "expect"): readExpectation(value)
            // The decoder stops at a request for another protocol; we answer it and speak no other.
            case 7 where Self.isNamed(name, "upgrade"): keepsAlive = false
            case 14 where Self.isNamed(name, "content-length"): readContentLength(value)
            case 17 where Self.isNamed(name, "transfer-encoding"): readTransferEncoding(value)
            default: break
            }
        }
        if length == .none { expectsContinue = false }
    }

    /// The body's length, where the head says it.
    var lengthSaid: Int? {
        if case .bytes(let bytes) = length { bytes } else { nil }
    }

    /// Compares without regard to case and without a copy; the lengths are equal already.
    private static func isNamed(_ name: String, _ lowercaseName: StaticString) -> Bool {
        zip(
            name.utf8,
            UnsafeBufferPointer(
                start: lowercaseName.utf8Start, count: lowercaseName.utf8CodeUnitCount)
        ).allSatisfy { $0 | 0x20 == $1 }
    }

    private mutating func readExpectation(_ value: String) {
        guard value.lowercased() == "100-continue" else {
            return refuse(417, "this server knows no expectation but 100-continue")
        }
        // RFC 9110, section 10.1.1: ignored in an HTTP/1.0 request.
        expectsContinue = !isVersion10
    }

    private mutating func readContentLength(_ value: String) {
        guard !hasLength else {
            return refuse(400, "the length of the body is given twice")
        }
        hasLength = true
        let areDigits = value.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard areDigits, let bytes = UInt64(value) else {
            return refuse(400, "Content-Length is not a number of bytes")
        }
        // One byte more than an Int holds is as much too large as any other such number.
        length = bytes == 0 ? .none : .bytes(Int(clamping: bytes))
    }

    private mutating func readTransferEncoding(_ value: String) {
        guard !isVersion10 else {
            return refuse(400, "HTTP/1.0 knows no Transfer-Encoding (RFC 9112, section 6.1)")
        }
        guard !hasLength else {
            return refuse(400, "the length of the body is given twice")
        }
        hasLength = true
        guard value.lowercased() == "chunked" else {
            return refuse(501, "the only Transfer-Encoding read here is chunked")
        }
        length = .chunked
    }

    private mutating func refuse(_ status: Int, _ reason: String) {
        refusal = refusal ?? Refusal(status: status, reason: reason)
    }
}

import NIOCore
import NIOHTTP1

/// What has come from one connection's decoder and is not yet dealt with, in order.
struct HTTPInputs {
    /// One thing to deal with.
    enum Input {
        case part(HTTPServerRequestPart)
        /// What follows is not HTTP.
        case malformed(status: Int, reason: String)
        /// The client sends nothing more.
        case ended
    }

    /// Bytes and inputs kept while a request is under way; beyond them the connection is not read.
    private static let bytesMax = 16 << 10
    private static let countMax = 32

    private var queue = CircularBuffer<Input>(initialCapacity: 4)
    private var waitingBytes = 0

    /// The next one.
    var first: Input? { queue.first }

    /// Whether no more should be read for now.
    var isFull: Bool { waitingBytes > Self.bytesMax || queue.count > Self.countMax }

    /// Whether a request, or the rest of one, comes next.
    var beginsWithPart: Bool {
        if case .part = queue.first { true } else { false }
    }

    /// Adds one at the end. Only what finds others waiting is weighed: a client that waits for its
    /// answers never pays for it.
    mutating func append(_ input: Input) {
        if !queue.isEmpty { waitingBytes += Self.bytes(of: input) }
        queue.append(input)
    }

    /// The next one is dealt with.
    mutating func removeFirst() {
        queue.removeFirst()
        if queue.isEmpty { waitingBytes = 0 }
    }

    /// Throws away all that would still be a request.
    mutating func removeParts() {
        queue.removeAll { if case .ended = $0 { false } else { true } }
        waitingBytes = 0
    }

    private static func bytes(of input: Input) -> Int {
        switch input {
        case .part(.head(let head)):
            head.headers.reduce(head.uri.utf8.count) { bytes, field in
                bytes + field.name.utf8.count + field.value.utf8.count
            }
        case .part(.body(let part)): part.readableBytes
        case .part(.end), .malformed, .ended: 0
        }
    }
}

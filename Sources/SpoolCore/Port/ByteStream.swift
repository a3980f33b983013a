/// A body on its way, given out part by part to whoever passes it on.
///
/// It is pulled: whoever makes it stops when nobody asks, so that a slow reader slows the writer
/// down and at most one part lies in between. One reader, and one question at a time.
public protocol ByteStream: Sendable {
    /// Asks for the next part. `done` is called once, on any thread, as soon as there is one; not
    /// at all once ``cancel()`` was called. Nothing follows ``StreamPart/end`` and
    /// ``StreamPart/broken(reason:)``.
    func next(_ done: @escaping @Sendable (StreamPart) -> Void)

    /// The reader wants no more: what makes the stream is stopped. May be called at any time.
    func cancel()
}

/// What a stream gives when it is asked.
public enum StreamPart: Equatable, Sendable {
    /// The next bytes, at least one.
    case bytes([UInt8])
    /// There are no more.
    case end
    /// There should be more, but none will come.
    case broken(reason: String)
}

/// A stream and, where it was said beforehand, its length.
public struct StreamedBody: Sendable {
    /// The bytes.
    public let bytes: any ByteStream
    /// How many there will be; nil when nobody has said.
    public let length: Int?

    /// A body of `length` bytes, or of as many as come.
    public init(_ bytes: any ByteStream, length: Int?) {
        self.bytes = bytes
        self.length = length
    }
}

/// Where writer and reader of a ``ByteStream`` meet: one part at most waits here. Whoever holds it
/// keeps it behind a lock, and calls what it returns outside of that.
public struct StreamHandover: Sendable {
    /// A reader that asks.
    public typealias Reader = @Sendable (StreamPart) -> Void

    private enum State: Sendable {
        case empty
        case asked(Reader)
        case offered(StreamPart)
        case ended
        case cancelled
    }

    /// What became of an offered part.
    public enum Offer: Sendable {
        /// Give it to this reader. The writer may go on.
        case give(to: Reader)
        /// It waits for a reader; the writer must wait, too.
        case waits
        /// Nobody wants it, nor any other.
        case unwanted
    }

    private var state = State.empty

    /// Nothing is there, and nobody asks.
    public init() {}

    /// The writer has a part. The one before must have been taken.
    public mutating func offer(_ part: StreamPart) -> Offer {
        switch state {
        case .empty:
            state = .offered(part)
            return .waits
        case .asked(let reader):
            state = part.isLast ? .ended : .empty
            return .give(to: reader)
        case .offered(let waiting):
            // A stream may break while its last part waits.
            precondition(part.isLast, "two parts at once")
            guard !waiting.isLast else { return .unwanted }
            state = .offered(part)
            return .waits
        case .ended, .cancelled:
            return .unwanted
        }
    }

    /// The reader asks. Returns the part that was waiting, after which the writer may go on; nil
    /// when `reader` must wait or is given nothing any more.
    public mutating func ask(_ reader: @escaping Reader) -> StreamPart? {
        switch state {
        case .empty:
            state = .asked(reader)
            return nil
        case .offered(let part):
            state = part.isLast ? .ended : .empty
            return part
        case .asked:
            preconditionFailure("two questions at once")
        case .ended:
            preconditionFailure("a question after the end")
        case .cancelled:
            return nil
        }
    }

    /// The reader wants no more. Returns whether the writer must be told: false when it had come to
    /// its end, or knows already.
    public mutating func cancel() -> Bool {
        defer { state = .cancelled }
        switch state {
        case .empty, .asked: return true
        case .offered(let part): return !part.isLast
        case .ended, .cancelled: return false
        }
    }
}

extension StreamPart {
    /// Whether nothing follows.
    public var isLast: Bool {
        switch self {
        case .bytes: false
        case .end, .broken: true
        }
    }
}

/// One request out, one outcome back.
public protocol Transport: Sendable {
    /// Performs one exchange with upstream. `done` is called exactly once, on any thread.
    func exchange(
        _ request: UpstreamRequest, _ done: @escaping @Sendable (UpstreamOutcome) -> Void)
}

/// A request below the destination's base URL.
public struct UpstreamRequest: Sendable, Equatable {
    /// `POST` or `PATCH`.
    public var method: String
    /// Path and query, percent-encoded, starting with `/`.
    public var target: String
    /// The JSON body; an empty one is none, and has no type.
    public var body: [UInt8]
    /// How long the answer may take once the connection stands.
    public var timeout: Duration

    /// A JSON request.
    public init(
        method: String, target: String, body: [UInt8], timeout: Duration = Limits.answerTimeout
    ) {
        self.method = method
        self.target = target
        self.body = body
        self.timeout = timeout
    }
}

/// What came of a request.
public enum UpstreamOutcome: Sendable, Equatable {
    /// A complete answer. The body is cut at ``Limits/answerBytesMax``.
    case answered(UpstreamAnswer)
    /// Nothing of the request can have been read: the head was never handed to the socket.
    case notSent(reason: String)
    /// The request was written, at least in part, and no complete answer came: it may have been applied.
    case noAnswer(reason: String, timedOut: Bool)
}

/// An HTTP answer.
public struct UpstreamAnswer: Sendable, Equatable {
    /// The status code.
    public var status: Int
    /// The `Retry-After` header as it came.
    public var retryAfter: String?
    /// The body as it came.
    public var body: [UInt8]

    /// An answer with its body.
    public init(status: Int, retryAfter: String? = nil, body: [UInt8] = []) {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
    }
}

/// Requests that are not spooled, and upstream's answers as they come.
public protocol LiveTransport: Sendable {
    /// Upstream, as error messages name it.
    var upstream: String { get }

    /// Begins an exchange. `done` is called at most once, on any thread: when the answer's head is
    /// there, or when none will come. It may be called before this returns.
    func begin(
        _ request: LiveRequest, _ done: @escaping @Sendable (LiveOutcome) -> Void
    ) -> any LiveCall
}

/// An exchange under way.
public protocol LiveCall: Sendable {
    /// Breaks it off, at whatever point it is: upstream's connection is closed. Harmless once it is
    /// over.
    func cancel()
}

/// A request below upstream's base URL, as it will be written.
public struct LiveRequest: Sendable {
    /// The method's name.
    public var method: String
    /// Path and query, percent-encoded, starting with `/`.
    public var target: String
    /// The header fields, without `Host` and those that frame the body.
    public var headers: [(name: String, value: String)]
    /// The body.
    public var body: Body
    /// How long upstream may take from the last byte of the request to the answer's head.
    public var firstByteTimeout: Duration
    /// How long it may pause between two parts of the answer, or in taking two of the request.
    public var idleTimeout: Duration

    /// A request's body.
    public enum Body: Sendable {
        /// There is none, and no length of it.
        case none
        /// These bytes.
        case bytes([UInt8])
        /// What the client sends, as it comes. The transport reads it, or cancels it.
        case stream(StreamedBody)
    }

    /// A request from its parts.
    public init(
        method: String, target: String, headers: [(name: String, value: String)] = [],
        body: Body = .none, firstByteTimeout: Duration = Limits.liveFirstByteTimeout,
        idleTimeout: Duration = Limits.liveIdleTimeout
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.firstByteTimeout = firstByteTimeout
        self.idleTimeout = idleTimeout
    }
}

/// What came of a live request.
public enum LiveOutcome: Sendable {
    /// Upstream answers.
    case answered(LiveAnswer)
    /// There was no answer to be had; the reason is for the caller to read.
    case unreachable(reason: String)
    /// None came in time.
    case tooSlow(reason: String)
}

/// The head of upstream's answer, and the rest as it comes.
public struct LiveAnswer: Sendable {
    /// The status code.
    public let status: Int
    /// All header fields, as they came.
    public let headers: [(name: String, value: String)]
    /// The body. Whoever gets it reads it to its end, or cancels it.
    public let body: StreamedBody

    /// An answer from its parts.
    public init(status: Int, headers: [(name: String, value: String)], body: StreamedBody) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

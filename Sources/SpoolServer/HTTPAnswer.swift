public import SpoolCore

/// One response: complete, or with a body that follows.
public struct HTTPAnswer: Sendable {
    /// The status code.
    public var status: Int
    /// The body; `Content-Length` is written from it.
    public var body: [UInt8]
    /// A body that is sent as it comes, in place of `body`; chunked when its length is not known.
    /// The connection reads it to its end, or cancels it.
    public var stream: StreamedBody?
    /// The body's media type; no header field when nil.
    public var contentType: StaticString?
    /// Further header fields.
    public var headers: [(String, String)]
    /// Whether the connection ends with this answer.
    public var closesConnection: Bool
    /// What the body holds of a budget: given back when the client has read it, or will not.
    public var share: BudgetShare?

    /// An answer from its parts.
    public init(
        status: Int, body: [UInt8] = [], stream: StreamedBody? = nil,
        contentType: StaticString? = "application/json",
        headers: [(String, String)] = [], closesConnection: Bool = false,
        share: BudgetShare? = nil
    ) {
        precondition((200...599).contains(status), "\(status) is no final status")
        self.status = status
        self.body = body
        self.stream = stream
        self.contentType = contentType
        self.headers = headers
        self.closesConnection = closesConnection
        self.share = share
    }

    /// An answer in the API's form for errors: `{"detail":"…"}`.
    public static func detail(status: Int, _ text: String) -> HTTPAnswer {
        HTTPAnswer(status: status, body: DetailBody.make(text))
    }
}

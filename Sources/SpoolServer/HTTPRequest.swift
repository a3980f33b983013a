public import NIOCore
public import NIOHTTP1
public import SpoolCore

/// One request: complete, or with a body that follows.
public struct HTTPRequest: Sendable {
    /// The method's name as it was sent, known or not.
    public var method: String
    /// The target's path as it was sent, before `?`; not decoded.
    public var path: String
    /// What follows the first `?`, not decoded; nil without one.
    public var query: String?
    /// The header fields in their order.
    public var headers: HTTPHeaders
    /// The whole body, without its transfer coding.
    public var body: ByteBuffer
    /// The body as it comes, without its transfer coding, when the plan was ``BodyPlan/stream`` and
    /// there is one; `body` is empty then.
    public var stream: StreamedBody?
    /// Who sent it.
    public var peer: Peer
    /// Tells when the client leaves; nil for a request that came over no connection.
    public var client: ClientWatch?
    /// What the request holds of the budget until its answer; nil for one that came over no
    /// connection.
    public var share: BudgetShare?

    /// A request from its parts.
    public init(
        method: String, path: String, query: String? = nil, headers: HTTPHeaders = [:],
        body: ByteBuffer = ByteBuffer(), stream: StreamedBody? = nil, peer: Peer,
        client: ClientWatch? = nil, share: BudgetShare? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.stream = stream
        self.peer = peer
        self.client = client
        self.share = share
    }

    /// A request from its head, which is in origin form, and its body.
    init(
        head: HTTPRequestHead, body: ByteBuffer, stream: StreamedBody? = nil, peer: Peer,
        client: ClientWatch, share: BudgetShare
    ) {
        let target = head.uri
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        self.init(
            method: head.method.rawValue,
            path: mark.map { String(target[..<$0]) } ?? target,
            query: mark.map { String(target[target.utf8.index(after: $0)...]) },
            headers: head.headers, body: body, stream: stream, peer: peer, client: client,
            share: share)
    }
}

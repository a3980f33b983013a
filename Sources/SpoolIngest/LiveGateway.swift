public import NIOHTTP1
public import SpoolServer

/// Where a request goes that is not spooled: straight to upstream, and upstream's answer straight
/// back.
public protocol LiveGateway: Sendable {
    /// How the body of a live call is taken: streamed, or read first where it may name things by
    /// provisional ids. Called on the event loop, for requests that may come in.
    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan

    /// Forwards a request that was taken as ``plan(_:peer:)`` said. Called on the event loop.
    ///
    /// Path and query may have been changed since. Provisional ids left in them are put right here:
    /// a thing that upstream has goes out under upstream's id, one that is still queued is answered
    /// 503, one that died 404, and what this spool never accepted travels as it is.
    ///
    /// `reply` is called at most once, on any thread, when upstream's head is there; the answer's
    /// body may follow as a stream. It is not called for a client that has gone.
    func forward(
        _ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void)
}

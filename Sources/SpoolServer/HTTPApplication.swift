public import NIOHTTP1

/// What becomes of a request, decided from its head alone.
public enum BodyPlan: Sendable {
    /// The body is read, up to that many bytes; a longer one is answered 413.
    case read(bytesMax: Int)
    /// The request is answered at once. No byte of its body is asked for or looked at.
    case answer(HTTPAnswer)
    /// The application has the request at once and takes the body as it comes.
    case stream
}

/// What an ``HTTPListener`` serves.
///
/// No task and no future for a request: a plan on the event loop, then one call with the whole
/// request and one call back, because at 40,000 requests a second each hop between threads is felt.
public protocol HTTPApplication: Sendable {
    /// Decides from the head whether the body is wanted. Called on the event loop: it must be quick
    /// and must not block. The head's target is in origin form (`/path?query`).
    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan

    /// Answers a request: a complete one, or, after ``BodyPlan/stream``, one whose body follows in
    /// its `stream`. Called on the event loop, so it must not block; `reply` may be called from any
    /// thread, then or later, once. Further calls are ignored; a `reply` that is dropped without a
    /// call is answered 500, so that no client waits forever.
    func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void)
}

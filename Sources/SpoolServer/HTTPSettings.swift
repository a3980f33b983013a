internal import SpoolCore

/// The bounds of one HTTP listener; the defaults are ``Limits``, tests shorten them.
public struct HTTPSettings: Sendable {
    /// Bytes of target and header fields together; more is answered 431.
    public var headBytesMax = Limits.headBytesMax
    /// How long a connection may be silent between requests, or leave an answer unread.
    public var idleTimeout = Limits.idleTimeout
    /// How long a request that has begun may pause before its next byte; then 408.
    public var readTimeout = Limits.readTimeout
    /// Bytes a second that it has to come with on the whole, once it takes longer than that; then 408.
    public var readBytesPerSecondMin = Limits.readBytesPerSecondMin
    /// How long a request waits for the ``ByteBudget``, over all its shares; then 503.
    public var budgetWait = Limits.budgetWait
    /// How long, and for how many bytes, a connection that was answered before its request ended is
    /// still read, so that the client finds the answer and not a reset (RFC 9112, section 9.6).
    public var lingerTimeout = Duration.seconds(5)
    /// Bytes read and thrown away in that time.
    public var lingerBytesMax = 2 * Limits.bodyBytesMax

    /// The documented defaults.
    public init() {}
}

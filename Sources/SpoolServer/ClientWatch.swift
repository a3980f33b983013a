internal import NIOCore

/// Tells when the client of one request leaves before it has its whole answer.
///
/// A client that says it will send nothing more has left, too, once it is watched: on TCP its close
/// looks no different, and an HTTP client has no reason to say so while it waits.
public struct ClientWatch: Sendable {
    private let connection: NIOLoopBound<HTTPConnection>
    private let loop: any EventLoop
    private let request: UInt64

    /// Watches over request number `request` of `connection`, which lives on `loop`.
    init(_ connection: NIOLoopBound<HTTPConnection>, on loop: any EventLoop, request: UInt64) {
        self.connection = connection
        self.loop = loop
        self.request = request
    }

    /// Calls `act` when the client leaves; soon, when it has left already. Not called once the
    /// answer is complete. One watcher for each request, on any thread.
    public func whenGone(_ act: @escaping @Sendable () -> Void) {
        let (connection, request) = (connection, request)
        if loop.inEventLoop {
            connection.value.watch(request, act)
        } else {
            loop.execute { connection.value.watch(request, act) }
        }
    }
}

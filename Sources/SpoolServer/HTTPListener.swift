public import NIOCore
internal import NIOHTTP1

/// An HTTP/1.1 server for one address.
public final class HTTPListener: Sendable {
    private let listener: SocketListener

    private init(_ listener: SocketListener) {
        self.listener = listener
    }

    /// Where it is bound; for TCP with the port the kernel chose.
    public var boundAddress: ListenAddress { listener.boundAddress }

    /// Binds `address` and serves `application` there. Bytes of bodies are reserved from `budget`.
    public static func start(
        _ application: any HTTPApplication, on address: ListenAddress, group: any EventLoopGroup,
        budget: ByteBudget, connections: ConnectionLimit, settings: HTTPSettings = HTTPSettings()
    ) async throws(ListenError) -> HTTPListener {
        let mailboxes = Dictionary(
            uniqueKeysWithValues: group.makeIterator().map { loop in
                (ObjectIdentifier(loop), HTTPConnection.mailbox(on: loop))
            })
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = settings.headBytesMax
        limits.maxHeaderListSize = settings.headBytesMax
        let decoderLimits = limits
        return HTTPListener(
            try await SocketListener.start(on: address, group: group, connections: connections) {
                channel, peer throws in
                guard let mailbox = mailboxes[ObjectIdentifier(channel.eventLoop)] else {
                    preconditionFailure("the event loop is not one of its group's")
                }
                let connection = HTTPConnection(
                    application, peer: peer, budget: budget, settings: settings, mailbox: mailbox)
                let decoder = HTTPRequestDecoder(limitConfiguration: decoderLimits)
                try channel.pipeline.syncOperations.addHandlers(
                    HTTPInputGate(connection), ByteToMessageHandler(decoder), connection)
            })
    }

    /// Stops accepting, answers the requests under way (with `Connection: close`), closes idle
    /// connections, removes a Unix socket's file, and returns when all is closed. Cancelling the
    /// task closes what is left at once.
    public func drain() async {
        await listener.drain()
    }
}

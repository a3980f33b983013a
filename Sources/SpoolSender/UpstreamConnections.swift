internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import SpoolCore

extension HTTPClient.Configuration {
    /// How connections to upstream are made and kept, for deliveries and live calls alike: HTTP/1.1, no
    /// redirect followed, nothing tried twice, and no answer that the client would not survive.
    ///
    /// - Parameter count: connections at a time.
    static func upstream(connectionsMax count: Int) -> Self {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = TimeAmount(Limits.connectTimeout)
        configuration.connectionPool.retryConnectionEstablishment = false
        // Shorter than servers usually keep it, because a request on a connection that closes at that
        // moment is in doubt.
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = count
        // Called with every new connection before its first request, when the client's handlers are in
        // place: the one way in that the client leaves open.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                let parser = try pipeline.handler(
                    type: ByteToMessageHandler<HTTPResponseDecoder>.self)
                try pipeline.addHandler(StatusGuard(), position: .after(parser))
            }
        }
        return configuration
    }
}

/// Stands between the parser and the client, and makes an error of a status below 100, on which the
/// client closes the connection.
///
/// The parser takes any three digits for a status. The client (AsyncHTTPClient 1.37.0,
/// `HTTPRequestStateMachine`) passes over every head below 200 but 101 as an interim answer, as which
/// 100 to 199 alone are known (RFC 9110, section 15.2); the parser then reports a body and an end, and
/// the client stops the process, because it has seen no head.
private final class StatusGuard: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart

    private struct NoStatus: Error, CustomStringConvertible {
        let code: UInt
        var description: String { "\(code) is no HTTP status" }
    }

    private var hasRefused = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasRefused else { return }
        if case .head(let head) = unwrapInboundIn(data), head.status.code < 100 {
            hasRefused = true
            context.fireErrorCaught(NoStatus(code: head.status.code))
        } else {
            context.fireChannelRead(data)
        }
    }
}

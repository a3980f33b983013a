import NIOCore

/// Sits before the decoder: tells the connection of every byte, and keeps from the decoder what
/// must not be parsed any more.
///
/// The decoder reports nothing while a head is incomplete, and it hoards or refuses what follows a
/// request it cannot go beyond.
final class HTTPInputGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: HTTPConnection

    /// The gate of `connection`, which stands behind the decoder in the same pipeline.
    init(_ connection: HTTPConnection) {
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connection.bytesArrived(unwrapInboundIn(data)) { context.fireChannelRead(data) }
    }
}

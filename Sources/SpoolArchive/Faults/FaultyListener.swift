internal import Glibc
public import NIOCore
import NIOHTTP1
public import SpoolServer

/// An HTTP/1.1 server that can break its connections on purpose, for one address.
///
/// A server for drills: it has the limit on connections and the bound of bodies of an
/// ``HTTPListener``, but neither its timeouts nor its budget of bytes.
public final class FaultyListener: Sendable {
    private let listener: SocketListener

    private init(_ listener: SocketListener) {
        self.listener = listener
    }

    /// Where it is bound; for TCP with the port the kernel chose.
    public var boundAddress: ListenAddress { listener.boundAddress }

    /// Binds `address` and serves `application` there.
    public static func start(
        _ application: FaultyApplication, on address: ListenAddress, group: any EventLoopGroup,
        connections: ConnectionLimit
    ) async throws(ListenError) -> FaultyListener {
        FaultyListener(
            try await SocketListener.start(on: address, group: group, connections: connections) {
                channel, peer throws in
                let pipeline = channel.pipeline.syncOperations
                try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                try pipeline.addHandler(FaultyConnection(application, peer: peer))
            })
    }

    /// Stops accepting, answers the requests under way, closes idle connections, removes a Unix
    /// socket's file, and returns when all is closed.
    public func drain() async {
        await listener.drain()
    }
}

/// One connection of a ``FaultyListener``. Requests come one by one: NIO's pipeline sees to that.
private final class FaultyConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let application: FaultyApplication
    private let peer: Peer
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var bodyBytesMax = 0
    private var planned: HTTPAnswer?
    private var isAnswering = false
    private var isLast = false

    init(_ application: FaultyApplication, peer: Peer) {
        self.application = application
        self.peer = peer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head)
        case .body(let part): keep(part)
        case .end: call(context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is SocketListener.Draining, ChannelEvent.inputClosed:
            isLast = true
            if head == nil { context.close(promise: nil) }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Request

    private func begin(_ head: HTTPRequestHead) {
        self.head = head
        body = ByteBuffer()
        planned = nil
        switch application.wrapped.plan(head, peer: peer) {
        case .read(let bytesMax): bodyBytesMax = bytesMax
        case .answer(let answer): planned = answer
        case .stream: preconditionFailure("an archive takes whole bodies")
        }
    }

    private func keep(_ part: ByteBuffer) {
        guard planned == nil else { return }
        body.writeImmutableBuffer(part)
        guard body.readableBytes > bodyBytesMax else { return }
        planned = .detail(
            status: 413, "the body has more than \(bodyBytesMax) bytes; send less at a time")
        body = ByteBuffer()
    }

    private func call(_ context: ChannelHandlerContext) {
        guard let head else { preconditionFailure("the end of a request without its head") }
        if let planned { return finish(.answer(planned), context) }
        let (path, query) = Self.parts(head.uri)
        let request = HTTPRequest(
            method: head.method.rawValue, path: path, query: query, headers: head.headers,
            body: body, peer: peer)
        body = ByteBuffer()
        let (loop, me) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
        let place = NIOLoopBound(context, eventLoop: loop)
        application.answer(request, on: loop) { outcome in
            loop.execute { me.value.finish(outcome, place.value) }
        }
    }

    /// A target's path, and what follows its first `?`.
    private static func parts(_ target: String) -> (path: String, query: String?) {
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return (target, nil) }
        return (String(target[..<mark]), String(target[target.utf8.index(after: mark)...]))
    }

    // MARK: Outcome

    private func finish(_ outcome: FaultyApplication.Outcome, _ context: ChannelHandlerContext) {
        guard let head, context.channel.isActive else { return }
        self.head = nil
        switch outcome {
        case .answer(let answer):
            let isKept = head.isKeepAlive && !isLast && !answer.closesConnection
            write(answer, bytes: answer.body[...], to: head, isKept: isKept, context)
        case .cut(let answer):
            let half = answer.body.prefix(answer.body.count / 2)
            write(answer, bytes: half, to: head, isKept: false, context)
        case .reset:
            reset(context)
        }
    }

    private func write(
        _ answer: HTTPAnswer, bytes: ArraySlice<UInt8>, to request: HTTPRequestHead, isKept: Bool,
        _ context: ChannelHandlerContext
    ) {
        var head = HTTPResponseHead(
            version: request.version, status: HTTPResponseStatus(statusCode: answer.status))
        if let type = answer.contentType, answer.hasContent, !answer.body.isEmpty {
            head.headers.add(name: "Content-Type", value: "\(type)")
        }
        if answer.hasContent {
            head.headers.add(name: "Content-Length", value: "\(answer.body.count)")
        }
        for (name, value) in answer.headers { head.headers.add(name: name, value: value) }
        head.headers.add(name: "Connection", value: isKept ? "keep-alive" : "close")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD, answer.hasContent, !bytes.isEmpty {
            let part = ByteBuffer(bytes: bytes)
            context.write(wrapOutboundOut(.body(.byteBuffer(part))), promise: nil)
        }
        let isOut = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: isOut)
        guard !isKept else { return }
        let place = NIOLoopBound(context, eventLoop: context.eventLoop)
        isOut.futureResult.whenComplete { _ in place.value.close(promise: nil) }
    }

    /// Ends the connection with a reset, on TCP: a socket that lingers for no time sends one when
    /// it is closed (socket(7), SO_LINGER).
    private func reset(_ context: ChannelHandlerContext) {
        guard let options = context.channel as? any SocketOptionProvider else {
            return context.close(promise: nil)
        }
        let place = NIOLoopBound(context, eventLoop: context.eventLoop)
        options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
            place.value.close(promise: nil)
        }
    }
}

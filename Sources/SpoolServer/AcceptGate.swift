import NIOCore

/// Sits before a listener's accept handler and lets a connection in only when the
/// ``ConnectionLimit`` has a place for it.
///
/// At the limit it keeps the one connection that was accepted in vain, unserved and unread, and
/// stops accepting; the others wait in the kernel's backlog.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let limit: ConnectionLimit
    private let open: ConnectionSet
    private var held: [any Channel] = []
    private var context: ChannelHandlerContext?
    private var owesRead = false

    /// A gate to the places of `limit` that writes down in `open` whom it lets in.
    init(_ limit: ConnectionLimit, _ open: ConnectionSet) {
        self.limit = limit
        self.open = open
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        for channel in held { channel.close(promise: nil) }
        held = []
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = unwrapInboundIn(data)
        if held.isEmpty, limit.enter() {
            admit(channel, context)
        } else {
            held.append(channel)
            if held.count == 1 { waitForPlace(context) }
        }
    }

    func read(context: ChannelHandlerContext) {
        if held.isEmpty { context.read() } else { owesRead = true }
    }

    private func admit(_ channel: any Channel, _ context: ChannelHandlerContext) {
        let limit = limit
        channel.closeFuture.whenComplete { _ in limit.leave() }
        open.insert(channel)
        context.fireChannelRead(wrapInboundOut(channel))
    }

    private func waitForPlace(_ context: ChannelHandlerContext) {
        let loop = context.eventLoop
        let gate = NIOLoopBound(self, eventLoop: loop)
        limit.whenFree {
            loop.execute { gate.value.placeMayBeFree() }
        }
    }

    private func placeMayBeFree() {
        guard let context else { return }
        while let channel = held.first {
            guard limit.enter() else { return waitForPlace(context) }
            held.removeFirst()
            admit(channel, context)
            context.fireChannelReadComplete()
        }
        if owesRead {
            owesRead = false
            context.read()
        }
    }
}

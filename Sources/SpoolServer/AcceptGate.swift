import Glibc
import NIOCore

/// Sits before a listener's accept handler and lets a connection in only when the
/// ``ConnectionLimit`` has a place for it.
///
/// At the limit it keeps the one connection that was accepted in vain, unserved and unread, and
/// stops accepting; the others wait in the kernel's backlog. So they do for a while when the process
/// has no descriptor left.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let limit: ConnectionLimit
    private let open: ConnectionSet
    private var held: [any Channel] = []
    private var context: ChannelHandlerContext?
    private var owesRead = false
    private var isPaused = false

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

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let code = (error as? IOError)?.errnoCode
        if let code, Self.shortages.contains(code) { pause(context) }
        context.fireErrorCaught(error)
    }

    /// What the kernel has too little of for another connection (accept(2)).
    private static let shortages = [EMFILE, ENFILE, ENOBUFS, ENOMEM]
    /// How long nobody is accepted then.
    private static let pause = TimeAmount.milliseconds(250)

    /// The connection that could not be accepted stays in the backlog, so that the socket remains
    /// readable: the event loop would try again at once, without end.
    private func pause(_ context: ChannelHandlerContext) {
        guard !isPaused, let options = context.channel.syncOptions else { return }
        isPaused = true
        try? options.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
            self.isPaused = false
            // A channel that is closed by now needs nothing more.
            try? options.setOption(.autoRead, value: true)
        }
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

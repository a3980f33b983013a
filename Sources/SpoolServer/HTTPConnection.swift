import NIOCore
import NIOHTTP1

/// One connection's driver: does what its ``HTTPConversation`` says, with sockets, budget and
/// clock.
///
/// Everything here happens on the connection's event loop.
final class HTTPConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let application: any HTTPApplication
    private let peer: Peer
    private let budget: ByteBudget
    private let settings: HTTPSettings
    private let mailbox: LoopMailbox<HTTPReply.Letter>

    private var conversation: HTTPConversation
    private var inputs = HTTPInputs()
    private var hasFailed = false
    private var isPumping = false
    private var owesRead = false
    private var isLingering = false

    private var head: HTTPRequestHead?
    private var framing: RequestFraming?
    private var planned: HTTPAnswer?
    private var body = ByteBuffer()
    private var reservedBytes = 0
    private var wait: ByteBudget.Wait?

    private var context: ChannelHandlerContext?
    private var timer: ConnectionTimer?

    /// A connection from `peer` that has just been accepted.
    init(
        _ application: any HTTPApplication, peer: Peer, budget: ByteBudget, settings: HTTPSettings,
        mailbox: LoopMailbox<HTTPReply.Letter>
    ) {
        self.application = application
        self.peer = peer
        self.budget = budget
        self.settings = settings
        self.mailbox = mailbox
        self.conversation = HTTPConversation(lingerBytesMax: settings.lingerBytesMax)
    }

    /// The mailbox by which answers come to the connections of `loop`.
    static func mailbox(on loop: any EventLoop) -> LoopMailbox<HTTPReply.Letter> {
        LoopMailbox(loop: loop) { letter in letter.connection.value.deliver(letter.answer) }
    }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let timer = ConnectionTimer(loop: context.eventLoop)
        timer.onExpiry = { [unowned self] in timedOut() }
        self.timer = timer
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        abandon()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        settle()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        abandon()
        context.fireChannelInactive()
    }

    /// Bytes are here, whatever they may mean; false when they are not to be parsed.
    func bytesArrived(_ bytes: ByteBuffer) -> Bool {
        let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self)
        let areBlank = first == UInt8(ascii: "\r") || first == UInt8(ascii: "\n")
        let isParsing = conversation.bytesArrived(bytes.readableBytes, areBlank: areBlank)
        if conversation.state == .closing { closeWhenFlushed() }
        return isParsing && !hasFailed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        enqueue(.part(unwrapInboundIn(data)))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        settle()
    }

    func read(context: ChannelHandlerContext) {
        if holdsReads { owesRead = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump()
        settle()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            enqueue(.ended)
        case is SocketListener.Draining:
            perform(conversation.drain())
            settle()
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !hasFailed else { return }
        switch error {
        case HTTPParserError.invalidEOFState:
            // Cut short: the end of input follows and says so.
            break
        case HTTPParserError.headerOverflow:
            let bytesMax = settings.headBytesMax
            fail(431, "the head of the request is too large; it may have \(bytesMax) bytes")
        case HTTPParserError.invalidVersion:
            fail(505, "this server speaks HTTP/1.1 and HTTP/1.0")
        case let error as HTTPParserError:
            fail(400, "this is not HTTP/1.1: \(error.debugDescription)")
        default:
            context.close(promise: nil)
        }
    }

    private func fail(_ status: Int, _ reason: String) {
        hasFailed = true
        enqueue(.malformed(status: status, reason: reason))
        settle()
    }
}

// MARK: - Inputs, in order

extension HTTPConnection {
    private func enqueue(_ input: HTTPInputs.Input) {
        inputs.append(input)
        pump()
    }

    private func pump() {
        guard !isPumping, let context else { return }
        isPumping = true
        defer { isPumping = false }
        while !conversation.isBusy, context.channel.isWritable, let input = inputs.first {
            perform(step(for: input))
        }
    }

    private func step(for input: HTTPInputs.Input) -> HTTPConversation.Step {
        guard conversation.isParsing else {
            inputs.removeFirst()
            if case .ended = input { return conversation.inputEnded() }
            return .proceed
        }
        switch input {
        case .part(.head(let head)):
            inputs.removeFirst()
            return begin(head)
        case .part(.body(let part)):
            let step = conversation.body(part.readableBytes)
            if case .reserve = step { return step }
            inputs.removeFirst()
            if step == .keep { keep(part) }
            return step
        case .part(.end):
            inputs.removeFirst()
            return conversation.end()
        case .malformed(let status, let reason):
            inputs.removeFirst()
            return conversation.malformed(status, reason)
        case .ended:
            inputs.removeFirst()
            return conversation.inputEnded()
        }
    }

    private func begin(_ head: HTTPRequestHead) -> HTTPConversation.Step {
        let head = head.inOriginForm()
        let framing = RequestFraming(head)
        self.framing = framing
        guard framing.refusal == nil else { return conversation.head(framing, bytesMax: 0) }
        switch application.plan(head, peer: peer) {
        case .answer(let answer):
            planned = answer
            return conversation.head(framing, bytesMax: nil)
        case .read(let bytesMax):
            self.head = head
            return conversation.head(framing, bytesMax: min(bytesMax, budget.bytesMax))
        }
    }

    private func keep(_ part: ByteBuffer) {
        if body.readableBytes > 0 {
            body.writeImmutableBuffer(part)
        } else if case .bytes(let length) = framing?.length, part.readableBytes < length,
            let context
        {
            body = context.channel.allocator.buffer(capacity: length)
            body.writeImmutableBuffer(part)
        } else {
            body = part
        }
    }
}

// MARK: - Steps

extension HTTPConnection {
    private func perform(_ step: HTTPConversation.Step) {
        switch step {
        case .proceed, .keep:
            break
        case .reserve(let bytes):
            reserve(bytes)
        case .invite:
            context?.writeAndFlush(wrapOutboundOut(HTTPAnswer.invitation), promise: nil)
        case .call:
            call()
        case .answerPlanned:
            guard let planned else { preconditionFailure("no answer was planned") }
            self.planned = nil
            write(planned)
        case .refuse(let status, let reason):
            var refusal = HTTPAnswer.detail(status: status, reason)
            if status == 503 { refusal.headers = [("Retry-After", "1")] }
            write(refusal)
        case .close:
            closeWhenFlushed()
        }
    }

    private func reserve(_ bytes: Int) {
        guard let context else { return }
        if budget.tryReserve(bytes) {
            reservedBytes += bytes
            return perform(conversation.granted(bytes))
        }
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        wait = budget.wait(
            for: bytes, on: context.eventLoop, timeout: TimeAmount(settings.budgetWait)
        ) { isGranted in
            connection.value.waitEnded(bytes, isGranted: isGranted)
        }
    }

    private func waitEnded(_ bytes: Int, isGranted: Bool) {
        guard wait != nil else {
            if isGranted { budget.release(bytes) }
            return
        }
        wait = nil
        if isGranted { reservedBytes += bytes }
        perform(isGranted ? conversation.granted(bytes) : conversation.denied())
        pump()
        settle()
    }

    private func call() {
        guard let context, let head else { preconditionFailure("a request without its head") }
        let request = HTTPRequest(head: head, body: body, peer: peer)
        let reply = HTTPReply(
            to: NIOLoopBound(self, eventLoop: context.eventLoop), by: mailbox,
            releasing: reservedBytes, to: budget)
        reservedBytes = 0
        dropRequest()
        application.answer(request) { reply.send($0) }
    }

    /// Lets go of what has been read of a request, and of its share of the budget.
    private func dropRequest() {
        head = nil
        body = ByteBuffer()
        budget.release(reservedBytes)
        reservedBytes = 0
    }

    private func abandon() {
        conversation.disconnected()
        timer?.cancel()
        timer = nil
        if let wait { budget.cancel(wait) }
        wait = nil
        inputs = HTTPInputs()
        dropRequest()
    }
}

// MARK: - Outputs

extension HTTPConnection {
    private func deliver(_ answer: HTTPAnswer) {
        write(answer)
        pump()
        settle()
    }

    private func write(_ answer: HTTPAnswer) {
        let ending = conversation.answered(
            closes: answer.closesConnection, hasMore: inputs.beginsWithPart || owesRead)
        guard let ending, let context else { return }
        let option: HTTPAnswer.ConnectionOption? =
            switch ending {
            case .keepsAlive: framing?.isVersion10 == true ? .keepAlive : nil
            case .closes, .lingers: .close
            }
        let bytes = answer.encoded(
            isHead: framing?.isHead == true, connection: option,
            allocator: context.channel.allocator)
        framing = nil
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        switch ending {
        case .keepsAlive:
            break
        case .closes:
            closeWhenFlushed()
        case .lingers:
            dropRequest()
            inputs.removeParts()
            whenFlushed { $0.close(mode: .output, promise: nil) }
        }
    }

    private func closeWhenFlushed() {
        whenFlushed { $0.close(promise: nil) }
    }

    /// Nothing written before is lost: an empty write succeeds after all of it.
    private func whenFlushed(_ act: @escaping (ChannelHandlerContext) -> Void) {
        guard let context else { return }
        let flushed = context.eventLoop.makePromise(of: Void.self)
        flushed.futureResult.assumeIsolated().whenComplete { _ in
            if let context = self.context { act(context) }
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: flushed)
    }
}

// MARK: - Reading and waiting

extension HTTPConnection {
    /// Whether the socket is left alone, so that the client feels it.
    private var holdsReads: Bool {
        switch conversation.state {
        case .waiting, .closing: true
        case .lingering: false
        case .idle, .reading, .refusing, .answering:
            hasFailed || inputs.isFull
        }
    }

    /// After every event: reads again if it may, and says how long it will wait for the next one.
    private func settle() {
        guard let context, let timer else { return }
        if owesRead, !holdsReads {
            owesRead = false
            context.read()
        }
        switch conversation.patience {
        case .unlimited: timer.set(nil)
        case .idle: timer.set(.now() + TimeAmount(settings.idleTimeout))
        case .read: timer.set(.now() + TimeAmount(settings.readTimeout))
        case .linger: linger(timer)
        }
    }

    private func linger(_ timer: ConnectionTimer) {
        guard !isLingering else { return }
        isLingering = true
        timer.set(.now() + TimeAmount(settings.lingerTimeout))
    }

    private func timedOut() {
        switch conversation.timedOut() {
        case .close: context?.close(promise: nil)
        case let step: perform(step)
        }
        settle()
    }
}

import NIOCore
import NIOHTTP1
import SpoolCore

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
    /// Where the bytes of its requests are reserved from.
    let budget: ByteBudget
    /// The listener's bounds.
    let settings: HTTPSettings
    private let mailbox: LoopMailbox<HTTPReply.Letter>

    /// Where it stands.
    var conversation: HTTPConversation
    /// What has come and is not dealt with.
    var inputs = HTTPInputs()
    private var hasFailed = false
    private var isPumping = false
    /// Whether the channel wants to read and may not.
    private(set) var owesRead = false
    private var isLingering = false
    /// Whether the client sends nothing more.
    private(set) var hasInputEnded = false

    private var head: HTTPRequestHead?
    /// What the head of the request under way says about the message.
    var framing: RequestFraming?
    private var planned: HTTPAnswer?
    private var body = ByteBuffer()
    /// What the request under way has of the budget.
    var reservedBytes = 0
    /// For whom that is.
    var purpose = ByteBudget.Purpose.large
    /// More of it that has not been granted yet.
    var wait: ByteBudget.Wait?
    /// How long the request under way may still wait for the budget, over all its shares.
    var budgetWaitLeft: Duration

    /// What is passed on as it comes.
    var exchange = HTTPExchange()
    /// Its place in the pipeline, while it has one.
    private(set) var context: ChannelHandlerContext?
    private var timer: ConnectionTimer?
    private var pace: ReadPace

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
        self.budgetWaitLeft = settings.budgetWait
        self.pace = ReadPace(
            pause: settings.readTimeout, bytesPerSecondMin: settings.readBytesPerSecondMin)
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
        let areBlank = bytes.readableBytesView.allSatisfy {
            $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n")
        }
        pace.arrived(bytes.readableBytes)
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
        pullAnswer()
        settle()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            hasInputEnded = true
            if exchange.isWatched { return leave() }
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
            // The parser says the same of a version whose line ends by a bare LF.
            fail(505, "this server speaks HTTP/1.1 and HTTP/1.0, and each line ends by CR LF")
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

    /// Deals with what has come, as far as it may.
    func pump() {
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
            switch step {
            case .reserve, .reserveMore: return step
            default: inputs.removeFirst()
            }
            switch step {
            case .keep: keep(part)
            case .offer: offer(.bytes(Array(part.readableBytesView)))
            default: break
            }
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
            return conversation.head(framing, bytesMax: min(bytesMax, budget.largeBytesMax))
        case .stream:
            self.head = head
            return conversation.headAhead(framing)
        }
    }

    private func keep(_ part: ByteBuffer) {
        if body.readableBytes > 0 {
            body.writeImmutableBuffer(part)
        } else if case .bytes(let length) = framing?.length, part.readableBytes < length,
            let context
        {
            body = context.channel.allocator.buffer(capacity: reservedBytes)
            body.writeImmutableBuffer(part)
        } else {
            body = part
        }
    }
}

// MARK: - Steps

extension HTTPConnection {
    /// Does what the conversation says.
    func perform(_ step: HTTPConversation.Step) {
        switch step {
        case .proceed, .keep, .offer:
            break
        case .reserve(let bytes):
            reserve(bytes)
        case .reserveMore(let bytes, let rest):
            reserve(bytes, orRest: rest)
        case .invite:
            context?.writeAndFlush(wrapOutboundOut(HTTPAnswer.invitation), promise: nil)
        case .call:
            call()
        case .callAhead:
            callAhead()
        case .offerEnd:
            offer(.end)
        case .answerPlanned:
            guard let planned else { preconditionFailure("no answer was planned") }
            self.planned = nil
            write(planned)
        case .refuse(let status, let reason):
            var refusal = HTTPAnswer.detail(status: status, reason)
            if status == 503 { refusal.headers = [("Retry-After", "1")] }
            exchange.leave()
            write(refusal)
        case .close:
            exchange.leave()
            closeWhenFlushed()
        }
    }

    /// Calls the application, with what has been read, or with what follows.
    private func call(stream: HTTPBodyStream? = nil) {
        guard let context, let head else { preconditionFailure("a request without its head") }
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        let share = BudgetShare(reservedBytes, of: budget, for: purpose)
        reservedBytes = 0
        let request = HTTPRequest(
            head: head, body: body,
            stream: stream.map { StreamedBody($0, length: framing?.lengthSaid) }, peer: peer,
            client: ClientWatch(connection, on: context.eventLoop, request: exchange.begin(stream)),
            share: share)
        let reply = HTTPReply(to: connection, by: mailbox, releasing: share)
        dropRequest()
        application.answer(request) { reply.send($0) }
    }

    private func callAhead() {
        guard let context, let framing else { preconditionFailure("a request without its head") }
        if framing.expectsContinue {
            context.writeAndFlush(wrapOutboundOut(HTTPAnswer.invitation), promise: nil)
            // A write to a client that has left closes the channel before it returns.
            guard conversation.awaitsAnswer else { return }
        }
        guard framing.length != .none else { return call() }
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        call(stream: HTTPBodyStream(of: connection, on: context.eventLoop))
    }

    /// Lets go of what has been read of a request, and of its share of the budget.
    func dropRequest() {
        head = nil
        body = ByteBuffer()
        budget.release(reservedBytes, of: purpose)
        reservedBytes = 0
        budgetWaitLeft = settings.budgetWait
    }

    private func abandon() {
        conversation.disconnected()
        timer?.cancel()
        timer = nil
        if let wait { budget.cancel(wait) }
        wait = nil
        inputs = HTTPInputs()
        dropRequest()
        exchange.leave()
    }
}

// MARK: - Reading and waiting

extension HTTPConnection {
    /// Whether the socket is left alone, so that the client feels it.
    private var holdsReads: Bool {
        switch conversation.state {
        case .waiting, .closing: true
        case .lingering: false
        case .exchanging(let exchange) where exchange.rest == .held: true
        case .idle, .reading, .refusing, .answering, .exchanging:
            hasFailed || inputs.isFull
        }
    }

    /// After every event: reads again if it may, and says how long it will wait for the next one.
    func settle() {
        guard let context, let timer else { return }
        if owesRead, !holdsReads {
            owesRead = false
            context.read()
        }
        if conversation.patience != .read || conversation.isPassingOn { pace.stop() }
        switch conversation.patience {
        case .unlimited: timer.set(nil)
        case .idle: timer.set(.now() + TimeAmount(settings.idleTimeout))
        // One part at a time is in memory then, and upstream may be the slower side.
        case .read where conversation.isPassingOn:
            timer.set(.now() + TimeAmount(settings.readTimeout))
        case .read: timer.set(pace.deadline(.now()))
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

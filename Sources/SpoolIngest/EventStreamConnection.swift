import Glibc
import NIOCore
import SpoolCore
import SpoolServer

/// One stream's driver: cuts lines, keeps the books in an ``EventStreamWindow``, talks to the sink.
///
/// Everything here happens on the connection's event loop. The object outlives its channel while
/// what the client left behind is on its way to the disk.
final class EventStreamConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    /// What all streams of a listener share.
    struct Door {
        let sink: any EventSink
        let decoder: EventDecoder
        let mailbox: LoopMailbox<Letter>
        let budget: ByteBudget
        let settings: EventStreamSettings
        let counters: EventStreamCounters
        let remainders: EventStreamRemainders
    }

    /// The sink's word on the submission under way: nil when it is on disk.
    struct Letter: Sendable {
        let connection: NIOLoopBound<EventStreamConnection>
        let refusal: AppendRefusal?
    }

    private let door: Door
    private let peer: Peer
    private let loop: any EventLoop
    private var context: ChannelHandlerContext?

    private var lines: EventStreamLines
    private var window: EventStreamWindow
    private var replies = EventStreamReplies()
    private var mayBeOption = true

    private var timer: ConnectionTimer?
    private var pace: ReadPace
    private var pacedLine = 0

    private var chargedBytes = 0
    private var wait: ByteBudget.Wait?
    private var isRetrying = false
    private var owesRead = false
    private var hasEnded = false
    private var isClosing = false
    private var isRemainder = false
    private var isDraining = false

    /// A stream from `peer` that has just been accepted.
    init(_ door: Door, peer: Peer, loop: any EventLoop) {
        self.door = door
        self.peer = peer
        self.loop = loop
        self.lines = EventStreamLines(lineBytesMax: door.settings.lineBytesMax)
        self.window = EventStreamWindow(caller: peer.callerName)
        self.pace = ReadPace(
            pause: door.settings.readTimeout,
            bytesPerSecondMin: door.settings.readBytesPerSecondMin)
    }

    /// The mailbox by which the sink's answers come to the streams of `loop`.
    static func mailbox(on loop: any EventLoop) -> LoopMailbox<Letter> {
        LoopMailbox(loop: loop) { $0.connection.value.answered($0.refusal) }
    }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let timer = ConnectionTimer(loop: loop)
        timer.onExpiry = { [unowned self] in restIsLate() }
        self.timer = timer
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        leave()
    }

    func channelActive(context: ChannelHandlerContext) {
        if isDraining { beginDrain() }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasEnded else { return }
        let bytes = unwrapInboundIn(data)
        pace.arrived(bytes.readableBytes)
        bytes.withUnsafeReadableBytes { lines.read($0, take) }
        settle()
    }

    func read(context: ChannelHandlerContext) {
        if holdsReads { owesRead = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        settle()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: end()
        case is SocketListener.Draining: beginDrain()
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset; what was read before still counts.
        context.close(promise: nil)
    }
}

// MARK: - Lines

extension EventStreamConnection {
    private func take(_ line: EventStreamLines.Line) {
        switch line {
        case .whole(let bytes): take(bytes)
        case .abandoned(let beginning, let reason):
            mayBeOption = false
            window.pass()
            let mistake = Mistake(loc: [.name("line")], message: reason, type: .value)
            beginning.withUnsafeBytes { refuse(LineRefusal([mistake]), $0, window.linesRead) }
        }
    }

    private func take(_ line: UnsafeRawBufferPointer) {
        if mayBeOption {
            mayBeOption = false
            if let isOn = EventStreamReplies.option(line) {
                replies.isOn = isOn
                return
            }
        }
        guard !Self.isBlank(line) else { return window.pass() }
        let refusal = window.add(lineBytes: line.count) { submission in
            door.decoder.decodeLine(line, into: &submission)
        }
        if let refusal {
            refuse(refusal, line, window.linesRead)
        }
    }

    /// JSON's own white space (RFC 8259, section 2); so the `\r` of a CRLF needs no care.
    private static func isBlank(_ line: UnsafeRawBufferPointer) -> Bool {
        line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }

    private func refuse(
        _ refusal: LineRefusal, _ line: UnsafeRawBufferPointer, _ number: Int
    ) {
        door.counters.countRefused()
        if replies.isOn {
            replies.refuse(line: number, detail: refusal.detail)
        } else {
            keep(line, refusal)
        }
    }

    private func keep(_ line: UnsafeRawBufferPointer, _ refusal: LineRefusal) {
        door.sink.keepMalformed(
            Array(line.prefix(Limits.malformedBytesMax)), reason: refusal.message,
            source: "stream \(peer.callerName)")
    }

    /// The client has said all it will, or we hear no more of it.
    private func end() {
        guard !hasEnded else { return }
        hasEnded = true
        lines.finish(isDraining ? takeIfComplete : take)
        settle()
    }

    /// A line whose newline may still be on its way when the daemon stops is an event if it is one
    /// already; else it is not acked, and the client sends it again.
    private func takeIfComplete(_ line: EventStreamLines.Line) {
        guard case .whole(let bytes) = line else { return }
        var trial = Submission(caller: peer.callerName)
        if let refusal = door.decoder.decodeLine(bytes, into: &trial) {
            if !replies.isOn { keep(bytes, refusal) }
        } else {
            take(bytes)
        }
    }
}

// MARK: - The sink

extension EventStreamConnection {
    /// After every event: gives the sink what it can take, tells the client what is settled,
    /// accounts for memory, and reads on or closes.
    private func settle() {
        if let submission = window.next() { submit(submission) }
        replies.ack(through: window.linesSettled)
        if let bytes = replies.take() {
            context?.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        }
        account()
        if hasEnded, window.isSettled { return close() }
        if owesRead, !holdsReads {
            owesRead = false
            context?.read()
        }
        watchPace()
    }

    private func submit(_ submission: Submission) {
        let connection = NIOLoopBound(self, eventLoop: loop)
        let mailbox = door.mailbox
        door.sink.append(submission) { result in
            switch result {
            case .success: mailbox.post(Letter(connection: connection, refusal: nil))
            case .failure(let refusal):
                mailbox.post(Letter(connection: connection, refusal: refusal))
            }
        }
    }

    private func answered(_ refusal: AppendRefusal?) {
        switch refusal {
        case nil:
            accepted()
        case .duplicate(let index, let reference):
            refuse(eventAt: index) { DuplicateReference.mistake(reference, of: $0, at: $1) }
        case .tooLarge(index: let index?):
            refuse(eventAt: index) {
                Mistake(
                    loc: $1,
                    message: "needs more than half of what this spool may hold; "
                        + "let the operator raise LOOPSPOOL_MAX_BYTES", type: .value)
            }
        case .tooLarge(index: nil):
            submit(window.halve())
        case .stopping:
            giveUp()
        case .full, .busy, .failing:
            isRetrying = true
            door.counters.countDeferral()
            loop.assumeIsolated().scheduleTask(in: TimeAmount(door.settings.retryDelay)) {
                self.submit(self.window.again())
            }
        }
    }

    /// One event of the submission will never be accepted; the others go on.
    private func refuse(
        eventAt index: Int, because mistake: (EventKind, [Mistake.Step]) -> Mistake
    ) {
        isRetrying = false
        let refused = window.refuse(eventAt: index)
        let mistake = mistake(refused.kind, [.name("line"), .name(refused.kind.lineKey)])
        refused.body.withUnsafeBytes { refuse(LineRefusal([mistake]), $0, refused.line) }
        guard window.hasEventsUnderWay else { return accepted() }
        submit(window.again())
        settle()
    }

    private func accepted() {
        isRetrying = false
        if let rest = window.accepted() { submit(rest) }
        settle()
    }

    /// The daemon stops: what is not on disk is not acked, and the client knows what to send again.
    private func giveUp() {
        door.counters.countLost(window.linesRead - window.linesSettled)
        hasEnded = true
        window.forget()
        lines = EventStreamLines(lineBytesMax: door.settings.lineBytesMax)
        account()
        close()
    }

    private func close() {
        if isRemainder {
            isRemainder = false
            door.remainders.leave()
        }
        guard let context, !isClosing else { return }
        isClosing = true
        // An empty write succeeds after all that was written before.
        let flushed = loop.makePromise(of: Void.self)
        flushed.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: flushed)
    }

    /// The channel is gone. What was read of it goes its way to the disk all the same.
    private func leave() {
        guard context != nil else { return }
        context = nil
        timer?.cancel()
        timer = nil
        if !hasEnded || !window.isSettled {
            isRemainder = true
            door.remainders.enter()
        }
        if hasEnded { settle() } else { end() }
    }
}

// MARK: - Memory and reading

extension EventStreamConnection {
    /// Whether the socket is left alone, so that the client feels it.
    private var holdsReads: Bool {
        hasEnded || isRetrying || window.isFull || wait != nil
            || context?.channel.isWritable == false
    }

    /// Keeps the budget's view of this stream: what is held of a line, and what is not on disk.
    private func account() {
        let heldBytes = lines.heldBytes + window.bytes
        if heldBytes < chargedBytes {
            door.budget.release(chargedBytes - heldBytes)
        } else if heldBytes > chargedBytes, !door.budget.tryReserve(heldBytes - chargedBytes) {
            // They are here already; so no more are read until others have made room.
            door.budget.charge(heldBytes - chargedBytes)
            waitForBudget()
        }
        chargedBytes = heldBytes
        if hasEnded, let wait {
            self.wait = nil
            door.budget.cancel(wait)
        }
    }

    private func waitForBudget() {
        guard wait == nil, !hasEnded else { return }
        let connection = NIOLoopBound(self, eventLoop: loop)
        wait = door.budget.wait(
            for: 1, on: loop, timeout: TimeAmount(door.settings.budgetWait)
        ) { isGranted in
            connection.value.waitEnded(isGranted: isGranted)
        }
    }

    private func waitEnded(isGranted: Bool) {
        wait = nil
        if isGranted {
            // It was only the sign that there is room again.
            door.budget.release(1)
        } else if window.bytes == 0, lines.heldBytes > Limits.malformedBytesMax {
            lines.abandon("there was no memory for a line this long; send it again later")
        } else {
            waitForBudget()
        }
        settle()
    }

    /// Says how long the rest of a long line is waited for, while it is the client that we wait for.
    private func watchPace() {
        if pacedLine != window.linesRead {
            pacedLine = window.linesRead
            pace.stop()
        }
        if lines.heldBytes > Limits.smallRequestBytesMax, !holdsReads {
            timer?.set(pace.deadline(.now()))
        } else {
            pace.stop()
            timer?.set(nil)
        }
    }

    private func restIsLate() {
        lines.abandon("the rest of the line did not come in time; send it again at once")
        settle()
    }

    /// Shuts the receiving side: the kernel then gives what it holds, and says that this is the
    /// end. Not before the channel is active, which will come here again.
    private func beginDrain() {
        isDraining = true
        guard let context, context.channel.isActive, !hasEnded else { return }
        let result = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: CInt.self
        ) { shutdown($0, Int32(SHUT_RD)) }
        // A socket that cannot be shut is one whose client has reset it.
        if result != 0 { end() }
    }
}

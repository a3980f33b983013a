import NIOCore
import NIOHTTP1
import SpoolCore

extension HTTPConnection {
    /// An answer has come for the request under way, or for one that nobody waits for any more.
    func deliver(_ answer: HTTPAnswer) {
        if !conversation.awaitsAnswer {
            answer.stream?.bytes.cancel()
        } else if let stream = answer.stream {
            begin(answer, stream)
        } else {
            write(answer)
        }
        pump()
        settle()
    }

    /// Writes a whole answer.
    func write(_ answer: HTTPAnswer) {
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
        context.writeAndFlush(wrapOutboundOut(bytes), promise: written(answer.share, context))
        finish(ending)
    }

    /// Releases `share`, if there is one, once what is written with this promise is sent or lost.
    private func written(
        _ share: BudgetShare?, _ context: ChannelHandlerContext
    ) -> EventLoopPromise<Void>? {
        guard let share else { return nil }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { _ in share.release() }
        return promise
    }

    /// The answer is written: what becomes of the connection.
    private func finish(_ ending: HTTPConversation.Ending) {
        framing = nil
        exchange.end()
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

    /// Closes once all that was written is sent.
    func closeWhenFlushed() {
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

// MARK: - Passing on

extension HTTPConnection {
    /// The client has left in the middle of an exchange.
    func leave() {
        conversation.disconnected()
        exchange.leave()
        context?.close(promise: nil)
    }

    /// Calls `act` when the client of a request leaves.
    func watch(_ request: UInt64, _ act: @escaping @Sendable () -> Void) {
        guard exchange.watch(request, act) else { return }
        if hasInputEnded { leave() }
    }

    /// Offers a part of the body to the application, which takes it now or says when it has.
    func offer(_ part: StreamPart) {
        guard let body = exchange.body else { return conversation.unwanted() }
        if body.offer(part) { conversation.taken() }
    }

    /// The application has taken what was offered and asked for more.
    func bodyWasTaken(from body: HTTPBodyStream) {
        guard exchange.body === body else { return }
        conversation.taken()
        pump()
        settle()
    }

    /// The application wants no more of the body.
    func bodyIsUnwanted(from body: HTTPBodyStream) {
        guard exchange.body === body else { return }
        conversation.unwanted()
        pump()
        settle()
    }

    private func begin(_ answer: HTTPAnswer, _ body: StreamedBody) {
        guard let context, let framing else { return body.bytes.cancel() }
        let length = answer.streamLength(
            isHead: framing.isHead, isVersion10: framing.isVersion10)
        let keepsAlive = conversation.answerBegins(
            closes: answer.closesConnection, isDelimited: length != .untilClose)
        guard let keepsAlive else { return body.bytes.cancel() }
        let option: HTTPAnswer.ConnectionOption? =
            keepsAlive ? (framing.isVersion10 ? .keepAlive : nil) : .close
        let head = answer.encodedHead(
            length, connection: option, allocator: context.channel.allocator)
        // Before the write: where the client has left, that closes the channel before it returns, and
        // what is under way by then is cancelled.
        exchange.answer = StreamedAnswer(
            body.bytes, length: framing.isHead ? .none : length)
        context.writeAndFlush(wrapOutboundOut(head), promise: nil)
        pullAnswer()
    }

    /// Asks for the next part of the answer, if there is one under way and the client reads it.
    func pullAnswer() {
        guard let context, exchange.answer != nil else { return }
        let isWritable = context.channel.isWritable
        conversation.stalls(!isWritable)
        guard isWritable, let stream = exchange.answer?.pull() else { return }
        let (loop, request) = (context.eventLoop, exchange.number)
        let connection = NIOLoopBound(self, eventLoop: loop)
        stream.next { part in
            loop.execute { connection.value.deliver(part, of: request) }
        }
    }

    private func deliver(_ part: StreamPart, of request: UInt64) {
        guard request == exchange.number, let context, let encoded = exchange.answer?.encode(part)
        else { return }
        switch encoded {
        case .bytes(let bytes):
            if bytes.readableBytes > 0 {
                context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
            }
            pullAnswer()
        case .last(let bytes):
            let ending = conversation.answerEnds(hasMore: inputs.beginsWithPart || owesRead)
            guard let ending else { return }
            context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
            finish(ending)
        case .broken:
            // Without the end that was announced, the client sees that something is missing.
            conversation.disconnected()
            exchange.leave()
            closeWhenFlushed()
        }
        pump()
        settle()
    }
}

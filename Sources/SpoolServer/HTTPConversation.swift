import SpoolCore

/// Where one connection stands: pure, told what came in, says what to do.
///
/// One request at a time. What a client sends ahead waits in the connection's queue, in order,
/// until the answer before it is written; that is all there is to pipelining.
struct HTTPConversation {
    /// A request whose body is being read.
    struct Reading: Equatable {
        fileprivate(set) var framing: RequestFraming
        fileprivate(set) var bytesMax: Int
        fileprivate(set) var reserved = 0
        fileprivate(set) var received = 0
    }

    /// The states and the moves out of them.
    enum State: Equatable {
        /// Between requests, or within a head. → waiting, reading, refusing, exchanging, lingering,
        /// closing
        case idle
        /// Needs more of the budget before it reads on. → reading, lingering, closing
        case waiting(Reading)
        /// Takes the body. → waiting, answering, lingering, closing
        case reading(Reading)
        /// Was refused by its head and has no body: answered at its end. → idle, closing
        case refusing(RequestFraming)
        /// The application has the request. → idle, exchanging, lingering, closing
        case answering(RequestFraming)
        /// Request or answer is passed on as it comes. → idle, lingering, closing
        case exchanging(Exchange)
        /// Answered before its request ended: what still comes is thrown away. → closing
        case lingering(bytesLeft: Int)
        /// Nothing is read any more, what was written is flushed.
        case closing
    }

    /// What to do about an input.
    enum Step: Equatable {
        /// Nothing; the input is used up.
        case proceed
        /// Reserve that many bytes and report it. The input, if it is a body's, comes again then.
        case reserve(Int)
        /// Reserve some of a body that is known to have `rest` bytes more, or all of them; report what it
        /// was. The input comes again then.
        case reserveMore(Int, rest: Int)
        /// Write `100 Continue`.
        case invite
        /// Append the input to the body.
        case keep
        /// Give the request to the application.
        case call
        /// Give the request to the application; its body, if it has one, follows.
        case callAhead
        /// Offer the input to the application, as the next part of the body.
        case offer
        /// Tell the application that the body has ended.
        case offerEnd
        /// Write the answer that was planned for this head.
        case answerPlanned
        /// Write an answer of this status and with this reason.
        case refuse(status: Int, reason: String)
        /// Flush and close.
        case close
    }

    /// What a written answer means for the connection.
    enum Ending: Equatable {
        case keepsAlive
        /// Flush and close.
        case closes
        /// Close the sending side, read and throw away for a while, then close.
        case lingers
    }

    /// What the connection is waiting for, and so how long it may.
    enum Patience {
        /// For us: the application, the budget.
        case unlimited
        /// The next request, or that an answer is read.
        case idle
        /// The rest of a request.
        case read
        /// The end of what is thrown away.
        case linger
    }

    /// Bytes by which a body is reserved: who says that it will be long holds no more than that before
    /// it has come.
    static let bodyStep = Limits.smallRequestBytesMax

    /// Where it stands; set by the moves alone.
    var state = State.idle
    /// Whether bytes of a head have arrived.
    var hasBegun = false
    /// Whether every answer is the last one.
    private(set) var isDraining = false
    /// Bytes that are thrown away at most after an early answer.
    let lingerBytesMax: Int

    /// A fresh connection.
    init(lingerBytesMax: Int) {
        self.lingerBytesMax = lingerBytesMax
    }

    /// Whether inputs must wait.
    var isBusy: Bool {
        switch state {
        case .waiting, .answering, .closing: true
        case .idle, .reading, .refusing, .lingering: false
        case .exchanging(let exchange): exchange.rest == .held || exchange.rest == .nothing
        }
    }

    /// Whether bytes are still to be parsed.
    var isParsing: Bool {
        switch state {
        case .lingering, .closing: false
        case .idle, .waiting, .reading, .refusing, .answering, .exchanging: true
        }
    }

    /// Whether somebody waits for an answer of which nothing has been written.
    var awaitsAnswer: Bool {
        switch state {
        case .answering: true
        case .exchanging(let exchange): !exchange.isAnswering
        case .idle, .waiting, .reading, .refusing, .lingering, .closing: false
        }
    }

    /// What it waits for now.
    var patience: Patience {
        switch state {
        case .idle: hasBegun ? .read : .idle
        case .reading, .refusing: .read
        case .waiting, .answering: .unlimited
        case .lingering: .linger
        case .closing: .idle
        case .exchanging(let exchange) where exchange.isStalled: .idle
        case .exchanging(let exchange): exchange.rest == .coming ? .read : .unlimited
        }
    }

    /// Whether the request is given on as it comes.
    var isPassingOn: Bool { if case .exchanging = state { true } else { false } }

    // MARK: Inputs

    /// Bytes arrived, whatever they may mean. Blank lines between requests begin none (RFC 9112,
    /// section 2.2). True when they are to be parsed.
    mutating func bytesArrived(_ count: Int, areBlank: Bool) -> Bool {
        switch state {
        case .idle:
            if !areBlank { hasBegun = true }
        case .lingering(let bytesLeft):
            state = count < bytesLeft ? .lingering(bytesLeft: bytesLeft - count) : .closing
        case .waiting, .reading, .refusing, .answering, .exchanging, .closing:
            break
        }
        return isParsing
    }

    /// A head, with the application's plan for it. `bytesMax` nil: it is answered at once.
    mutating func head(_ framing: RequestFraming, bytesMax: Int?) -> Step {
        precondition(state == .idle, "a head while \(state)")
        hasBegun = false
        if let refusal = framing.refusal {
            return refuse(refusal.status, refusal.reason)
        }
        guard let bytesMax else {
            guard framing.length == .none else {
                state = .lingering(bytesLeft: lingerBytesMax)
                return .answerPlanned
            }
            state = .refusing(framing)
            return .proceed
        }
        let reading = Reading(framing: framing, bytesMax: bytesMax)
        switch framing.length {
        case .none:
            state = .reading(reading)
            return .proceed
        case .bytes(let bytes) where bytes > bytesMax:
            return refuseLength(bytesMax)
        case .bytes(let bytes):
            state = .waiting(reading)
            return bytes > Self.bodyStep
                ? .reserveMore(Self.bodyStep, rest: bytes) : .reserve(bytes)
        case .chunked:
            state = .waiting(reading)
            return .reserve(min(Self.bodyStep, bytesMax))
        }
    }

    /// The bytes asked for are reserved.
    mutating func granted(_ bytes: Int) -> Step {
        guard case .waiting(var reading) = state else {
            preconditionFailure("\(bytes) bytes granted while \(state)")
        }
        let isFirst = reading.reserved == 0
        reading.reserved += bytes
        state = .reading(reading)
        return isFirst && reading.framing.expectsContinue ? .invite : .proceed
    }

    /// The bytes asked for did not become free in time.
    mutating func denied() -> Step {
        guard case .waiting = state else { preconditionFailure("bytes denied while \(state)") }
        return refuse(
            503, "too many bytes are on their way to the disk; try again after a moment")
    }

    /// A part of the body.
    mutating func body(_ count: Int) -> Step {
        if case .exchanging(var exchange) = state {
            guard exchange.rest == .coming else { return .proceed }
            exchange.rest = .held
            state = .exchanging(exchange)
            return .offer
        }
        guard case .reading(var reading) = state else {
            preconditionFailure("part of a body while \(state)")
        }
        let received = reading.received + count
        guard received <= reading.bytesMax else { return refuseLength(reading.bytesMax) }
        guard received <= reading.reserved else {
            state = .waiting(reading)
            let steps = (received - reading.reserved + Self.bodyStep - 1) / Self.bodyStep
            let rest = (reading.framing.lengthSaid ?? reading.bytesMax) - reading.reserved
            let bytes = min(steps * Self.bodyStep, rest)
            return reading.framing.lengthSaid == nil
                ? .reserve(bytes) : .reserveMore(bytes, rest: rest)
        }
        reading.received = received
        state = .reading(reading)
        return .keep
    }

    /// The end of a request.
    mutating func end() -> Step {
        switch state {
        case .reading(let reading):
            state = .answering(reading.framing)
            return .call
        case .refusing(let framing):
            state = .answering(framing)
            return .answerPlanned
        case .exchanging(var exchange):
            let isWanted = exchange.rest == .coming && exchange.framing.length != .none
            exchange.rest = .nothing
            state = .exchanging(exchange)
            return isWanted ? .offerEnd : .proceed
        case .idle, .waiting, .answering, .lingering, .closing:
            preconditionFailure("end of a request while \(state)")
        }
    }

    /// Something that is not HTTP.
    mutating func malformed(_ status: Int, _ reason: String) -> Step {
        refuse(status, reason)
    }

    /// The client sends nothing more; a request cut short is dropped quietly.
    mutating func inputEnded() -> Step {
        state = .closing
        return .close
    }

    /// The time for what it waits for is over.
    mutating func timedOut() -> Step {
        switch patience {
        case .read where mayRefuse:
            return refuse(408, "the rest of the request did not come in time; send it again")
        case .read, .idle, .linger, .unlimited:
            state = .closing
            return .close
        }
    }

    /// The listener drains: what has begun is finished, an idle connection closed.
    mutating func drain() -> Step {
        isDraining = true
        guard state == .idle, !hasBegun else { return .proceed }
        state = .closing
        return .close
    }

    /// The connection is gone.
    mutating func disconnected() {
        state = .closing
    }

    // MARK: Answers

    /// An answer is about to be written. `hasMore` says that inputs have been read that follow the
    /// request. Nil when nobody waits for one any more.
    mutating func answered(closes: Bool, hasMore: Bool) -> Ending? {
        switch state {
        case .answering(let framing):
            guard framing.keepsAlive, !closes, !isDraining else {
                state = hasMore ? .lingering(bytesLeft: lingerBytesMax) : .closing
                return hasMore ? .lingers : .closes
            }
            state = .idle
            return .keepsAlive
        case .exchanging(let exchange):
            guard !exchange.isAnswering else { return nil }
            guard exchange.rest == .nothing else {
                state = .lingering(bytesLeft: lingerBytesMax)
                return .lingers
            }
            state = .answering(exchange.framing)
            return answered(closes: closes, hasMore: hasMore)
        case .lingering:
            return .lingers
        case .idle, .waiting, .reading, .refusing, .closing:
            return nil
        }
    }

    private mutating func refuseLength(_ bytesMax: Int) -> Step {
        refuse(413, "the body has more than \(bytesMax) bytes; send less at a time")
    }

    /// Whether nothing of an answer has been written yet.
    private var mayRefuse: Bool {
        if case .exchanging(let exchange) = state { !exchange.isAnswering } else { true }
    }

    private mutating func refuse(_ status: Int, _ reason: String) -> Step {
        guard mayRefuse else {
            state = .closing
            return .close
        }
        state = .lingering(bytesLeft: lingerBytesMax)
        return .refuse(status: status, reason: reason)
    }
}

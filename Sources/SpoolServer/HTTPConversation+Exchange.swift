/// The moves of a request or an answer that is passed on as it comes.
extension HTTPConversation {
    /// A request that the application takes as it comes, or an answer that is sent as it is made,
    /// or both at once.
    struct Exchange: Equatable {
        /// What is left of the request.
        enum Rest: Equatable {
            /// More of it may come.
            case coming
            /// A part waits for the application; nothing more is read.
            case held
            /// The application wants no more of it; it is thrown away.
            case unwanted
            /// Nothing.
            case nothing
        }

        /// What the head said about the message.
        let framing: RequestFraming
        /// What is left of the request.
        var rest: Rest
        /// Whether the answer's head is written.
        var isAnswering = false
        /// Whether that head leaves the connection open.
        var keepsAlive = false
        /// Whether the client leaves the answer unread.
        var isStalled = false
    }

    /// A head whose request goes to the application before its body has come.
    mutating func headAhead(_ framing: RequestFraming) -> Step {
        precondition(state == .idle, "a head while \(state)")
        precondition(framing.refusal == nil, "a head that is refused is not passed on")
        hasBegun = false
        state = .exchanging(Exchange(framing: framing, rest: .coming))
        return .callAhead
    }

    /// The application has taken the part that was offered.
    mutating func taken() {
        change { exchange in
            if exchange.rest == .held { exchange.rest = .coming }
        }
    }

    /// The application wants nothing more of the body.
    mutating func unwanted() {
        change { exchange in
            if exchange.rest != .nothing { exchange.rest = .unwanted }
        }
    }

    /// The head of an answer is about to be written whose body follows. Returns whether the
    /// connection is kept after it; nil when nobody waits for it any more. `isDelimited` says that
    /// the client finds its end without the connection's.
    mutating func answerBegins(closes: Bool, isDelimited: Bool) -> Bool? {
        if case .answering(let framing) = state {
            state = .exchanging(Exchange(framing: framing, rest: .nothing))
        }
        guard case .exchanging(let before) = state, !before.isAnswering else { return nil }
        let keepsAlive =
            before.framing.keepsAlive && before.rest == .nothing && isDelimited && !closes
            && !isDraining
        change { exchange in
            exchange.isAnswering = true
            exchange.keepsAlive = keepsAlive
        }
        return keepsAlive
    }

    /// The client does not read what is written, or does again.
    mutating func stalls(_ isStalled: Bool) {
        change { $0.isStalled = isStalled }
    }

    /// The last part of the answer is written. `hasMore` says that inputs have been read that
    /// follow the request. Nil when it was broken off before.
    mutating func answerEnds(hasMore: Bool) -> Ending? {
        guard case .exchanging(let exchange) = state, exchange.isAnswering else { return nil }
        if exchange.keepsAlive, !isDraining {
            state = .idle
            return .keepsAlive
        }
        guard hasMore || exchange.rest != .nothing else {
            state = .closing
            return .closes
        }
        state = .lingering(bytesLeft: lingerBytesMax)
        return .lingers
    }

    private mutating func change(_ body: (inout Exchange) -> Void) {
        guard case .exchanging(var exchange) = state else { return }
        body(&exchange)
        state = .exchanging(exchange)
    }
}

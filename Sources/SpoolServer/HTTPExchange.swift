import SpoolCore

/// What a connection passes on at the moment: at most one request and its answer.
struct HTTPExchange {
    /// Counts the requests of the connection.
    private(set) var number: UInt64 = 0
    /// The request's body, if it is passed on as it comes.
    private(set) var body: HTTPBodyStream?
    /// The answer, once its head is written and its body follows.
    var answer: StreamedAnswer?
    private var departure: (@Sendable () -> Void)?
    private var isOver = true
    private var hasLeft = false

    /// Whether somebody wants to know when the client leaves.
    var isWatched: Bool { departure != nil }

    /// A request goes to the application; returns its number.
    mutating func begin(_ body: HTTPBodyStream?) -> UInt64 {
        number += 1
        self.body = body
        answer = nil
        departure = nil
        isOver = false
        return number
    }

    /// Keeps `act` for when the client of `request` leaves. False when there is nothing to wait
    /// for: the answer is complete, or the client has left and `act` was called.
    mutating func watch(_ request: UInt64, _ act: @escaping @Sendable () -> Void) -> Bool {
        guard request == number, !isOver else {
            if request == number, hasLeft { act() }
            return false
        }
        departure = act
        return true
    }

    /// The answer is complete; what the request still brings interests nobody.
    mutating func end() {
        _ = body?.offer(.broken(reason: "the request is answered already"))
        clear()
    }

    /// The client is gone before the answer was complete.
    mutating func leave() {
        guard !isOver else { return }
        _ = body?.offer(.broken(reason: "the client has left"))
        answer?.cancel()
        departure?()
        hasLeft = true
        clear()
    }

    private mutating func clear() {
        body = nil
        answer = nil
        departure = nil
        isOver = true
    }
}

import NIOCore
import Synchronization

/// The way back for one request: takes the first answer, from any thread, releases the request's
/// share of the budget and hands the answer to the connection's loop.
final class HTTPReply: Sendable {
    /// An answer on its way to the connection that waits for it.
    struct Letter: Sendable {
        let connection: NIOLoopBound<HTTPConnection>
        let answer: HTTPAnswer
    }

    private let connection: NIOLoopBound<HTTPConnection>
    private let mailbox: LoopMailbox<Letter>
    private let share: BudgetShare
    private let isAnswered = Atomic(false)

    /// A reply to the request that `connection` has just read, which holds `share`.
    init(
        to connection: NIOLoopBound<HTTPConnection>, by mailbox: LoopMailbox<Letter>,
        releasing share: BudgetShare
    ) {
        self.connection = connection
        self.mailbox = mailbox
        self.share = share
    }

    deinit {
        send(.detail(status: 500, "the request was not answered; this is a fault of the daemon"))
    }

    /// Sends the answer; only the first one counts.
    func send(_ answer: HTTPAnswer) {
        guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing) else { return }
        share.release()
        mailbox.post(Letter(connection: connection, answer: answer))
    }
}

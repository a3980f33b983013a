public import NIOCore
import Synchronization

/// Hands letters from any thread to one event loop, in order.
///
/// A commit answers many requests at once; the first letter of such a burst wakes the loop and the
/// others ride along, so that a burst costs one `execute` and not one for each answer.
public final class LoopMailbox<Letter: Sendable>: Sendable {
    private let loop: any EventLoop
    private let deliver: @Sendable (Letter) -> Void
    private let letters = Mutex<[Letter]>([])

    /// A mailbox whose letters are given to `deliver` on `loop`.
    public init(loop: any EventLoop, deliver: @escaping @Sendable (Letter) -> Void) {
        self.loop = loop
        self.deliver = deliver
    }

    /// Sends a letter. It is delivered later, also when called on the loop itself.
    public func post(_ letter: Letter) {
        let isFirst = letters.withLock { letters in
            letters.append(letter)
            return letters.count == 1
        }
        if isFirst { loop.execute { self.empty() } }
    }

    private func empty() {
        let burst = letters.withLock { letters in
            defer { letters = [] }
            return letters
        }
        for letter in burst { deliver(letter) }
    }
}

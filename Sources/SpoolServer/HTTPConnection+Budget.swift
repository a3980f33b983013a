import NIOCore
import SpoolCore

/// The memory of the request that is being read.
extension HTTPConnection {
    /// Reserves a step of a long body, or all of its `rest` where memory is scarce.
    func reserve(_ bytes: Int, orRest rest: Int) {
        guard bytes < rest, budget.tryReserveAhead(bytes) else { return reserve(rest) }
        purpose = .large
        reservedBytes += bytes
        perform(conversation.granted(bytes))
    }

    /// Reserves `bytes`, or waits for them.
    func reserve(_ bytes: Int) {
        guard let context else { return }
        let isSmall = framing?.lengthSaid.map { $0 <= Limits.smallRequestBytesMax } ?? false
        let purpose = isSmall ? ByteBudget.Purpose.small : .large
        self.purpose = purpose
        if budget.tryReserve(bytes, for: purpose) {
            reservedBytes += bytes
            return perform(conversation.granted(bytes))
        }
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        let start = ContinuousClock.now
        wait = budget.wait(
            for: bytes, as: purpose, on: context.eventLoop, timeout: TimeAmount(budgetWaitLeft)
        ) { isGranted in
            connection.value.waitEnded(bytes, purpose, since: start, isGranted: isGranted)
        }
    }

    private func waitEnded(
        _ bytes: Int, _ purpose: ByteBudget.Purpose, since start: ContinuousClock.Instant,
        isGranted: Bool
    ) {
        guard wait != nil else {
            if isGranted { budget.release(bytes, of: purpose) }
            return
        }
        wait = nil
        budgetWaitLeft = max(.zero, budgetWaitLeft - (.now - start))
        if isGranted { reservedBytes += bytes }
        perform(isGranted ? conversation.granted(bytes) : conversation.denied())
        pump()
        settle()
    }
}

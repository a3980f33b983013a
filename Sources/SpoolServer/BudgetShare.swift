import Synchronization

/// What one request holds of the budget: its bytes, given back once, at the latest with its answer.
public final class BudgetShare: Sendable {
    private let budget: ByteBudget
    private let purpose: ByteBudget.Purpose
    private let bytes: Atomic<Int>

    /// A share of `bytes` that are reserved already, for `purpose`.
    package init(_ bytes: Int, of budget: ByteBudget, for purpose: ByteBudget.Purpose = .large) {
        self.budget = budget
        self.purpose = purpose
        self.bytes = Atomic(bytes)
    }

    deinit { release() }

    /// Gives the bytes back. For an application that is done with a request's body and goes on
    /// waiting for something else; on any thread, and harmless the second time.
    public func release() {
        budget.release(bytes.exchange(0, ordering: .acquiringAndReleasing), of: purpose)
    }
}

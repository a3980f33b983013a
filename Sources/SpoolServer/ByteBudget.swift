public import NIOCore
import Synchronization

/// The process's memory for bytes between socket and disk: one counter that everybody who reads
/// bodies reserves from before reading.
///
/// Who finds it spent may wait. Waiters are served in the order of their arrival as far as what has
/// become free suffices for them; a small request may pass a large one, so that one large body
/// never holds up everybody else. Nobody waits longer than the time it gave.
public final class ByteBudget: Sendable {
    fileprivate struct Waiter {
        let id: UInt64
        let bytes: Int
        let loop: any EventLoop
        let done: @Sendable (Bool) -> Void
    }

    fileprivate struct State {
        var reserved = 0
        var lastID: UInt64 = 0
        var waiters: [Waiter] = []
    }

    /// A request for bytes that has not been granted yet.
    public struct Wait: Sendable {
        fileprivate let id: UInt64
        fileprivate let timeout: Scheduled<Void>
    }

    /// The most that can be reserved.
    public let bytesMax: Int
    private let state = Mutex(State())

    /// A budget of `bytesMax` bytes.
    public init(bytesMax: Int) {
        precondition(bytesMax > 0, "a budget of \(bytesMax) bytes admits nothing")
        self.bytesMax = bytesMax
    }

    /// Bytes reserved now.
    public var reserved: Int { state.withLock { $0.reserved } }

    /// Requests that wait for bytes.
    public var waiting: Int { state.withLock { $0.waiters.count } }

    /// Reserves `bytes` if they are free now.
    public func tryReserve(_ bytes: Int) -> Bool {
        state.withLock { $0.reserve(bytes, of: bytesMax) }
    }

    /// Counts bytes that are in memory already and cannot be refused, beyond the maximum if need
    /// be.
    public func charge(_ bytes: Int) {
        state.withLock { $0.reserved += bytes }
    }

    /// Gives back `bytes` and grants what waits for them.
    public func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        let granted = state.withLock { state in
            precondition(
                state.reserved >= bytes,
                "released \(bytes) bytes of a budget that has lent \(state.reserved)")
            state.reserved -= bytes
            return state.waiters.isEmpty ? [] : state.grant(of: bytesMax)
        }
        for waiter in granted {
            waiter.loop.execute { waiter.done(true) }
        }
    }

    /// Waits for `bytes`, which must not be more than ``bytesMax``. `done` is called once on
    /// `loop`: with true when they are reserved, with false when `timeout` has passed before.
    public func wait(
        for bytes: Int, on loop: any EventLoop, timeout: TimeAmount,
        _ done: @escaping @Sendable (Bool) -> Void
    ) -> Wait {
        precondition(bytes <= bytesMax, "\(bytes) bytes never fit a budget of \(bytesMax)")
        let (id, granted) = state.withLock { state in
            state.lastID += 1
            let waiter = Waiter(id: state.lastID, bytes: bytes, loop: loop, done: done)
            state.waiters.append(waiter)
            return (waiter.id, state.grant(of: bytesMax))
        }
        for waiter in granted {
            waiter.loop.execute { waiter.done(true) }
        }
        let timeout = loop.scheduleTask(in: timeout) { [self] in
            if remove(id) { done(false) }
        }
        return Wait(id: id, timeout: timeout)
    }

    /// Withdraws a wait: true when `done` will not be called any more. False when the bytes have
    /// been granted and `done` is on its way: then they are the caller's to release.
    @discardableResult
    public func cancel(_ wait: Wait) -> Bool {
        wait.timeout.cancel()
        return remove(wait.id)
    }

    private func remove(_ id: UInt64) -> Bool {
        state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return false }
            state.waiters.remove(at: index)
            return true
        }
    }
}

extension ByteBudget.State {
    fileprivate mutating func reserve(_ bytes: Int, of bytesMax: Int) -> Bool {
        precondition(bytes >= 0, "cannot reserve \(bytes) bytes")
        guard bytes <= bytesMax - reserved else { return false }
        reserved += bytes
        return true
    }

    fileprivate mutating func grant(of bytesMax: Int) -> [ByteBudget.Waiter] {
        var granted: [ByteBudget.Waiter] = []
        var left: [ByteBudget.Waiter] = []
        for waiter in waiters {
            if reserve(waiter.bytes, of: bytesMax) {
                granted.append(waiter)
            } else {
                left.append(waiter)
            }
        }
        waiters = left
        return granted
    }
}

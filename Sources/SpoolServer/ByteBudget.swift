public import NIOCore
import Synchronization

/// The process's memory for bytes between socket and disk: one counter that everybody who reads
/// bodies reserves from before reading.
///
/// Who finds it spent may wait. Waiters are served in the order of their arrival as far as what has
/// become free suffices for them; a small request may pass a large one, so that one large body
/// never holds up everybody else. Nobody waits longer than the time it gave.
///
/// Large bodies that come together could each hold a part and wait for the rest for ever. So a body may
/// take its bytes step by step only while a quarter of the budget is in use, see ``tryReserveAhead(_:)``;
/// after that it takes its whole rest at once or nothing, and three quarters are left for such rests.
public final class ByteBudget: Sendable {
    /// Who reserves. Given back must be what was reserved, for whom it was.
    public enum Purpose: Sendable {
        /// A request that says it is small, and finds some bytes free when large ones hold all others.
        case small
        /// Everybody else.
        case large
    }

    fileprivate struct Waiter {
        let id: UInt64
        let bytes: Int
        let purpose: Purpose
        let loop: any EventLoop
        let done: @Sendable (Bool) -> Void
    }

    fileprivate struct State {
        let bytesMax: Int
        let smallBytes: Int
        var reserved = 0
        var smallReserved = 0
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
    private let state: Mutex<State>

    /// A budget of `bytesMax` bytes, at least 1, of which `smallBytes` are for ``Purpose/small`` alone.
    public init(bytesMax: Int, smallBytes: Int = 0) {
        precondition(bytesMax > 0, "a budget of \(bytesMax) bytes admits nothing")
        precondition(
            (0..<bytesMax).contains(smallBytes), "\(smallBytes) bytes leave none for others")
        self.bytesMax = bytesMax
        self.state = Mutex(State(bytesMax: bytesMax, smallBytes: smallBytes))
    }

    /// The most that one body can reserve.
    public var largeBytesMax: Int { state.withLock { $0.bytesMax - $0.smallBytes } }

    /// Bytes reserved now.
    public var reserved: Int { state.withLock { $0.reserved } }

    /// Requests that wait for bytes.
    public var waiting: Int { state.withLock { $0.waiters.count } }

    /// Reserves `bytes` if they are free now.
    public func tryReserve(_ bytes: Int, for purpose: Purpose = .large) -> Bool {
        state.withLock { $0.reserve(bytes, for: purpose) }
    }

    /// Reserves `bytes`, a part of a large body, if no more than a quarter of the budget is in use then.
    public func tryReserveAhead(_ bytes: Int) -> Bool {
        state.withLock { state in
            state.reserved + bytes <= state.bytesMax / 4 && state.reserve(bytes, for: .large)
        }
    }

    /// Counts bytes that are in memory already and cannot be refused, beyond the maximum if need
    /// be; as ``Purpose/large``.
    public func charge(_ bytes: Int) {
        state.withLock { $0.reserved += bytes }
    }

    /// Gives back `bytes` and grants what waits for them.
    public func release(_ bytes: Int, of purpose: Purpose = .large) {
        guard bytes > 0 else { return }
        let granted = state.withLock { state in
            state.release(bytes, of: purpose)
            return state.waiters.isEmpty ? [] : state.grant()
        }
        for waiter in granted {
            waiter.loop.execute { waiter.done(true) }
        }
    }

    /// Waits for `bytes`, which must not be more than ``largeBytesMax``. `done` is called once on
    /// `loop`: with true when they are reserved, with false when `timeout` has passed before.
    public func wait(
        for bytes: Int, as purpose: Purpose = .large, on loop: any EventLoop, timeout: TimeAmount,
        _ done: @escaping @Sendable (Bool) -> Void
    ) -> Wait {
        let (id, granted) = state.withLock { state in
            precondition(
                bytes <= state.bytesMax - state.smallBytes,
                "\(bytes) bytes never fit a budget of \(state.bytesMax)")
            state.lastID += 1
            let waiter = Waiter(
                id: state.lastID, bytes: bytes, purpose: purpose, loop: loop, done: done)
            state.waiters.append(waiter)
            return (waiter.id, state.grant())
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
    /// Bytes that are free for `purpose`, fewer than none after a charge beyond the maximum.
    private func free(for purpose: ByteBudget.Purpose) -> Int {
        let smallLeft = Swift.max(0, smallBytes - smallReserved)
        return switch purpose {
        case .small: Swift.max(bytesMax - reserved, smallLeft)
        case .large: bytesMax - reserved - smallLeft
        }
    }

    fileprivate mutating func reserve(_ bytes: Int, for purpose: ByteBudget.Purpose) -> Bool {
        precondition(bytes >= 0, "cannot reserve \(bytes) bytes")
        guard bytes <= free(for: purpose) else { return false }
        reserved += bytes
        if purpose == .small { smallReserved += bytes }
        return true
    }

    fileprivate mutating func release(_ bytes: Int, of purpose: ByteBudget.Purpose) {
        let lent = purpose == .small ? smallReserved : reserved - smallReserved
        precondition(lent >= bytes, "released \(bytes) bytes of a budget that has lent \(lent)")
        reserved -= bytes
        if purpose == .small { smallReserved -= bytes }
    }

    fileprivate mutating func grant() -> [ByteBudget.Waiter] {
        var granted: [ByteBudget.Waiter] = []
        var left: [ByteBudget.Waiter] = []
        for waiter in waiters {
            if reserve(waiter.bytes, for: waiter.purpose) {
                granted.append(waiter)
            } else {
                left.append(waiter)
            }
        }
        waiters = left
        return granted
    }
}

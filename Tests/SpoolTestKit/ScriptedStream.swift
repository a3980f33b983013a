public import SpoolCore
import Synchronization

/// A body that a test makes part by part, or without end, and that tells when it is cancelled.
public final class ScriptedStream: ByteStream {
    private struct State {
        var waiting: [StreamPart] = []
        var reader: (@Sendable (StreamPart) -> Void)?
        var isCancelled = false
        var asked = 0
        var watchers: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    private let make: (@Sendable (_ number: Int) -> StreamPart?)?

    /// A stream of the parts it is given with ``send(_:)``.
    public init() {
        make = nil
    }

    /// A stream that makes part 0, 1, … when it is asked; where `make` gives nil, it waits for
    /// ``send(_:)``.
    public init(_ make: @escaping @Sendable (_ number: Int) -> StreamPart?) {
        self.make = make
    }

    /// How many parts have been asked for.
    public var asked: Int { state.withLock { $0.asked } }

    /// Whether the reader wants no more.
    public var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Gives the next part to the reader, or keeps it until it asks.
    public func send(_ part: StreamPart) {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            if state.reader == nil { state.waiting.append(part) }
            return state.reader
        }
        reader?(part)
    }

    /// Gives text.
    public func send(_ text: String) {
        send(.bytes(Array(text.utf8)))
    }

    /// Returns once the reader has cancelled.
    public func waitForCancel() async {
        await withCheckedContinuation { continuation in
            let isCancelled = state.withLock { state in
                if !state.isCancelled { state.watchers.append { continuation.resume() } }
                return state.isCancelled
            }
            if isCancelled { continuation.resume() }
        }
    }

    /// Gives the next part as soon as there is one.
    public func next(_ done: @escaping @Sendable (StreamPart) -> Void) {
        let part = state.withLock { state -> StreamPart? in
            state.asked += 1
            if state.isCancelled { return nil }
            if !state.waiting.isEmpty { return state.waiting.removeFirst() }
            if let made = make?(state.asked - 1) { return made }
            state.reader = done
            return nil
        }
        if let part { done(part) }
    }

    /// Notes it, and tells who waits for it.
    public func cancel() {
        let watchers = state.withLock { state in
            state.isCancelled = true
            state.reader = nil
            defer { state.watchers = [] }
            return state.watchers
        }
        for watcher in watchers { watcher() }
    }
}

extension ByteStream {
    /// The next part.
    public func next() async -> StreamPart {
        await withCheckedContinuation { continuation in
            next { continuation.resume(returning: $0) }
        }
    }

    /// The bytes of all parts up to the last, and how it ended.
    public func all() async -> (bytes: [UInt8], last: StreamPart) {
        var bytes: [UInt8] = []
        while true {
            switch await next() {
            case .bytes(let part): bytes += part
            case let last: return (bytes, last)
            }
        }
    }
}

import NIOCore
import Synchronization

/// The open connections of one listener.
final class ConnectionSet: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isDraining = false
        var drained: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Keeps `channel` until it closes. Called when it is let in, so that a drain waits for it from
    /// then on.
    func insert(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        state.withLock { $0.channels[id] = channel }
        channel.closeFuture.whenComplete { _ in self.remove(id) }
    }

    /// Tells `channel`, whose handlers are in place now, when a drain began before they were.
    func isReady(_ channel: any Channel) {
        guard state.withLock({ $0.isDraining }) else { return }
        // Later, because a channel that is being set up is not active yet.
        channel.eventLoop.execute { Self.announce(on: channel) }
    }

    /// Whether one of them is not active yet.
    var isSettingUp: Bool {
        state.withLock { state in state.channels.values.contains { !$0.isActive } }
    }

    /// Asks all to finish and returns when the last one is closed.
    func drain() async {
        let channels = state.withLock { state in
            state.isDraining = true
            return Array(state.channels.values)
        }
        for channel in channels { Self.announce(on: channel) }
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.channels.isEmpty { state.drained.append(continuation) }
                return state.channels.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }

    /// Closes all, finished or not.
    func closeAll() {
        for channel in state.withLock({ Array($0.channels.values) }) {
            channel.close(promise: nil)
        }
    }

    private func remove(_ id: ObjectIdentifier) {
        let drained = state.withLock { state in
            state.channels[id] = nil
            guard state.channels.isEmpty else { return [] as [CheckedContinuation<Void, Never>] }
            defer { state.drained = [] }
            return state.drained
        }
        for continuation in drained { continuation.resume() }
    }

    private static func announce(on channel: any Channel) {
        channel.pipeline.fireUserInboundEventTriggered(SocketListener.Draining())
    }
}

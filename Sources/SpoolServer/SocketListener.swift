internal import CLinux
internal import Glibc
public import NIOCore
internal import NIOPosix

/// A bound socket that accepts connections up to the process's limit, knows who they are, and can
/// be drained: what every listener of the daemon has in common, whatever it speaks.
public final class SocketListener: Sendable {
    /// The user event every connection gets when its listener drains: finish, then close.
    public struct Draining: Sendable {}

    /// Where it is bound; for TCP with the port the kernel chose.
    public let boundAddress: ListenAddress
    let server: any Channel
    private let file: UnixSocketFile?
    private let open: ConnectionSet

    private init(
        boundAddress: ListenAddress, server: any Channel, file: UnixSocketFile?, open: ConnectionSet
    ) {
        self.boundAddress = boundAddress
        self.server = server
        self.file = file
        self.open = open
    }

    /// Binds and begins to accept. `serve` is called on each connection's event loop, before its
    /// first byte is read, to add the handlers. A client may shut its sending side and still be
    /// answered. Handlers find the ``Draining`` event once or twice.
    public static func start(
        on address: ListenAddress, group: any EventLoopGroup, connections: ConnectionLimit,
        serve: @escaping @Sendable (any Channel, Peer) throws -> Void
    ) async throws(ListenError) -> SocketListener {
        let open = ConnectionSet()
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { server in
                server.eventLoop.makeCompletedFuture {
                    try server.pipeline.syncOperations.addHandler(AcceptGate(connections, open))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // One read, then the handlers decide whether they want more.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { child in
                peer(of: child, on: address).flatMapThrowing { peer in
                    try serve(child, peer)
                    open.isReady(child)
                }
            }
        switch address {
        case .unix(let path, let mode):
            let file = try UnixSocketFile.bind(path: path, mode: mode, backlog: backlog)
            do {
                let server = try await bootstrap.withBoundSocket(file.takeSocket()).get()
                return SocketListener(
                    boundAddress: address, server: server, file: file, open: open)
            } catch {
                file.remove()
                throw ListenError(error, address)
            }
        case .tcp(let host, let port):
            do {
                let server = try await bootstrap.bind(host: host, port: port).get()
                let bound = ListenAddress.tcp(
                    host: host, port: server.localAddress?.port ?? port)
                return SocketListener(boundAddress: bound, server: server, file: nil, open: open)
            } catch {
                throw ListenError(error, address)
            }
        }
    }

    /// Stops accepting, removes the socket's file, asks every connection to finish, and returns
    /// when all are closed. Cancelling the task closes them at once.
    public func drain() async {
        file?.remove()
        if server.isActive { await acceptBacklog() }
        // An error means that it is closed already.
        try? await server.close()
        await withTaskCancellationHandler {
            await open.drain()
        } onCancel: {
            open.closeAll()
        }
    }

    /// Lets in whoever had connected before the file was removed: a client that does not wait for
    /// answers may have written all it has to say, and be gone.
    private func acceptBacklog() async {
        // At the connection limit nobody is let in; so this has an end.
        for _ in 0..<Self.backlogPatienceMs {
            let isPending = file?.hasPendingConnection == true
            // After a turn of the loop, who is not pending any more is in the set. Closing the
            // server would close a connection that is still being set up.
            try? await server.eventLoop.submit {}.get()
            guard isPending || open.isSettingUp else { return }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Milliseconds a drain gives the loop to accept those.
    private static let backlogPatienceMs = 5_000
    /// Connections waiting in the kernel while the loop is busy or the limit reached.
    private static let backlog: Int32 = 1024

    private static func peer(
        of channel: any Channel, on address: ListenAddress
    ) -> EventLoopFuture<Peer> {
        guard
            case .unix = address, let options = channel as? any SocketOptionProvider
        else { return channel.eventLoop.makeSucceededFuture(.tcp) }
        return options.unsafeGetSocketOption(
            level: .init(rawValue: SOL_SOCKET), name: .init(rawValue: clinux_so_peercred)
        ).map { (peer: clinux_peer) in Peer(uid: peer.uid, gid: peer.gid, pid: peer.pid) }
    }
}

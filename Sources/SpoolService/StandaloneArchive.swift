public import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
public import SpoolArchive
internal import SpoolCore
public import SpoolServer
internal import UnixSignals

/// `archive serve`: the archive alone, until a signal.
///
/// The only place where an archive can be made to misbehave: the daemon embeds an
/// ``ArchiveServer``, which cannot.
public enum StandaloneArchive {
    /// How a served archive misbehaves, for drills.
    public struct Drill: Sendable {
        /// What goes wrong from the start.
        public var faults: [Fault]
        /// Fixes which requests are hit.
        public var seed: UInt64
        /// A Unix socket, for the user alone, where faults are shown and changed; nil for none.
        public var controlPath: String?

        /// A drill from its parts.
        public init(faults: [Fault], seed: UInt64, controlPath: String?) {
            self.faults = faults
            self.seed = seed
            self.controlPath = controlPath
        }
    }

    /// Serves until `SIGTERM` or `SIGINT`.
    ///
    /// - Parameters:
    ///   - drill: what goes wrong; nil: nothing can.
    ///   - ready: called with the bound address once requests are answered.
    public static func run(
        _ settings: (directory: String, listen: ListenAddress), record: String?, drill: Drill?,
        logger: Logger, ready: @Sendable (ListenAddress) -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let serving =
                if let drill {
                    try await serve(settings, record, drill, group, logger)
                } else {
                    try await serve(settings, record, group, logger)
                }
            ready(serving.listening)
            var configuration = ServiceGroupConfiguration(
                services: [.init(service: serving)], logger: logger)
            configuration.gracefulShutdownSignals = [.sigterm, .sigint]
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private static func serve(
        _ settings: (directory: String, listen: ListenAddress), _ record: String?,
        _ group: MultiThreadedEventLoopGroup, _ logger: Logger
    ) async throws -> Serving {
        let server = try await ArchiveServer.start(
            directory: settings.directory, record: record, on: settings.listen, group: group,
            logger: logger)
        return Serving(listening: server.listening) { await server.stop() }
    }

    private static func serve(
        _ settings: (directory: String, listen: ListenAddress), _ record: String?, _ drill: Drill,
        _ group: MultiThreadedEventLoopGroup, _ logger: Logger
    ) async throws -> Serving {
        let archive = try ArchiveServer.open(
            directory: settings.directory, record: record, logger: logger)
        let application = FaultyApplication(
            archive.application, faults: drill.faults, seed: drill.seed)
        do {
            let control = try await controlListener(drill, application, group)
            do {
                let listener = try await FaultyListener.start(
                    application, on: settings.listen, group: group,
                    connections: ConnectionLimit(max: Limits.connectionsMax))
                return Serving(listening: listener.boundAddress) {
                    await listener.drain()
                    await control?.drain()
                    await archive.close()
                }
            } catch {
                await control?.drain()
                throw error
            }
        } catch {
            await archive.close()
            throw error
        }
    }

    private static func controlListener(
        _ drill: Drill, _ application: FaultyApplication, _ group: MultiThreadedEventLoopGroup
    ) async throws -> HTTPListener? {
        guard let path = drill.controlPath else { return nil }
        return try await HTTPListener.start(
            FaultControl(application), on: .unix(path: path, mode: 0o600), group: group,
            budget: ByteBudget(bytesMax: 1 << 20), connections: ConnectionLimit(max: 16))
    }

    private struct Serving: Service {
        let listening: ListenAddress
        let stop: @Sendable () async -> Void

        init(listening: ListenAddress, stop: @escaping @Sendable () async -> Void) {
            self.listening = listening
            self.stop = stop
        }

        func run() async throws {
            try await gracefulShutdown()
            await stop()
        }
    }
}

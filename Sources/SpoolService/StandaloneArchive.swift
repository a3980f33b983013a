public import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
public import SpoolServer
internal import UnixSignals

/// `archive serve`: the archive alone, until a signal.
public enum StandaloneArchive {
    /// Serves until `SIGTERM` or `SIGINT`.
    ///
    /// - Parameter ready: called with the bound address once requests are answered.
    public static func run(
        _ settings: (directory: String, listen: ListenAddress), record: String?, logger: Logger,
        ready: @Sendable (ListenAddress) -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let server = try await ArchiveServer.start(
                directory: settings.directory, record: record, on: settings.listen, group: group,
                logger: logger)
            ready(server.listening)
            var configuration = ServiceGroupConfiguration(
                services: [.init(service: Serving(server: server))], logger: logger)
            configuration.gracefulShutdownSignals = [.sigterm, .sigint]
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private struct Serving: Service {
        let server: ArchiveServer

        func run() async throws {
            try await gracefulShutdown()
            await server.stop()
        }
    }
}

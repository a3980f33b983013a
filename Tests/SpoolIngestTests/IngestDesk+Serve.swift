import NIOPosix
import SpoolServer
import SpoolTestKit
import Testing

extension IngestDesk {
    /// Serves the desk's API on a Unix socket while `body` runs, which is given a way to connect;
    /// then checks that nothing is left of the budget.
    func serve(
        budget: ByteBudget = ByteBudget(bytesMax: 64 << 20),
        _ body: (_ connect: () throws -> RawClient) async throws -> Void
    ) async throws {
        let path = "/tmp/loopspool-door-\(UInt64.random(in: 0..<UInt64.max))"
        let listener = try await HTTPListener.start(
            api, on: .unix(path: path, mode: 0o600), group: MultiThreadedEventLoopGroup.singleton,
            budget: budget, connections: ConnectionLimit(max: 64))
        do {
            try await body { try RawClient(unixPath: path) }
        } catch {
            await listener.drain()
            throw error
        }
        await listener.drain()
        #expect(budget.reserved == 0)
    }
}

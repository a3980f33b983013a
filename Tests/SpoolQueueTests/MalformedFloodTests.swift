import Dispatch
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("A flood of malformed input", .timeLimit(.minutes(1)))
struct MalformedFloodTests {
    /// Keeps the queue's thread busy until it is told otherwise.
    private func hold(_ queue: EventQueue) async -> DispatchSemaphore {
        let release = DispatchSemaphore(value: 0)
        await withCheckedContinuation { entered in
            queue.committer.submit { _ in
                entered.resume()
                release.wait()
                return {}
            } orElse: { _ in
            }
        }
        return release
    }

    private func counters(_ spool: DiskSpool) async -> [String: Int64] {
        // A count that follows the last item is a transaction of its own.
        await spool.untilInOrder()
        return await spool.report()?.counters ?? [:]
    }

    @Test(
        "waits for the disk in bounded memory, and what is not kept is counted",
        arguments: [(size: 10, kept: 256), (size: 60_000, kept: 17)])
    func isBounded(size: Int, kept: Int64) async throws {
        let spool = try DiskSpool()
        let release = await hold(spool.queue)
        let input = [UInt8](repeating: UInt8(ascii: "x"), count: size)
        for _ in 0..<1_000 {
            spool.queue.keepMalformed(input, reason: "no JSON", source: "stream")
        }
        release.signal()
        let counters = await counters(spool)
        #expect(counters["malformed"] == 1_000)
        #expect(counters["malformed_overwritten"] == 1_000 - kept)
        // There is room again.
        spool.queue.keepMalformed(input, reason: "no JSON", source: "stream")
        #expect(await self.counters(spool)["malformed_overwritten"] == 1_000 - kept)
        await spool.stop()
    }

    @Test("is counted once the disk works again, though it refused to keep it")
    func isCountedLater() async throws {
        let spool = try DiskSpool()
        let release = await hold(spool.queue)
        spool.disk.fail(.write, on: .log, with: .full, count: nil)
        for _ in 0..<300 { spool.queue.keepMalformed([1], reason: "no JSON", source: "stream") }
        release.signal()
        #expect(await spool.append(1) == nil)
        spool.disk.mend()
        await spool.untilInOrder()
        spool.queue.keepMalformed([1], reason: "no JSON", source: "stream")
        let counters = await counters(spool)
        #expect(counters["malformed"] == 301)
        #expect(counters["malformed_overwritten"] == 300)
        await spool.stop()
    }

    @Test(
        "is searched for a key wherever it stands",
        arguments: [
            ("abc", false), ("", false), ("ab", false), ("key", true), ("kkey", true),
            ("kekey", true), ("ke key", true), ("keke", false), ("xxkeyxx", true), ("xxke", false),
        ])
    func holds(text: String, isThere: Bool) {
        #expect(Array(text.utf8).holds(Array("key".utf8)) == isThere)
    }
}

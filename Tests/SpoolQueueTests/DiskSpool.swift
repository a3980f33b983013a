import Foundation
import SpoolCore
import SpoolFaultKit
import SpoolSQLite
import SpoolTestKit
import Synchronization

@testable import SpoolQueue

/// A queue on a disk that can fail, and a caller and a sender who note what they were told.
final class DiskSpool {
    let directory: String
    let disk: FaultDisk
    let reports = Reports()
    private var running: EventQueue?
    // Safety: nil only while it restarts.
    var queue: EventQueue { running! }
    /// Events whose acceptance was acknowledged, and whose delivery was recorded.
    private(set) var accepted: Set<EventSequence> = []
    private(set) var delivered: Set<EventSequence> = []

    /// What the queue told the operator.
    final class Reports: Sendable {
        private let words = Mutex<[String]>([])
        var all: [String] { words.withLock { $0 } }
        func add(_ error: any Error) { words.withLock { $0.append("\(error)") } }
    }

    init() throws {
        directory = try TestFolder.make("disk")
        disk = FaultDisk("disk-\(UUID().uuidString)")
        running = try Self.open(directory, disk, reports)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    private static func open(
        _ directory: String, _ disk: FaultDisk, _ reports: Reports
    ) throws -> EventQueue {
        try EventQueue(
            lock: SpoolLock(directory: directory), destination: "http://upstream",
            settings: QueueSettings(freeDiskBytesMin: 0),
            clock: { Timestamp(milliseconds: 1_800_000_000_000) }, report: { reports.add($0) },
            vfs: disk.name)
    }

    // MARK: What a caller does

    /// Submits logs; notes and returns them when they were acknowledged.
    @discardableResult
    func append(_ count: Int, text: String = "hello") async -> [EventSequence]? {
        let events = (0..<count).map { _ in TestEvent.log(text: text) }
        let submission = TestEvent.submission(events, identity: queue.identity)
        let result = await withCheckedContinuation { done in
            queue.append(submission) { done.resume(returning: $0) }
        }
        guard case .success(let receipt) = result else { return nil }
        accepted.formUnion(receipt.sequences)
        return receipt.sequences
    }

    // MARK: What the sender does

    func lease() async -> LeaseAnswer {
        await withCheckedContinuation { done in
            queue.lease(LeaseWish(eventsMax: 4, linger: .zero)) { done.resume(returning: $0) }
        }
    }

    /// Settles a batch as delivered; tries again when the disk refuses.
    func deliver(_ lease: Lease) async {
        var settlement = Settlement(lease: lease.id)
        settlement.routeAnswered = true
        settlement.delivered = lease.events.map {
            .init(sequence: $0.sequence, id: "data_\($0.sequence.rawValue)", projectID: "pr_1")
        }
        while await !settle(settlement) { await untilInOrder() }
        delivered.formUnion(lease.events.map(\.sequence))
    }

    func settle(_ settlement: Settlement) async -> Bool {
        await withCheckedContinuation { done in
            queue.settle(settlement) { done.resume(returning: $0 == .committed) }
        }
    }

    @discardableResult
    func recall() async -> Recollection { await Self.recall(queue) }

    static func recall(_ queue: EventQueue) async -> Recollection {
        await withCheckedContinuation { done in
            queue.recall { done.resume(returning: $0) }
        }
    }

    /// Waits until a transaction of the queue's own has gone through.
    func untilInOrder() async {
        await recall()
    }

    /// Delivers all that is in the queue; the batches.
    func drain() async -> [[EventSequence]] {
        var batches: [[EventSequence]] = []
        while true {
            switch await lease() {
            case .batch(let lease):
                batches.append(lease.events.map(\.sequence))
                await deliver(lease)
            case .nothing: return batches
            case .failing: await untilInOrder()
            }
        }
    }

    func report() async -> QueueReport? {
        await withCheckedContinuation { done in
            queue.report { done.resume(returning: try? $0.get()) }
        }
    }

    /// From now on commits copy the log into the database, until the store is made anew.
    func checkpointOften() async {
        await withCheckedContinuation { done in
            queue.committer.submit { store in
                try store.connection.execute("PRAGMA wal_autocheckpoint = 4")
                return { done.resume() }
            } orElse: { _ in
                done.resume()
            }
        }
    }

    func stop() async { await queue.stop() }

    /// Stops, and starts again with what is there.
    func restart() async throws {
        await stop()
        // It holds the directory's lock for as long as it lives.
        running = nil
        running = try Self.open(directory, disk, reports)
    }
}

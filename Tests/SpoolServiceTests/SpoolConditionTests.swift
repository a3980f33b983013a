import Logging
import NIOCore
import NIOPosix
import SpoolCore
import Synchronization
import Testing

@testable import SpoolQueue
@testable import SpoolService

@Suite("The spool's condition", .timeLimit(.minutes(1)))
struct SpoolConditionTests {
    /// A queue that answers what it is told to, or nothing.
    private final class Queue: Sendable {
        private let answer = Mutex<Result<QueueReport, QueueUnreadable>?>(nil)

        func says(_ answer: Result<QueueReport, QueueUnreadable>?) {
            self.answer.withLock { $0 = answer }
        }

        func condition(_ onFull: OnFull = .refuse) -> SpoolCondition {
            SpoolCondition(
                of: { _, done in self.answer.withLock { $0 }.map(done) }, onFull: onFull,
                on: MultiThreadedEventLoopGroup.singleton.next())
        }
    }

    private static func report(used: Int64 = 0, of max: Int64 = 1 << 30) -> QueueReport {
        var report = QueueReport()
        (report.queued, report.usedBytes, report.usedBytesMax) = (7, used, max)
        return report
    }

    @Test("is good while the queue answers and has room")
    func good() async {
        let queue = Queue()
        queue.says(.success(Self.report()))
        let reading = await queue.condition().read()
        #expect(reading.trouble == nil)
        #expect(reading.report?.queued == 7)
        #expect(reading.age == .zero)
        #expect(reading.lastWords["queued"] == "7")
    }

    @Test("is told with the last known numbers when the disk refuses, and is good again after it")
    func refusing() async {
        let queue = Queue()
        let condition = queue.condition()
        queue.says(.success(Self.report()))
        _ = await condition.read()
        queue.says(.failure(QueueUnreadable(description: "no space left")))
        let reading = await condition.read()
        #expect(reading.trouble?.contains("no space left") == true)
        #expect(reading.report?.queued == 7)
        #expect(reading.age > .zero)
        #expect(reading.lastWords["queued"] == "7")
        #expect(reading.lastWords["ledger_age"] != nil)
        #expect("\(reading.lastWords["trouble"] ?? "")".contains("no space left"))
        queue.says(.success(Self.report()))
        #expect(await condition.read().trouble == nil)
    }

    @Test("is told in time when the disk hangs")
    func hanging() async {
        let queue = Queue()
        let reading = await queue.condition().read(within: .milliseconds(10))
        #expect(reading.trouble?.contains("has not answered") == true)
    }

    @Test("has no number that was never read, also in the last words of a stop")
    func neverRead() async {
        let queue = Queue()
        queue.says(.failure(QueueUnreadable(description: "no")))
        let reading = await queue.condition().read()
        #expect(reading.report == nil)
        #expect(reading.lastWords["queued"] == nil)
        #expect(reading.lastWords["trouble"] != nil)
    }

    @Test("is bad when the spool is full, unless the oldest make room")
    func full() async {
        let queue = Queue()
        for (left, isFull) in [(1 << 21, false), (1 << 20, true), (0, true)] {
            queue.says(.success(Self.report(used: 1 << 30 - Int64(left))))
            let reading = await queue.condition().read()
            #expect((reading.trouble?.contains("full") == true) == isFull, "\(left)")
            #expect(await queue.condition(.dropOldest).read().trouble == nil)
        }
    }

    @Test("is bad when the disk has less free than its reserve, whatever makes room in the spool")
    func diskFull() async {
        let queue = Queue()
        var report = Self.report()
        (report.isDiskFull, report.freeDiskBytes, report.freeDiskBytesMin) = (true, 11, 22)
        queue.says(.success(report))
        let trouble = await queue.condition(.dropOldest).read().trouble
        #expect(trouble?.contains("11 bytes free") == true)
    }

    @Test("makes nothing younger than new after the clock was set back")
    func clockSetBack() {
        var report = Self.report()
        #expect(report.oldestAge(at: Timestamp(milliseconds: 5)) == nil)
        report.oldestAcceptedAt = Timestamp(milliseconds: 5_000)
        #expect(report.oldestAge(at: Timestamp(milliseconds: 4_000)) == .zero)
        #expect(report.oldestAge(at: Timestamp(milliseconds: 7_000)) == .seconds(2))
    }
}

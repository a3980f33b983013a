internal import NIOCore
internal import SpoolCore
internal import SpoolQueue
internal import Synchronization

/// How the spool is, for whoever may ask: probes, the operator, the last line of a stop.
///
/// The queue itself is asked each time, because it alone knows whether its disk obeys. When it cannot
/// say, or does not in time, the answer is what it said last, with the trouble: a disk that refuses or
/// hangs is when an answer matters most.
final class SpoolCondition: Sendable {
    /// One answer.
    struct Reading: Sendable {
        /// The numbers; nil when they could never be read.
        let report: QueueReport?
        /// How old they are; zero when they were read for this answer.
        let age: Duration
        /// Why no event can be accepted; nil when events can be.
        let trouble: String?
    }

    /// Asks the queue for its numbers, those of some lanes included.
    typealias Question =
        @Sendable (
            _ lanes: Set<Int64>,
            _ done: @escaping @Sendable (Result<QueueReport, QueueUnreadable>) -> Void
        ) -> Void

    private let ask: Question
    private let onFull: OnFull
    private let loop: any EventLoop
    private let last = Mutex<(report: QueueReport, at: ContinuousClock.Instant)?>(nil)

    /// The condition of one queue.
    ///
    /// - Parameters:
    ///   - ask: puts the question to it.
    ///   - loop: counts the time that an answer may take.
    ///   - onFull: what the queue does when the spool is full.
    init(of ask: @escaping Question, onFull: OnFull, on loop: any EventLoop) {
        self.ask = ask
        self.onFull = onFull
        self.loop = loop
    }

    /// Calls `done` once, on any thread, at the latest after `patience`: by default soon, for somebody
    /// who wants to know whether the daemon lives.
    func read(
        about lanes: Set<Int64> = [], within patience: Duration = .seconds(1),
        _ done: @escaping @Sendable (Reading) -> Void
    ) {
        let asker = Asker(done)
        let timeout = loop.scheduleTask(in: TimeAmount(patience)) { [self] in
            asker.answer(reading("the spool's disk has not answered for \(patience)"))
        }
        ask(lanes) { [self] result in
            timeout.cancel()
            asker.answer(reading(result))
        }
    }

    /// The same, for somebody who can wait.
    func read(within patience: Duration = .seconds(1)) async -> Reading {
        await withCheckedContinuation { done in
            read(within: patience) { done.resume(returning: $0) }
        }
    }

    private func reading(_ result: Result<QueueReport, QueueUnreadable>) -> Reading {
        switch result {
        case .success(let report):
            last.withLock { $0 = (report, .now) }
            return Reading(report: report, age: .zero, trouble: trouble(report))
        case .failure(let reason):
            return reading("\(reason)")
        }
    }

    /// What is left to say when the queue cannot be asked.
    private func reading(_ trouble: String) -> Reading {
        let last = last.withLock { $0 }
        return Reading(
            report: last?.report, age: last.map { .now - $0.at } ?? .zero,
            trouble: "nothing is accepted: " + trouble)
    }

    private func trouble(_ report: QueueReport) -> String? {
        if report.isDiskFull {
            let free = report.freeDiskBytes.map { "\($0)" } ?? "an unknown number of"
            return """
                nothing is accepted: the disk has \(free) bytes free, and the reserve is \
                \(report.freeDiskBytesMin); make room
                """
        }
        if onFull == .refuse, report.isFull {
            return """
                nothing is accepted: the spool is full, it holds \(report.usedBytes) of \
                \(report.usedBytesMax) bytes; it takes more when upstream has taken some
                """
        }
        return nil
    }
}

extension QueueReport {
    /// Whether there is no room for an event of a usual size: the last thousandth is for small ones.
    fileprivate var isFull: Bool {
        usedBytesMax - usedBytes <= max(usedBytesMax / 1000, Limits.eventOverheadBytes)
    }
}

/// Who is answered once, by whatever comes first.
private final class Asker: Sendable {
    private let done: Mutex<(@Sendable (SpoolCondition.Reading) -> Void)?>

    init(_ done: @escaping @Sendable (SpoolCondition.Reading) -> Void) {
        self.done = Mutex(done)
    }

    func answer(_ reading: SpoolCondition.Reading) {
        let done = done.withLock { done in
            defer { done = nil }
            return done
        }
        done?(reading)
    }
}

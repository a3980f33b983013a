import SpoolCore

/// The books of one stream: which lines were read, which are dealt with, what waits for the disk.
/// Pure.
///
/// One submission is under way at a time; what is read meanwhile gathers in the next one. So the
/// events of a stream are accepted in its order even when a submission has to be tried again, and a
/// stream's share of a commit sizes itself by how long the last one took.
struct EventStreamWindow {
    /// What was given to the sink and not yet accepted.
    private struct UnderWay {
        var submission: Submission
        /// The line of each event.
        var lines: [Int]
        /// The last line it settles, with the lines before it.
        let through: Int
        let bytes: Int
        /// Events that go after it, with their lines, because all together were too large.
        var rest: [(event: EventDraft, line: Int)] = []
    }

    /// A line that the sink has refused.
    struct Refused {
        /// Its number.
        let line: Int
        /// What it held.
        let kind: EventKind
        /// Its event's body, as it would have travelled.
        let body: ArraySlice<UInt8>
    }

    /// Bytes gathered beyond which the stream is not read.
    static let gatheredBytesMax = 1 << 20

    /// Lines read, blank ones and refused ones included; the line of options is not one.
    private(set) var linesRead = 0
    /// Lines dealt with: durable, refused or blank, as all before them.
    private(set) var linesSettled = 0
    /// Bytes of lines gathered for the next submission, and what each event costs besides: of short
    /// lines that is most of it.
    private(set) var gatheredBytes = 0
    private var gathered: Submission
    private var gatheredLines: [Int] = []
    private var underWay: UnderWay?
    private let caller: String

    /// An empty window for `caller`'s stream.
    init(caller: String) {
        self.caller = caller
        self.gathered = Submission(caller: caller)
    }

    /// Bytes of lines and events that are not on disk yet.
    var bytes: Int { gatheredBytes + (underWay?.bytes ?? 0) }

    /// Whether no more should be read for now.
    var isFull: Bool { underWay != nil && gatheredBytes >= Self.gatheredBytesMax }

    /// Whether every line read is dealt with.
    var isSettled: Bool { linesSettled == linesRead }

    /// Counts a line that adds no event.
    mutating func pass() {
        linesRead += 1
        settleIfIdle()
    }

    /// Counts a line and lets `decode` add its event; what `decode` returns is returned.
    mutating func add<Refusal>(
        lineBytes: Int, _ decode: (inout Submission) -> Refusal?
    ) -> Refusal? {
        let refusal = decode(&gathered)
        linesRead += 1
        if refusal == nil {
            gatheredBytes += lineBytes + Int(Limits.eventOverheadBytes)
            gatheredLines.append(linesRead)
        }
        settleIfIdle()
        return refusal
    }

    /// The next submission to give to the sink, when none is under way and there is one.
    mutating func next() -> Submission? {
        guard underWay == nil, !gathered.events.isEmpty else { return nil }
        let submission = gathered
        underWay = UnderWay(
            submission: submission, lines: gatheredLines, through: linesRead, bytes: gatheredBytes)
        gathered = Submission(caller: caller)
        gatheredLines = []
        gatheredBytes = 0
        return submission
    }

    /// The submission under way, to be tried again.
    func again() -> Submission {
        guard let underWay else { preconditionFailure("nothing is under way") }
        return underWay.submission
    }

    /// Takes an event that the sink will never accept out of the submission under way.
    mutating func refuse(eventAt index: Int) -> Refused {
        guard var underWay, underWay.lines.indices.contains(index) else {
            preconditionFailure("event \(index) was refused, but is not under way")
        }
        self.underWay = nil
        let line = underWay.lines.remove(at: index)
        let event = underWay.submission.events.remove(at: index)
        self.underWay = underWay
        return Refused(
            line: line, kind: event.kind, body: underWay.submission.bytes[event.body])
    }

    /// Whether events of the submission under way are left.
    var hasEventsUnderWay: Bool { underWay?.submission.events.isEmpty == false }

    /// Leaves the second half of the submission under way for later; the first, to be tried again.
    mutating func halve() -> Submission {
        guard var underWay, underWay.lines.count > 1 else {
            preconditionFailure("fewer than two events are under way")
        }
        self.underWay = nil
        let kept = underWay.lines.count / 2
        let second = zip(underWay.submission.events[kept...], underWay.lines[kept...])
        underWay.rest.insert(contentsOf: second.map { ($0, $1) }, at: 0)
        underWay.submission.events.removeSubrange(kept...)
        underWay.lines.removeSubrange(kept...)
        self.underWay = underWay
        return underWay.submission
    }

    /// The submission under way is on disk. Returns what was left of it for later.
    mutating func accepted() -> Submission? {
        guard var underWay else { preconditionFailure("accepted, but nothing is under way") }
        self.underWay = nil
        guard let next = underWay.rest.first else {
            linesSettled = underWay.through
            settleIfIdle()
            return nil
        }
        linesSettled = next.line - 1
        underWay.submission.events = underWay.rest.map(\.event)
        underWay.lines = underWay.rest.map(\.line)
        underWay.rest = []
        self.underWay = underWay
        return underWay.submission
    }

    /// Lets go of everything; nothing of it will be acked.
    mutating func forget() {
        self = EventStreamWindow(caller: caller)
    }

    private mutating func settleIfIdle() {
        if underWay == nil, gathered.events.isEmpty { linesSettled = linesRead }
    }
}

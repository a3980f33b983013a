import SpoolCore
import SpoolSender
import SpoolTestKit

@testable import SpoolQueue

/// One history: the real queue and the real sender between apps and an upstream, on virtual time, with
/// everything that may go wrong drawn from one seed.
///
/// Replaced are the clock, the scheduler, the transport, the disk under SQLite, and the queue's thread:
/// work for the store waits and is committed in groups of any size, as ``GroupCommitter`` would. After
/// every step the rules of ``Books`` are checked; at the end nothing goes wrong any more and everything has
/// to drain.
final class Simulation {
    /// What happens at an instant.
    enum Step {
        /// To the outer world, whether the daemon runs or not.
        case submit, submitHealthy, lateLog(String)
        case jump(Duration), crash, stop, start, mend, discard, replay, discardDead, resume, calm
        /// An upstream applies a request whose answer nobody waits for.
        case appliesUnseen(Exchange)
        /// To this life of the process, and to none after it.
        case event(SenderMachine.Event)
        case commitGroup
        case upkeep
        case reaches(SenderMachine.ExchangeID, Exchange, Reply)
    }

    /// What everything is drawn from, the bug planted beside the program, and what goes wrong.
    let seed: UInt64
    let canary: Canary?
    let climate: Climate
    /// The clocks, all further chance, and what is to happen.
    let time = VirtualTime()
    var random: SeededRandom
    var agenda = Agenda<Step>()
    /// What is known beside the program.
    var books: Books
    /// The outer world.
    var apps: Apps
    var upstream: Upstream
    /// The program: its door, its file, its sender while the process lives, and work for the queue.
    let decoder: EventDecoder
    let spool: SimulatedSpool
    var machine: SenderMachine?
    var jobs: [SpoolJob] = []
    /// Whether the queue's thread has been woken.
    var isCommitPlanned = false
    /// Groups so far, and the one of which nobody knows whether it is on the disk.
    var groups: Int64 = 0
    var unclear: UnclearGroup?
    /// Whether nobody knows whether the last step of upkeep is on the disk.
    var isUpkeepUnclear = false
    /// Whether nothing goes wrong any more.
    var isCalm = false
    /// Deliveries whose outcome the machine does not have yet.
    var underWay: Set<SenderMachine.ExchangeID> = []
    /// When the operator stopped the daemon, while it is stopping.
    var stopAskedAt: ContinuousClock.Instant?
    /// When it started last.
    var startedAt = VirtualTime.start
    /// What it came across.
    private(set) var sightings: Set<Sighting> = []
    /// Changes with everything that happens: equal for equal histories.
    private(set) var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325
    /// How long it is.
    private(set) var steps = 0
    /// The climate and the last steps in words, if they are kept.
    private(set) var story: [String] = []
    private let keepsStory: Bool

    /// A history that has not begun.
    ///
    /// - Parameter directory: an empty one for the spool's files.
    init(seed: UInt64, canary: Canary? = nil, directory: String, keepsStory: Bool = false) throws {
        self.seed = seed
        self.canary = canary
        self.keepsStory = keepsStory
        random = SeededRandom(seed: seed)
        climate = Climate(using: &random)
        upstream = Upstream(climate.rules)
        books = Books(isTruthful: climate.rules.asking == .truthful)
        spool = try SimulatedSpool(
            directory: directory, time: time, settings: climate.queue, canary: canary)
        decoder = EventDecoder(
            identity: spool.identity, defaultProject: "home", stamps: time)
        apps = Apps(identity: spool.identity, logBytesMax: climate.rules.bodyBytesMax)
        plan()
    }

    private func plan() {
        upstream.logElsewhere("x0")
        plan(.lateLog("x1"), after: climate.duration / 2)
        plan(.start, after: .zero)
        for _ in 0..<climate.submissions {
            plan(.submit, after: anyDuration(upTo: climate.duration))
        }
        for at in climate.crashes { plan(.crash, after: at) }
        for at in climate.stops { plan(.stop, after: at) }
        for at in climate.replays { plan(.replay, after: at) }
        for at in climate.discards { plan(.discard, after: at) }
        for at in climate.deadDiscards { plan(.discardDead, after: at) }
        for at in climate.resumes { plan(.resume, after: at) }
        for jump in climate.clockJumps { plan(.jump(jump.by), after: jump.at) }
        plan(.calm, after: climate.duration * 2)
    }

    /// Lives through the history.
    ///
    /// - Throws: a ``Violation``, or what the store threw.
    func run() throws {
        note("\(climate)")
        while let (at, step) = agenda.next() {
            if isCalm, isOver { break }
            steps += 1
            guard steps < Self.stepsMax else { throw Violation("no end after \(steps) steps") }
            time.advance(to: at)
            if isCalm, time.elapsed > climate.duration * 2 + Self.drainMax {
                throw Violation("not drained after \(Self.drainMax): \(waiting)")
            }
            try take(step)
        }
        guard isOver else { throw Violation("nothing happens any more, and there wait \(waiting)") }
        try spool.check(books)
    }

    private static let stepsMax = 300_000
    /// How long a drain may last: an hour's `Retry-After`, and six hours by which a clock that was set
    /// back prolongs the wait for causes nobody knows.
    private static let drainMax = Duration.seconds(8 * 3600)

    private var isOver: Bool {
        isDrained && jobs.isEmpty && machine != nil && underWay.isEmpty && unclear == nil
            && apps.areDone
    }

    /// Where upstream tells no ids, nobody can deliver what needs one.
    private var isDrained: Bool {
        if books.count(.held) == 0 { return true }
        guard !climate.isAnswered, books.leases.isEmpty else { return false }
        return books.stranded.count == books.count(.held)
    }

    private var waiting: String {
        books.events(.held).map { entry in
            let lease = entry.lease.map { "in lease \($0)" } ?? spool.hold(of: entry.sequence)
            return "\(entry.sequence.rawValue) \(entry.event.kind) \(lease)"
        }
        .joined(separator: ", ")
    }

    private func take(_ step: Step) throws {
        switch step {
        case .submit: submit(apps.submission(upstreamIDs: books.upstreamIDs, using: &random))
        case .submitHealthy: submitHealthy()
        case .lateLog(let name): upstream.logElsewhere(name)
        case .jump(let duration): jump(by: duration)
        case .crash: try crash()
        case .stop: stop()
        case .start: try start()
        case .mend: mend()
        case .discard: discard()
        case .replay: replay()
        case .discardDead: discardDead()
        case .resume: try give(.resume)
        case .calm: calm()
        case .appliesUnseen(let exchange): try apply(exchange)
        case .event(let event): try give(event)
        case .commitGroup: try commitGroup()
        case .upkeep: try upkeep()
        case .reaches(let id, let exchange, let reply): try reach(id, exchange, reply)
        }
    }

    // MARK: Apps, operator, clock

    private func submitHealthy() {
        guard machine != nil, stopAskedAt == nil, !spool.isNarrow else {
            return plan(.submitHealthy, after: .seconds(1))
        }
        submit(apps.healthySubmission())
    }

    private func submit(_ events: [AppEvent]) {
        guard machine != nil else { return }
        var submission = Submission(caller: "uid:1000")
        for event in events {
            if let line = event.line {
                let refusal = Array(line.utf8).withUnsafeBytes {
                    decoder.decodeLine($0, into: &submission)
                }
                precondition(
                    refusal == nil, "the door refuses \(line): \(String(describing: refusal))")
            } else {
                submission.events.append(EventDraft(kind: .session, body: 0..<0))
            }
        }
        if canary == .forgetsCauses {
            for place in submission.events.indices where submission.events[place].kind == .log {
                submission.events[place].causes = []
            }
        }
        submit(.append(submission, events))
    }

    private func discard() {
        guard machine != nil, let log = apps.logs.randomElement(using: &random) else { return }
        submit(.discard([log]))
    }

    private func replay() {
        guard machine != nil else { return }
        submit(.replay(anyFilter(), after: nil))
    }

    private func discardDead() {
        guard machine != nil else { return }
        submit(.discardDead(isCalm ? DeadFilter() : anyFilter(), after: nil))
    }

    private func anyFilter() -> DeadFilter {
        var filter = DeadFilter()
        switch Int.random(in: 0..<4, using: &random) {
        case 0: filter.reason = DeadLetterReason.allCases.randomElement(using: &random)
        case 1: filter.project = "b"
        default: break
        }
        return filter
    }

    private func jump(by duration: Duration) {
        note("the wall clock jumps by \(duration)")
        saw(duration > .zero ? .clockForward : .clockBack)
        time.jump(by: duration)
    }

    /// From now on nothing goes wrong; everything has to leave. The apps go on for a moment: a refusal is
    /// believed only on a route that has answered 2xx, and perhaps all that was sent there is refused.
    private func calm() {
        note("calm")
        isCalm = true
        spool.mend()
        agenda.cancel {
            switch $0 {
            case .crash, .stop, .jump, .submit, .discard, .replay, .discardDead, .resume: true
            default: false
            }
        }
        plan(.submitHealthy, after: .zero)
        // Where no question is answered, deliveries show by and by that only the questions fail.
        if !climate.rules.asking.isAnswered {
            for time in 1...30 { plan(.submitHealthy, after: .seconds(time * 300)) }
        }
        // Where there is no room, nothing can be accepted that would prove a route; so there is more.
        if climate.queue.bytesMax < Limits.spoolBytesMax {
            spool.widen()
            stop()
        }
        // Where dead letters have no room, the operator makes some, or nothing more can die.
        guard climate.queue.deadBytesMax < Limits.deadBytesMax else { return }
        for time in 0..<40 { plan(.discardDead, after: .seconds(60 + time * 600)) }
    }

    // MARK: Chance, time, telling

    /// Plans a step.
    func plan(_ step: Step, after delay: Duration) {
        agenda.plan(step, at: time.instant + delay)
    }

    /// Draws a yes or no.
    func chance(percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    /// Draws a yes or no.
    func chance(perMille: Int) -> Bool { Int.random(in: 0..<1000, using: &random) < perMille }

    /// Draws a duration.
    func anyDuration(from least: Duration = .zero, upTo most: Duration) -> Duration {
        .milliseconds(
            Int64.random(in: least.wholeMilliseconds...most.wholeMilliseconds, using: &random))
    }

    /// Notes that something really happened.
    func saw(_ sighting: Sighting) { sightings.insert(sighting) }

    /// Adds a line to the story, and to the fingerprint the moment of it.
    func note(_ text: @autoclosure () -> String, _ number: Int64 = 0) {
        for word in [
            UInt64(bitPattern: time.elapsed.wholeMilliseconds), UInt64(bitPattern: number),
        ] {
            fingerprint = (fingerprint ^ word) &* 0x100_0000_01b3
        }
        guard keepsStory else { return }
        story.append("\(time.elapsed.wholeMilliseconds) ms: \(text())")
        if story.count > 10_000 { story.removeSubrange(1...5_000) }
    }
}

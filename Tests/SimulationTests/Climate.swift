import SpoolCore
import SpoolQueue
import SpoolSender
import SpoolTestKit

/// What goes wrong in one history, and how often: drawn once from its seed.
///
/// Most kinds of trouble are absent from most histories, so that each is also met without the others
/// hiding what it does.
struct Climate {
    /// How long the apps and the trouble last.
    var duration: Duration
    /// Requests of the apps in that time.
    var submissions: Int
    /// How many requests in a hundred each kind of trouble befalls.
    var troubles: [(trouble: Trouble, percent: Int)] = []
    /// Stretches of time in which upstream is not itself.
    var spells: [Spell] = []
    /// Group commits in a hundred that a job fails, and in which the disk does.
    var refusedCommits = 0
    var diskFaults = 0
    /// Whether the disk is full for a while.
    var isFull: Range<Duration>?
    /// Deaths of the process, half of them of the power: at these times, in so many group commits in a
    /// thousand, and between so many actions in a thousand.
    var crashes: [Duration] = []
    var crashesInGroups = 0
    var crashesBetweenActions = 0
    /// When the operator stops and starts the daemon, replays dead letters, and discards logs.
    var stops: [Duration] = []
    var replays: [Duration] = []
    var discards: [Duration] = []
    var deadDiscards: [Duration] = []
    var resumes: [Duration] = []
    /// When the wall clock is set, and by how much.
    var clockJumps: [(at: Duration, by: Duration)] = []
    /// How upstream differs from others.
    var rules = Upstream.Rules()
    /// What the sender and the queue are told.
    var settings = SenderSettings()
    var queue = QueueSettings()

    /// Whether upstream ever tells what an effect by an unknown reference is about. Where it refuses the
    /// unknown, an examination has to show that first.
    var isAnswered: Bool {
        switch rules.asking {
        case .refused, .failing: false
        case .refusesUnknown: settings.inDoubt == .ask
        case .truthful, .alwaysFound, .neverFound: true
        }
    }

    /// Something that befalls single requests.
    enum Trouble: CaseIterable {
        /// No connection: nothing was sent.
        case refusedConnection
        /// 408, 425, 429 or 503, perhaps with `Retry-After`.
        case busy
        /// Another 5xx, before upstream did anything, and after it did everything.
        case failsBefore, failsAfter
        /// A reset before upstream read the request, after it applied it, and while it lies in a
        /// buffer from which it is read within the time that `in_doubt_wait` allows.
        case resetBefore, resetAfter, resetThenApplied
        /// No answer: never applied, applied at once, and applied after the sender gave up.
        case silence, silenceAfter, silenceThenApplied
        /// A 2xx that answers nothing, of a request that was applied, or was not.
        case nonsense, nonsenseAfter
        /// A 400 for an array, a part of which was applied.
        case refusesTogether
        /// The right answer, late.
        case slow
    }

    /// A stretch of time with one kind of trouble for all requests.
    struct Spell {
        /// From when to when.
        let time: Range<Duration>
        /// What every request gets.
        let kind: Kind

        /// What every request gets in a spell.
        enum Kind: CaseIterable {
            case unreachable, silent, failing, busy, unauthorized, forbidden, misconfigured
        }
    }

    /// Draws a climate.
    init(using random: inout SeededRandom) {
        let seconds = [4, 30, 120, 900].randomElement(using: &random) ?? 30
        duration = .seconds(seconds)
        submissions = Int.random(in: 3...16, using: &random)
        for trouble in Trouble.allCases {
            let percent = [0, 0, 0, 0, 3, 12].randomElement(using: &random) ?? 0
            if percent > 0 { troubles.append((trouble, percent)) }
        }
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            let start = Self.instant(in: duration, using: &random)
            let length = Self.instant(in: duration, using: &random) / 2
            guard let kind = Spell.Kind.allCases.randomElement(using: &random) else { continue }
            spells.append(Spell(time: start..<(start + length), kind: kind))
        }
        drawDisk(using: &random)
        drawOperator(using: &random)
        rules = Upstream.Rules(using: &random)
        settings.batchEventsMax = [2, 4, 10, 100].randomElement(using: &random) ?? 10
        settings.isArchive = Int.random(in: 0..<6, using: &random) == 0
        if Int.random(in: 0..<10, using: &random) == 0 { settings.inDoubt = .resend }
    }

    private mutating func drawDisk(using random: inout SeededRandom) {
        refusedCommits = [0, 0, 2, 8].randomElement(using: &random) ?? 0
        diskFaults = [0, 0, 2, 8].randomElement(using: &random) ?? 0
        if Int.random(in: 0..<6, using: &random) == 0 {
            let start = Self.instant(in: duration, using: &random)
            isFull = start..<(start + duration / 4)
        }
        for _ in 0..<([0, 0, 1, 3].randomElement(using: &random) ?? 0) {
            crashes.append(Self.instant(in: duration * 2, using: &random))
        }
        crashesInGroups = [0, 0, 10, 30].randomElement(using: &random) ?? 0
        crashesBetweenActions = [0, 0, 5, 20].randomElement(using: &random) ?? 0
    }

    private mutating func drawOperator(using random: inout SeededRandom) {
        func times(_ most: Int) -> [Duration] {
            (0..<Int.random(in: 0...most, using: &random)).map { _ in
                Self.instant(in: duration * 2, using: &random)
            }
        }
        stops = times(1)
        replays = times(2)
        discards = times(2)
        deadDiscards = times(1)
        resumes = times(2)
        if Int.random(in: 0..<5, using: &random) == 0 {
            queue.deadBytesMax = Int64.random(in: 2200...3200, using: &random)
            queue.deadOnFull = Bool.random(using: &random) ? .park : .dropOldest
        }
        drawPolicies(using: &random)
        clockJumps = times(1).map { at in
            let minutes = [-360, -60, -1, 1, 60, 360].randomElement(using: &random) ?? 1
            return (at, .seconds(minutes * 60))
        }
    }

    private mutating func drawPolicies(using random: inout SeededRandom) {
        if Int.random(in: 0..<5, using: &random) == 0 {
            queue.bytesMax = Int64.random(in: 2000...9000, using: &random)
            queue.onFull = Bool.random(using: &random) ? .refuse : .dropOldest
        }
        if Int.random(in: 0..<6, using: &random) == 0 {
            queue.ageMax = .seconds([60, 900, 3600].randomElement(using: &random) ?? 60)
        }
        if Int.random(in: 0..<5, using: &random) == 0 { queue.duplicateReferences = .refuse }
    }

    private static func instant(in duration: Duration, using random: inout SeededRandom) -> Duration
    {
        .milliseconds(Int64.random(in: 0...duration.wholeMilliseconds, using: &random))
    }
}

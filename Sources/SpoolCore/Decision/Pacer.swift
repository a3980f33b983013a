/// How many requests may be under way to one destination.
///
/// It starts at the low end and doubles with every window of successes (a window is as many successes
/// as requests are allowed), until something speaks against more; from there it grows by one a window.
/// What speaks against more:
/// - upstream is busy (429, 503): the number before is its ceiling. It is kept for a while, then one more
///   is tried; each time that is refused again, the next try waits twice as long.
/// - upstream fails or is silent: half as many.
/// - answers take longer than they did when few requests were under way: no more from 1.5 times as long,
///   fewer from twice as long. The comparison is with the lowest smoothed time of late; now and then half
///   as many requests go for a few windows to see what that is, because a queue that stands
///   for long would be taken for upstream's own slowness.
///
/// After every failure it begins low again, so that a destination that recovers is not met by all that has
/// piled up. Additive increase, multiplicative decrease: Chiu and Jain, "Analysis of the increase and
/// decrease algorithms for congestion avoidance in computer networks", 1989; slow start: RFC 5681,
/// section 3.1; pacing by answer time: Brakmo and Peterson, "TCP Vegas", 1995. No clock: windows count.
public struct Pacer: Sendable {
    /// What a failure says about the number of requests.
    public enum Failure: Sendable {
        /// Upstream says that it is too much now.
        case busy
        /// Upstream fails, or says nothing.
        case failing
    }

    /// Requests allowed at a time.
    public private(set) var limit: Int
    private let limits: ClosedRange<Int>
    /// Below it the limit doubles, from it on it grows by one.
    private var threshold: Int
    /// Whether the limit was reached one by one, so that one less is known to be well.
    private var isCareful = false
    /// The highest number that upstream has not called too much.
    private var ceiling: Int?
    /// Windows at the ceiling until one more is tried.
    private var windowsToTry = 0
    /// How many those are after the next refusal.
    private var patience = Self.patienceStart
    /// Successes of the window.
    private var successes = 0
    /// Windows since the answer time was last looked at with few requests.
    private var windows = 0
    /// Seconds an answer takes, smoothed over the last few.
    private var answerTime: Double?
    /// The lowest smoothed time of late.
    private var lowest: Double?
    /// While the answer time is looked at: windows left, and the limit to go back to.
    private var look: (windowsLeft: Int, limit: Int)?

    /// Windows at the ceiling before one more is tried, at first and at most: at 50 ms an answer,
    /// less than a second and almost a minute. The first is short, because one refusal may have been
    /// about something else.
    private static let patienceStart = 16
    private static let patienceMax = 1024
    /// Windows between two looks, and of one look: its first half answers what was sent before it.
    private static let windowsBetweenLooks = 128
    private static let windowsOfLook = 4
    /// What one answer weighs in the smoothed time.
    private static let weight = 0.125

    /// Starts at the low end of `limits`.
    public init(_ limits: ClosedRange<Int> = Limits.inFlightStart...Limits.inFlightMax) {
        precondition(limits.lowerBound > 0, "at least one request must be allowed: \(limits)")
        self.limits = limits
        self.limit = limits.lowerBound
        self.threshold = limits.upperBound
    }

    /// A request was answered well.
    ///
    /// - Parameters:
    ///   - time: from request to answer.
    ///   - underWay: requests that were, with this one. Nothing is learnt about more requests while not
    ///     even half of the allowed ones are used.
    public mutating func succeeded(after time: Duration, underWay: Int) {
        // What is faster than that is not worth telling apart.
        let seconds = max(time / .seconds(1), 0.001)
        answerTime = answerTime.map { $0 + (seconds - $0) * Self.weight } ?? seconds
        guard underWay * 2 >= limit else { return }
        successes += 1
        guard successes >= limit else { return }
        successes = 0
        endWindow()
    }

    /// The destination failed, or asked to be left alone. Several requests that fail together are one
    /// failure.
    public mutating func failed(_ failure: Failure) {
        let reached = look?.limit ?? limit
        look = nil
        successes = 0
        answerTime = nil
        if failure == .busy, isCareful {
            if ceiling == nil { patience = Self.patienceStart }
            threshold = max(reached - 1, limits.lowerBound)
            ceiling = threshold
            windowsToTry = patience
            patience = min(patience * 2, Self.patienceMax)
        } else {
            threshold = max(reached / 2, limits.lowerBound)
        }
        limit = limits.lowerBound
        isCareful = false
    }

    private mutating func endWindow() {
        guard let answerTime else { return }
        if look != nil { return endWindowOfLook(answerTime) }
        windows += 1
        if windows >= Self.windowsBetweenLooks { return beginLook() }
        let base = min(lowest ?? answerTime, answerTime)
        lowest = base
        switch answerTime / base {
        case ...1.5: grow()
        case ...2: threshold = min(threshold, limit)
        default:
            limit = max(limit - max(limit / 8, 1), limits.lowerBound)
            threshold = min(threshold, limit)
        }
    }

    private mutating func grow() {
        if limit < threshold {
            limit = min(limit * 2, threshold, limits.upperBound)
            isCareful = false
        } else if let ceiling, limit == ceiling, windowsToTry > 0 {
            windowsToTry -= 1
        } else {
            limit = min(limit + 1, limits.upperBound)
            threshold = limit
            isCareful = true
            // Two more than the ceiling: upstream has grown.
            if let ceiling, limit > ceiling + 1 { self.ceiling = nil }
        }
    }

    private mutating func beginLook() {
        windows = 0
        look = (Self.windowsOfLook, limit)
        limit = max(limit / 2, limits.lowerBound)
    }

    private mutating func endWindowOfLook(_ time: Double) {
        guard var look else { return }
        look.windowsLeft -= 1
        if look.windowsLeft == Self.windowsOfLook / 2 { answerTime = nil }
        self.look = look
        guard look.windowsLeft == 0 else { return }
        lowest = time
        limit = look.limit
        self.look = nil
    }
}

internal import Glibc
import NIOCore
import SpoolServer

/// What becomes of each request: pure, with time and chance as arguments.
///
/// Faults are tried in the order in which they were given. Delays add up; of the others, the first
/// that hits decides.
struct FaultPlan: Sendable {
    /// A fault and what it has done.
    struct Entry: Sendable {
        let fault: Fault
        /// Requests it has changed.
        fileprivate(set) var hits = 0
        /// Requests under way that count towards its capacity.
        fileprivate(set) var underWay = 0
    }

    /// The faults, in their order.
    private(set) var entries: [Entry]
    /// Requests decided about.
    private(set) var requests = 0
    /// Of these, those that the archive got to handle.
    private(set) var handled = 0
    /// When outages began to be counted.
    let start: ContinuousClock.Instant

    /// A plan that begins at `start`, with no outage.
    init(_ faults: [Fault], at start: ContinuousClock.Instant) {
        entries = faults.map { Entry(fault: $0) }
        self.start = start
    }

    /// Decides about a request that has just come. Every decision is followed by ``finish(_:)``.
    mutating func decide(
        _ request: HTTPRequest, at now: ContinuousClock.Instant,
        using generator: inout some RandomNumberGenerator
    ) -> FaultVerdict {
        requests += 1
        var verdict = FaultVerdict()
        for place in entries.indices {
            let fault = entries[place].fault
            // Drawn for every request, so that the order of paths does not change who is hit.
            let isDrawn = Int.random(in: 0..<Fault.whole, using: &generator) < fault.share
            guard isDrawn, fault.scope.covers(request),
                isDue(place, request, at: now, &verdict), verdict.take(fault)
            else { continue }
            entries[place].hits += 1
        }
        if verdict.isHandled { handled += 1 }
        return verdict
    }

    /// The request's answer is out, or its connection gone.
    mutating func finish(_ verdict: FaultVerdict) {
        for place in verdict.placesHeld { entries[place].underWay -= 1 }
    }

    /// Whether a fault applies now, beyond scope and share.
    private mutating func isDue(
        _ place: Int, _ request: HTTPRequest, at now: ContinuousClock.Instant,
        _ verdict: inout FaultVerdict
    ) -> Bool {
        switch entries[place].fault.effect {
        case .status, .delay, .reset, .cut:
            return true
        case .outage(let lasting, let every):
            let milliseconds = (now - start) / .milliseconds(1)
            let passed = milliseconds.truncatingRemainder(dividingBy: every / .milliseconds(1))
            return .milliseconds(passed) >= every - lasting
        case .bodyMax(let bytes):
            return request.body.readableBytes > bytes
        case .capacity(let count):
            guard entries[place].underWay < count else { return true }
            entries[place].underWay += 1
            verdict.placesHeld.append(place)
            return false
        }
    }
}

/// What becomes of one request.
struct FaultVerdict: Equatable, Sendable {
    /// What its client gets.
    enum Ending: Equatable, Sendable {
        /// The archive's answer.
        case answer
        /// The beginning of it.
        case cut
        /// Another answer.
        case status(Int, retryAfter: Int?)
        /// None.
        case reset
    }

    /// How long the request waits before anything is done about it.
    fileprivate(set) var delay = Duration.zero
    /// Whether the archive gets it.
    fileprivate(set) var isHandled = true
    /// How long the ending waits after that.
    fileprivate(set) var delayAfter = Duration.zero
    /// What its client gets.
    fileprivate(set) var ending = Ending.answer
    /// The entries of the plan whose capacity it takes a place of.
    fileprivate(set) var placesHeld: [Int] = []

    /// Lets a fault have its effect; false when another one has decided already.
    fileprivate mutating func take(_ fault: Fault) -> Bool {
        if case .delay(let time) = fault.effect {
            if fault.isAfterHandling { delayAfter += time } else { delay += time }
            return true
        }
        guard ending == .answer else { return false }
        switch fault.effect {
        case .status(let status): ending = .status(status, retryAfter: fault.retryAfter)
        case .capacity: ending = .status(429, retryAfter: fault.retryAfter)
        case .bodyMax: ending = .status(413, retryAfter: fault.retryAfter)
        case .reset, .outage: ending = .reset
        case .cut: ending = .cut
        case .delay: break
        }
        isHandled = fault.isAfterHandling || ending == .cut
        return true
    }
}

extension Fault.Scope {
    /// Whether a request may be hit.
    func covers(_ request: HTTPRequest) -> Bool {
        if let method, method != request.method { return false }
        if let path, !Fault.segments(request.path[...]).starts(with: path) { return false }
        guard let text else { return true }
        return request.body.withUnsafeReadableBytes { Self.holds($0, Array(text.utf8)) }
    }

    /// Whether the bytes hold the text, which is not empty. Bodies have megabytes and Swift's own
    /// search in a collection is slow, so memchr(3) finds the places to look at.
    private static func holds(_ bytes: UnsafeRawBufferPointer, _ text: [UInt8]) -> Bool {
        var rest = bytes[...]
        while rest.count >= text.count {
            guard let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress,
                let found = memchr(start, Int32(text[0]), rest.count - text.count + 1)
            else { return false }
            rest = rest.dropFirst(UnsafeRawPointer(found) - start)
            if rest.starts(with: text) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}

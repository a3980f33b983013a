/// One way in which a served archive misbehaves on purpose: what happens, to which requests, and to
/// how many of them.
///
/// For drills and proofs; `archive serve` alone can be given faults. ``list(_:)`` reads them,
/// ``description`` writes them in the same grammar.
public struct Fault: Equatable, Sendable, CustomStringConvertible {
    /// What happens to a request that is hit.
    enum Effect: Equatable, Sendable {
        /// It is answered with this status, 200 to 599.
        case status(Int)
        /// It takes that much longer.
        case delay(Duration)
        /// The connection is reset in place of an answer.
        case reset
        /// The connection ends in the middle of the answer's body.
        case cut
        /// The last part of every period, all connections are reset.
        case outage(lasting: Duration, every: Duration)
        /// Beyond that many at once, it is answered 429.
        case capacity(Int)
        /// With a body of more bytes, it is answered 413.
        case bodyMax(Int)
    }

    /// Which requests may be hit; nil: it does not matter.
    struct Scope: Equatable, Sendable {
        /// The method's name.
        var method: String?
        /// The path's first segments, without `/v4`.
        var path: [String]?
        /// What the body holds somewhere.
        var text: String?
    }

    /// What happens.
    var effect: Effect
    /// How many of the requests in scope are hit, in millionths.
    var share = Fault.whole
    /// Which requests may be hit.
    var scope = Scope()
    /// Whether the archive handles the request first.
    var isAfterHandling = false
    /// The seconds of a `Retry-After`, for effects that answer.
    var retryAfter: Int?

    /// The share that is every request.
    static let whole = 1_000_000

    /// The fault as it is written.
    public var description: String {
        var fields = [effect.description]
        if share != Self.whole { fields.append(Self.percent(share)) }
        if isAfterHandling { fields.append("after") }
        if let retryAfter { fields.append("retry-after=\(retryAfter)s") }
        if let method = scope.method { fields.append("method=\(method)") }
        if let path = scope.path { fields.append("path=/\(path.joined(separator: "/"))") }
        if let text = scope.text { fields.append("body=\(text)") }
        return fields.joined(separator: ":")
    }

    private static func percent(_ share: Int) -> String {
        let digits = String(whole + share % 10_000).dropFirst(3)
        let fraction = digits.prefix(digits.count - digits.reversed().prefix { $0 == "0" }.count)
        return "\(share / 10_000)" + (fraction.isEmpty ? "" : ".\(fraction)") + "%"
    }
}

extension Fault.Effect: CustomStringConvertible {
    /// The effect as it is written.
    var description: String {
        switch self {
        case .status(let status): "status=\(status)"
        case .delay(let time): "delay=\(Self.text(time))"
        case .reset: "reset"
        case .cut: "cut"
        case .outage(let lasting, let every): "outage=\(Self.text(lasting))/\(Self.text(every))"
        case .capacity(let count): "capacity=\(count)"
        case .bodyMax(let bytes): "body-max=\(bytes)"
        }
    }

    private static func text(_ time: Duration) -> String {
        let milliseconds = time / .milliseconds(1)
        return milliseconds.truncatingRemainder(dividingBy: 1000) == 0
            ? "\(Int(milliseconds) / 1000)s" : "\(Int(milliseconds))ms"
    }
}

/// Faults as people write them: `status=500:10%, reset:5%:after, outage=10s/60s`.
///
/// Commas or line breaks between faults, colons between the parts of one; the effect comes first.
extension Fault {
    /// Reads any number of faults; an empty text has none.
    ///
    /// - Throws: ``FaultMistake``, for the first part that cannot be understood.
    public static func list(_ text: String) throws(FaultMistake) -> [Fault] {
        var faults: [Fault] = []
        for piece in text.split(whereSeparator: { $0 == "," || $0.isNewline }) {
            let fault = FaultMistake.trimmed(piece)
            if !fault.isEmpty { faults.append(try Fault(fault)) }
        }
        return faults
    }

    private init(_ text: Substring) throws(FaultMistake) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            .map(FaultMistake.trimmed)
        self.init(effect: try Effect(parts[0], in: text))
        var kinds: Set<Substring> = []
        for part in parts.dropFirst() {
            let (name, value) = FaultMistake.member(part)
            let kind = value == nil ? name.suffix(1) : name
            guard kinds.insert(kind).inserted else {
                throw FaultMistake(text, part, "each part may be said once")
            }
            try read(part, in: text)
        }
        try check(text)
    }

    private mutating func read(_ part: Substring, in text: Substring) throws(FaultMistake) {
        let (name, value) = FaultMistake.member(part)
        switch (name, value) {
        case ("after", nil):
            isAfterHandling = true
        case (_, nil) where part.last == "%":
            share = try Self.share(part, in: text)
        case ("retry-after", let value?):
            let time = try FaultMistake.duration(value, in: text)
            let seconds = Int(time.components.seconds)
            guard time == .seconds(seconds), (1...86_400).contains(seconds) else {
                throw FaultMistake(text, part, "a Retry-After has whole seconds, 1s to 86400s")
            }
            retryAfter = seconds
        case ("method", let value?) where !value.isEmpty && value.allSatisfy(\.isLetter):
            scope.method = value.uppercased()
        case ("path", let value?) where value.first == "/":
            scope.path = Self.segments(value)
        case ("body", let value?) where !value.isEmpty:
            scope.text = String(value)
        default:
            throw FaultMistake(
                text, part,
                "after the effect come a share like 10%, after, retry-after=2s, method=POST, "
                    + "path=/logs or body=TEXT")
        }
    }

    /// What the parts say about each other.
    private func check(_ text: Substring) throws(FaultMistake) {
        switch effect {
        case .outage, .capacity, .bodyMax:
            guard share == Self.whole, !isAfterHandling else {
                throw FaultMistake(text, text, "it has no share, and nothing is handled first")
            }
        case .status, .delay, .reset, .cut:
            break
        }
        switch effect {
        case .delay, .reset, .cut, .outage:
            guard retryAfter == nil else {
                throw FaultMistake(text, text, "it answers nothing, so it has no retry-after")
            }
        case .status, .capacity, .bodyMax:
            break
        }
    }

    /// Millionths from `10%` or `0.05%`.
    private static func share(
        _ part: Substring, in text: Substring
    ) throws(FaultMistake) -> Int {
        let numbers = part.dropLast().split(omittingEmptySubsequences: false) { $0 == "." }
        let decimals = numbers.count == 2 ? numbers[1] : "0"
        guard
            numbers.count <= 2, (1...4).contains(decimals.utf8.count),
            let percent = UInt32(numbers[0]), let fraction = UInt32(decimals),
            case let digits = [10_000, 1000, 100, 10, 1][decimals.utf8.count],
            case let share = Int(percent) * 10_000 + Int(fraction) * digits,
            (1...whole).contains(share)
        else {
            throw FaultMistake(text, part, "a share is 0.0001% to 100%")
        }
        return share
    }

    /// A path's segments: empty ones collapse and a leading `v4` is optional, as for all requests.
    static func segments(_ path: Substring) -> [String] {
        let segments = path.split(separator: "/").map(String.init)
        return segments.first == "v4" ? Array(segments.dropFirst()) : segments
    }
}

extension Fault.Effect {
    fileprivate init(_ part: Substring, in text: Substring) throws(FaultMistake) {
        switch FaultMistake.member(part) {
        case ("status", let value?):
            guard let status = Int(value), (200...599).contains(status) else {
                throw FaultMistake(text, part, "a status is a number from 200 to 599")
            }
            self = .status(status)
        case ("delay", let value?):
            self = .delay(try FaultMistake.duration(value, in: text))
        case ("reset", nil):
            self = .reset
        case ("cut", nil):
            self = .cut
        case ("outage", let value?):
            self = try Self.outage(value, in: text)
        case ("capacity", let value?):
            guard let count = Int(value), (1...100_000).contains(count) else {
                throw FaultMistake(text, part, "a capacity is a number from 1 to 100000")
            }
            self = .capacity(count)
        case ("body-max", let value?):
            guard let bytes = Int(value), bytes >= 0 else {
                throw FaultMistake(text, part, "body-max is a number of bytes")
            }
            self = .bodyMax(bytes)
        default:
            throw FaultMistake(
                text, part,
                "a fault begins with status=500, delay=50ms, reset, cut, outage=10s/60s, "
                    + "capacity=4 or body-max=65536")
        }
    }

    private static func outage(
        _ value: Substring, in text: Substring
    ) throws(FaultMistake) -> Self {
        let times = value.split(separator: "/", omittingEmptySubsequences: false)
        guard times.count == 2 else {
            throw FaultMistake(text, value, "an outage is written 10s/60s: 10 s of every 60 s")
        }
        let lasting = try FaultMistake.duration(times[0], in: text)
        let every = try FaultMistake.duration(times[1], in: text)
        guard lasting > .zero, lasting <= every else {
            throw FaultMistake(text, value, "an outage lasts some time, and no longer than 'every'")
        }
        return .outage(lasting: lasting, every: every)
    }
}

/// Why a text is no fault.
public struct FaultMistake: Error, Equatable, CustomStringConvertible {
    /// The whole fault.
    let fault: String
    /// The part that cannot be understood.
    let part: String
    /// What would be right.
    let right: String

    init(_ fault: Substring, _ part: Substring, _ right: String) {
        self.fault = String(fault)
        self.part = String(part)
        self.right = right
    }

    /// What is wrong, in what, and what would be right.
    public var description: String {
        (part == fault ? "The fault '\(fault)'" : "'\(part)' in the fault '\(fault)'")
            + " is not understood: \(right)."
    }

    // MARK: Parts of a fault

    fileprivate static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// `name=value`, or a name alone.
    fileprivate static func member(_ part: Substring) -> (name: Substring, value: Substring?) {
        guard let equals = part.firstIndex(of: "=") else { return (part, nil) }
        return (part[..<equals], part[part.index(after: equals)...])
    }

    /// A time such as `50ms`, `10s` or `2m`, at most a day.
    fileprivate static func duration(
        _ text: Substring, in fault: Substring
    ) throws(FaultMistake) -> Duration {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let units: [Substring: Int] = ["ms": 1, "s": 1000, "m": 60_000]
        guard let count = Int(digits), let unit = units[text.dropFirst(digits.count)],
            count <= 86_400_000 / unit
        else {
            throw FaultMistake(
                fault, text, "a time is written 50ms, 10s or 2m, and is at most a day")
        }
        return .milliseconds(count * unit)
    }
}

public import SpoolCore
public import SpoolQueue
internal import SpoolSender

/// What the operator decides about bounds, and about what happens at them.
public struct SpoolPolicy: Sendable, Equatable {
    /// Payload plus 200 bytes an event, beyond which nothing is accepted.
    public var bytesMax = Limits.spoolBytesMax
    /// Free disk below which nothing is accepted.
    public var freeDiskBytesMin = Limits.freeDiskBytesMin
    /// What is done when the spool is full.
    public var onFull = OnFull.refuse
    /// Bytes of dead letters.
    public var deadBytesMax = Limits.deadBytesMax
    /// What is done when there is no room for more of them.
    public var deadOnFull = DeadOnFull.park
    /// How old an event may grow unsent; nil: as old as it takes.
    public var ageMax: Duration?
    /// What is done about logs in doubt.
    public var inDoubt = InDoubt.Policy.ask
    /// Requests to upstream at a time, at most.
    public var inFlightMax = Limits.inFlightMax
    /// Whether a 2xx without ids counts as delivered.
    public var acceptsBare2xx = false

    /// The documented defaults.
    public init() {}
}

extension DaemonSettings {
    /// What the queue is told.
    func queue(freeDiskBytes: @escaping @Sendable () -> Int64?) -> QueueSettings {
        var queue = QueueSettings(
            bytesMax: policy.bytesMax, freeDiskBytesMin: policy.freeDiskBytesMin,
            freeDiskBytes: freeDiskBytes)
        queue.onFull = policy.onFull
        queue.deadBytesMax = policy.deadBytesMax
        queue.deadOnFull = policy.deadOnFull
        queue.ageMax = policy.ageMax
        queue.duplicateReferences = duplicateReferences
        return queue
    }

    /// What the sender is told.
    var sender: SenderSettings {
        var sender = SenderSettings()
        sender.isArchive = upstream == nil
        sender.inDoubt = policy.inDoubt
        sender.inFlight = min(Limits.inFlightStart, policy.inFlightMax)...policy.inFlightMax
        sender.acceptsBare2xx = policy.acceptsBare2xx
        return sender
    }
}

extension SettingsReader {
    /// The operator's decisions, each mistake noted.
    mutating func policy() -> SpoolPolicy {
        var policy = SpoolPolicy()
        policy.bytesMax = bytes(.maxBytes, default: policy.bytesMax)
        policy.freeDiskBytesMin = bytes(.minFreeDisk, default: policy.freeDiskBytesMin)
        policy.onFull = choice(.onFull, default: policy.onFull)
        policy.deadBytesMax = bytes(.deadMaxBytes, default: policy.deadBytesMax)
        policy.deadOnFull = choice(.deadOnFull, default: policy.deadOnFull)
        policy.ageMax = age(.maxAge)
        policy.inDoubt = choice(.inDoubt, default: policy.inDoubt)
        policy.inFlightMax = count(.maxInFlight, 1...256, default: policy.inFlightMax)
        policy.acceptsBare2xx = choice(.acceptBare2xx, default: Switch.off) == .on
        return policy
    }

    private enum Switch: String, CaseIterable {
        case on
        case off
    }

    private mutating func bytes(_ name: Name, default bytes: Int64) -> Int64 {
        guard let (text, source) = value(name) else { return bytes }
        guard let size = ByteSize(text) else {
            mistakes.append(
                "\(source): '\(text)' is not a size; write bytes or a unit, e.g. 512MiB or 2GiB")
            return bytes
        }
        return size.bytes
    }

    private mutating func age(_ name: Name) -> Duration? {
        guard let (text, source) = value(name), text != "none" else { return nil }
        guard let age = TimeSpan(text), age.seconds > 0 else {
            mistakes.append(
                "\(source): '\(text)' is not a time; write e.g. 90s, 15m, 12h, 7d, or none")
            return nil
        }
        return .seconds(age.seconds)
    }

    private mutating func count(
        _ name: Name, _ range: ClosedRange<Int>, default count: Int
    ) -> Int {
        guard let (text, source) = value(name) else { return count }
        guard let number = Int(text), range.contains(number) else {
            mistakes.append(
                "\(source): '\(text)' is not a number from \(range.lowerBound) to \(range.upperBound)"
            )
            return count
        }
        return number
    }
}

/// A number of bytes as people write it: `1048576`, `512MiB`, `2GiB`. Units are powers of 1024.
struct ByteSize: Equatable {
    let bytes: Int64

    init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let shifts = ["": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40]
        guard let number = Int64(digits), let shift = shifts[String(text.dropFirst(digits.count))]
        else { return nil }
        let (bytes, overflows) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !overflows else { return nil }
        self.bytes = bytes
    }
}

/// A length of time as people write it: `90s`, `15m`, `12h`, `7d`.
public struct TimeSpan: Equatable, Sendable {
    /// Whole seconds.
    public let seconds: Int

    /// Reads a number, at most 100,000, and its unit.
    public init?(_ text: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let number = Int(text.dropLast()),
            (0...100_000).contains(number)
        else { return nil }
        seconds = number * unit
    }
}

/// An event's place in the order of acceptance, unique for the life of a spool.
///
/// Assigned in the transaction that accepts the event and never used twice, so that a provisional id
/// can carry it. 44 bits are enough for 100,000 events a second over five years.
public struct EventSequence: RawRepresentable, Hashable, Comparable, Sendable {
    /// The largest sequence that fits a provisional id.
    public static let max = EventSequence(rawValue: (1 << 44) - 1)

    /// 1 for a spool's first event.
    public let rawValue: Int64

    /// A sequence read back from the spool or from an id.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// Whether the left one is earlier.
    public static func < (left: EventSequence, right: EventSequence) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The sequence `count` places later.
    public func advanced(by count: Int) -> EventSequence {
        EventSequence(rawValue: rawValue + Int64(count))
    }
}

public import SpoolCore

/// Which dead letters a command is about. Every condition that is set must hold.
public struct DeadFilter: Sendable, Equatable {
    /// Only these.
    public var sequences: Set<EventSequence>?
    /// Only those of a project, as callers name it or by its id.
    public var project: String?
    /// Only those that died of this.
    public var reason: DeadLetterReason?
    /// Only those that died before.
    public var diedBefore: Timestamp?

    /// Every dead letter.
    public init() {}
}

/// An event that is not tried again unless the operator says so.
public struct DeadLetter: Sendable {
    /// Its place in the order of acceptance.
    public let sequence: EventSequence
    /// Its provisional id.
    public let id: String
    /// What it is.
    public let kind: EventKind
    /// Its project as its caller named it; the caller, where it named none.
    public let project: String
    /// Why it died, a ``DeadLetterReason``.
    public let reason: String
    /// Upstream's status, nil where it said nothing.
    public let status: Int?
    /// Upstream's words, or what in the queue it died of.
    public let words: String
    /// How often upstream refused it alone before.
    public let attempts: Int
    /// When it was accepted, or replayed last.
    public let acceptedAt: Timestamp
    /// When it died.
    public let diedAt: Timestamp
    /// Bytes of its body.
    public let bodyBytes: Int
    /// Its body, where it was asked for.
    public let body: [UInt8]?
}

/// What a command about many dead letters came to.
public struct DeadTally: Sendable, Equatable {
    /// Those that met the filter.
    public var matched = 0
    /// Of a replay: those that met it too, and stay dead because something they name was discarded.
    public var left = 0
    /// Of a replay: those that were dead because of one that met it, and follow it.
    public var followed = 0

    /// Nothing yet.
    public init() {}
}

/// What is done with new dead letters when there is no room for more (`dead_on_full`).
public enum DeadOnFull: String, Sendable, CaseIterable {
    /// They stay in the queue, and their lanes are parked.
    case park
    /// The oldest dead letters are discarded, counted as `dead_evicted`.
    case dropOldest = "drop_oldest"
}

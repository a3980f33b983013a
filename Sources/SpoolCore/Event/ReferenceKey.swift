/// A 64-bit keyed hash of the name by which events find a log: its `reference_id`, or an id that this
/// spool did not mint.
///
/// Made by ``SpoolIdentity/key(of:named:)`` with the spool's secret, so that no caller can aim for a
/// collision. Two different names meet by accident about once in 10^19 pairs; the worst a meeting does
/// is make an event wait for a log that is not its own.
public struct ReferenceKey: RawRepresentable, Hashable, Sendable {
    /// The hash as SQLite stores it.
    public let rawValue: Int64

    /// A key read back from the spool.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }
}

/// What an event must come after.
public enum Cause: Hashable, Sendable {
    /// The log known by a `reference_id`.
    case reference(ReferenceKey)
    /// The log that this spool accepted under this sequence, named by its provisional id.
    case event(EventSequence)
    /// The session named by a provisional `sesh_` id: the sequence of the `POST /sessions`, or of the
    /// first log that named it by `session_reference_id`.
    case session(EventSequence)
    /// The project named by a provisional `pr_` id.
    case project(EventSequence)
}

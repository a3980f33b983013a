/// Why an event was discarded: by a command or a policy of the operator, or because it could not be read.
public enum DiscardReason: String, Sendable, CaseIterable {
    /// `DELETE /logs`, before upstream had it.
    case deleted
    /// `loopspool dead discard`.
    case operatorCommand = "operator"
    /// Older than `max_age`.
    case maxAge = "max_age"
    /// The oldest, when the spool was full and `on_full: drop_oldest` was set.
    case dropOldest = "drop_oldest"
    /// The oldest dead letter, when there was no room and `dead_on_full: drop_oldest` was set.
    case deadEvicted = "dead_evicted"
    /// Lost with a part of the file that cannot be read any more.
    case corruption
}

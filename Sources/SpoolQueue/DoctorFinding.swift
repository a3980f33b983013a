/// One thing that an examination of a spool found.
public struct DoctorFinding: Sendable, Equatable, CustomStringConvertible {
    /// How bad it is.
    public enum Severity: String, Sendable {
        /// What the file says cannot be: a start quarantines it and salvages what can be read.
        case damage
        /// Nothing is wrong yet, but somebody should know.
        case warning
    }

    /// How bad it is.
    public let severity: Severity
    /// What was looked at: `ledger`, `leases`, `pages` …
    public let check: String
    /// What was found, on what.
    public let words: String
    /// What to do now.
    public let advice: String

    /// The finding as one line.
    public var description: String { "\(severity.rawValue): \(check): \(words). \(advice)" }
}

/// What an examination of a spool came to.
public struct DoctorReport: Sendable {
    /// The spool's file.
    public let path: String
    /// What was found, the worst first; empty when all is well.
    public internal(set) var findings: [DoctorFinding] = []
    /// Whether the file could be read so far that the numbers below are its own; else they are zero.
    public internal(set) var isMeasured = false
    /// The schema version of the file.
    public internal(set) var version = 0
    /// Events in the queue.
    public internal(set) var events: Int64 = 0
    /// Dead letters.
    public internal(set) var deadLetters: Int64 = 0
    /// Batches under way, or about to be.
    public internal(set) var leases: Int64 = 0
    /// Bytes of the database.
    public internal(set) var databaseBytes: Int64 = 0
    /// Of those, bytes of free pages.
    public internal(set) var freeBytes: Int64 = 0
    /// Bytes of the log beside it.
    public internal(set) var logBytes: Int64 = 0

    /// Whether the file contradicts itself.
    public var isDamaged: Bool { findings.contains { $0.severity == .damage } }
}

/// Tells the operator that something was wrong with the spool's files, what was done, and what that cost.
public struct SalvageNotice: Error, Sendable, CustomStringConvertible {
    /// What was wrong, what came of it, and what to do now.
    public let description: String

    /// A damaged spool was replaced, and is kept under the name `kept`.
    init(damage: String, kept: String, outcome: Salvage.Outcome) {
        var text = """
            The spool was damaged (\(damage)). It is kept as \(kept); \(outcome.events) events and \
            \(outcome.deadLetters) dead letters were read back into a fresh one
            """
        if outcome.lost > 0 {
            text += ", \(outcome.lost) could not be and are counted as discarded.corruption"
        }
        if !outcome.keptIdentity {
            text += ". Its identity was lost: ids that were given out before mean nothing any more"
        }
        if !outcome.keptTotals { text += ". Its totals were lost: they begin anew" }
        description =
            text + ". Look at the disk; the kept file can be deleted when nobody needs it."
    }

    /// A log of another spool lay beside the database, and is kept under the name `log`.
    init(foreignLog log: String) {
        description = """
            The write-ahead log beside the spool was another spool's: it is kept as \(log), and the spool \
            goes on with what its database holds. What its own log held is missing: if you copied files \
            here, stop loopspool and copy the database together with its own log.
            """
    }
}

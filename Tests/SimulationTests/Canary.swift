import SpoolCore

/// A bug planted beside the program, to see that a simulation finds it.
enum Canary: CaseIterable {
    /// A settlement that counts no possible duplicates.
    case forgetsDuplicates
    /// A transport that calls a lost answer *never sent*.
    case callsLostNotSent
    /// A door that does not note what a log names, so that a child travels with its parent.
    case forgetsCauses
    /// A settlement that leaves the rows of what was delivered.
    case keepsDeliveredRows
    /// An answer to the app before the commit.
    case answersBeforeCommit
    /// A transport that completes an answer that was cut off.
    case completesNonsense
    /// A start that does not find the last lease.
    case forgetsLease
    /// A doorbell that never rings.
    case losesDoorbell
    /// A transport that gives up waiting at once where an answer was late.
    case forgetsLateness
    /// A settlement that mixes up two ids.
    case swapsIDs
    /// Commits that nobody syncs.
    case skipsSync
}

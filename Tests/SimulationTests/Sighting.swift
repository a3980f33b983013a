/// What a history came across. A simulation proves nothing about what never happened in it, so each
/// of these must be seen over some hundreds of histories.
enum Sighting: String, CaseIterable {
    // Upstream
    case refusedConnection, busy, failsBefore, failsAfter, resetBefore, resetAfter, resetThenApplied
    case silence, silenceAfter, silenceThenApplied, nonsense, nonsenseAfter, refusesTogether, slow
    case spellUnreachable, spellSilent, spellFailing, spellBusy, spellUnauthorized, spellForbidden
    case spellMisconfigured
    case tooLargeTogether, faultyElement, unknownTarget
    // Disk, process, clock, operator
    case commitRefused, spoolFull, crash, crashInTransaction, crashBeforeAnswer
    case diskFailed, diskStillFailing, powerCut, powerCutInGroup, groupSurvived, groupLost
    case crashBetweenActions, restartInDoubt, gracefulStop, stopInDoubt, clockForward, clockBack
    case replay, discard, discardDependent, discardDead, deadEvicted, noRoomForDead, notesKept
    case droppedOldest, expired, duplicateRefused
    // Events
    case deliveredLog, deliveredUpdate, deliveredFeedback, deliveredSession
    case deliveredEvaluationLog, deliveredEvaluationResult
    case question, gaveUpAsking, foundByAsking, resolvedElsewhere, deduplicated, sharedReference,
        lateCause
    case leasedWithUnknownCause, regroupedLease, possibleDuplicate, realDuplicate, updateRepeated
    case deadRefused, deadTooLarge, deadCauseUnknown, deadCauseDead, deadReferenceAmbiguous
    case deadCauseCycle

    /// Those that some hundred histories may miss.
    static let rare: Set<Sighting> = [.deadCauseCycle, .deadEvicted, .noRoomForDead]
}

import SpoolCore

/// What a history notes for the count of what really happened.
extension Simulation {
    /// A batch was leased.
    func sawLease(_ lease: Lease) {
        if lease.isRegrouped { saw(.regroupedLease) }
        for leased in lease.events {
            if leased.namesUnknownLog { saw(.leasedWithUnknownCause) }
            if leased.unresolvedReference != nil { saw(.resolvedElsewhere) }
            guard let entry = books.entries[leased.sequence] else { continue }
            if entry.event.kind.isLog, books.logs(named: entry.chain).count > 1 {
                saw(.sharedReference)
            }
            for case .reference(let name) in entry.event.causes
            where books.logs(named: name).contains(where: { $0.sequence > leased.sequence }) {
                saw(.lateCause)
            }
        }
    }

    /// A lease was settled.
    func sawSettlement(_ settlement: Settlement) {
        if settlement.possibleDuplicates > 0 { saw(.possibleDuplicate) }
        if settlement.regrouped.contains(where: { $0.count == 1 }) { saw(.faultyElement) }
        for dead in settlement.dead { saw(dead.reason.sighting) }
        for delivered in settlement.delivered {
            guard let kind = books.entries[delivered.sequence]?.event.kind else { continue }
            saw(kind.sighting)
            if !settlement.routeAnswered { saw(.foundByAsking) }
        }
    }

    /// Upstream answered.
    func saw(_ answer: UpstreamAnswer, to exchange: Exchange) {
        if answer.status == 413, exchange.elements.count > 1 { saw(.tooLargeTogether) }
        if answer.status == 404, !exchange.isQuestion { saw(.unknownTarget) }
    }
}

extension EventKind {
    /// That one was delivered.
    var sighting: Sighting {
        switch self {
        case .log: .deliveredLog
        case .update: .deliveredUpdate
        case .feedback: .deliveredFeedback
        case .session: .deliveredSession
        case .evaluationLog: .deliveredEvaluationLog
        case .evaluationResult: .deliveredEvaluationResult
        }
    }
}

extension DeadLetterReason {
    /// That an event died of it.
    var sighting: Sighting {
        switch self {
        case .refused: .deadRefused
        case .tooLarge: .deadTooLarge
        case .causeUnknown: .deadCauseUnknown
        case .causeDead: .deadCauseDead
        case .referenceAmbiguous: .deadReferenceAmbiguous
        case .causeCycle: .deadCauseCycle
        }
    }
}

extension Climate.Trouble {
    /// That it befell a request.
    var sighting: Sighting {
        switch self {
        case .refusedConnection: .refusedConnection
        case .busy: .busy
        case .failsBefore: .failsBefore
        case .failsAfter: .failsAfter
        case .resetBefore: .resetBefore
        case .resetAfter: .resetAfter
        case .resetThenApplied: .resetThenApplied
        case .silence: .silence
        case .silenceAfter: .silenceAfter
        case .silenceThenApplied: .silenceThenApplied
        case .nonsense: .nonsense
        case .nonsenseAfter: .nonsenseAfter
        case .refusesTogether: .refusesTogether
        case .slow: .slow
        }
    }
}

extension Climate.Spell.Kind {
    /// That a request fell into it.
    var sighting: Sighting {
        switch self {
        case .unreachable: .spellUnreachable
        case .silent: .spellSilent
        case .failing: .spellFailing
        case .busy: .spellBusy
        case .unauthorized: .spellUnauthorized
        case .forbidden: .spellForbidden
        case .misconfigured: .spellMisconfigured
        }
    }
}

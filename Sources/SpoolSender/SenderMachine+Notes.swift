internal import SpoolCore

/// What is remembered over restarts: handed over with the settlement that changes it, or on its own.
extension SenderMachine {
    /// How often notes are kept at most without a settlement, or a doubt that begins.
    private static let keepInterval = Duration.seconds(1)

    /// What there is to remember now.
    var notes: SenderNotes {
        var doubts: [Int64: SenderNotes.Doubt] = [:]
        for (id, open) in leases {
            guard let doubt = open.doubt else { continue }
            doubts[id] = .init(believedAt: doubt.believedAt, splits: doubt.splits)
        }
        return SenderNotes(
            health: health, parks: parks, lanes: lanes, size: batchSize, doubts: doubts,
            sentUnproven: sentUnproven)
    }

    /// The text to go along with a settlement; nil when nothing has changed.
    mutating func takeNotes() -> String? {
        let notes = notes
        guard notes != keptNotes else { return nil }
        keptNotes = notes
        keepAt = now.instant + Self.keepInterval
        return notes.text(at: now)
    }

    /// Keeps what no settlement has taken along.
    mutating func keepNotes() {
        guard !supply.isRecalling, life != .idle, keepAt <= now.instant else { return }
        if let text = takeNotes() { actions.append(.keep(notes: text)) }
    }

    /// When ``keepNotes()`` is due; nil when nothing has changed.
    var notesDue: Instant? { notes == keptNotes ? nil : keepAt }

    /// Takes over an earlier run's notes; returns what its leases in doubt wait for.
    mutating func restore(_ text: String) -> [Int64: SenderNotes.Doubt] {
        guard let notes = SenderNotes(text, size: batchSize, at: now) else { return [:] }
        health = notes.health
        parks = notes.parks
        lanes = notes.lanes
        batchSize = notes.size
        sentUnproven = notes.sentUnproven
        return notes.doubts
    }
}

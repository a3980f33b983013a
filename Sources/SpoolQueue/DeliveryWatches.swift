internal import SpoolCore

/// Who waits for logs to leave the queue. Used on the queue's thread alone.
///
/// What a transaction finds is told only after its commit; a transaction that fails is forgotten, and its
/// events are still waited for.
final class DeliveryWatches {
    typealias Done = @Sendable ([EventSequence: String?]) -> Void

    private struct Watch {
        var missing: Set<EventSequence>
        var found: [EventSequence: String?]
        let done: Done
    }

    private var watches: [DeliveryWatch: Watch] = [:]
    private var watchers: [EventSequence: [DeliveryWatch]] = [:]
    /// What the running transaction has found; nil: it died.
    private var news: [(EventSequence, String?)] = []

    /// Waits for the events of `missing`; what is known already is in `found`.
    func add(
        _ watch: DeliveryWatch, missing: Set<EventSequence>, found: [EventSequence: String?],
        done: @escaping Done
    ) {
        guard !missing.isEmpty else { return done(found) }
        watches[watch] = Watch(missing: missing, found: found, done: done)
        for sequence in missing { watchers[sequence, default: []].append(watch) }
    }

    /// Gives up a wait.
    func remove(_ watch: DeliveryWatch) {
        guard let removed = watches.removeValue(forKey: watch) else { return }
        for sequence in removed.missing {
            watchers[sequence]?.removeAll { $0 == watch }
            if watchers[sequence]?.isEmpty == true { watchers[sequence] = nil }
        }
    }

    /// An event leaves the queue in the running transaction: delivered under an id, or not.
    func note(_ sequence: EventSequence, _ id: String?) {
        if !watchers.isEmpty, watchers[sequence] != nil { news.append((sequence, id)) }
    }

    /// The transaction was committed: tells whoever waited.
    func tell() {
        guard !news.isEmpty else { return }
        defer { news = [] }
        for (sequence, id) in news {
            for watch in watchers.removeValue(forKey: sequence) ?? [] {
                watches[watch]?.missing.remove(sequence)
                watches[watch]?.found.updateValue(id, forKey: sequence)
                guard let finished = watches[watch], finished.missing.isEmpty else { continue }
                watches[watch] = nil
                finished.done(finished.found)
            }
        }
    }

    /// A transaction begins: what an earlier one found and did not commit is not true.
    func forget() {
        news = []
    }

    /// The queue has stopped: nobody will be told anything any more.
    func giveUp() {
        let all = watches.values
        watches = [:]
        watchers = [:]
        for watch in all {
            watch.done(watch.found.merging(watch.missing.map { ($0, nil) }) { known, _ in known })
        }
    }
}

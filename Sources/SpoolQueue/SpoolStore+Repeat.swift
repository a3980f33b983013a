internal import SpoolCore
internal import SpoolSQLite

/// Recognising a repeated request: the same bytes under the same reference are the same event.
///
/// Looked for among the logs in the queue and those delivered last, never within one submission: an
/// array may mean what it says.
extension SpoolStore {
    /// The event that an earlier submission brought with the same reference and bytes.
    func repeated(
        _ draft: EventDraft, before first: EventSequence
    ) throws -> EventSequence? {
        guard let key = draft.reference, let digest = draft.digest else { return nil }
        if let queued = try queuedRepeat(key, digest), queued < first { return queued }
        return try recent.entries(of: key).prefix(Self.namesakesMax).first {
            try $0.digest == digest && !isDeleted($0.sequence)
        }?.sequence
    }

    /// Logs of one name that are looked through, the youngest first: a constant that somebody takes for a
    /// reference must not slow everybody down.
    static let namesakesMax = 100

    private func queuedRepeat(_ key: ReferenceKey, _ digest: Digest) throws -> EventSequence? {
        guard let oldest = references.first(of: key) else { return nil }
        let one = statements.eventDigest
        one.bind(1, oldest.rawValue)
        one.bind(2, key.rawValue)
        if try one.step() {
            defer { one.reset() }
            if one.blob(0, { Digest($0) }) == digest { return oldest }
        }
        guard references.count(of: key) > 1 else { return nil }
        let namesakes = statements.namesakes
        namesakes.bind(1, key.rawValue)
        namesakes.bind(2, Int64(Self.namesakesMax))
        defer { namesakes.reset() }
        while try namesakes.step() {
            if namesakes.blob(1, { Digest($0) }) == digest {
                return EventSequence(rawValue: namesakes.integer(0))
            }
        }
        return nil
    }
}

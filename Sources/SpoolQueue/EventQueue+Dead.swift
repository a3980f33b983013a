public import SpoolCore
internal import SpoolSQLite

/// What the operator does with dead letters. Every `done` comes on the queue's thread; nil means that the
/// disk refused, or that the queue is stopped: what was not done by then is still as it was.
extension EventQueue {
    /// A page of dead letters in the order of acceptance, and where the next page begins.
    public func listDead(
        _ filter: DeadFilter, after last: EventSequence?, limit: Int,
        _ done: @escaping @Sendable ((letters: [DeadLetter], last: EventSequence?)?) -> Void
    ) {
        collectDead(filter, after: last, limit: limit, [], done)
    }

    /// Collects one letter more than a page has: only that one shows whether there is another page.
    private func collectDead(
        _ filter: DeadFilter, after last: EventSequence?, limit: Int, _ letters: [DeadLetter],
        _ done: @escaping @Sendable ((letters: [DeadLetter], last: EventSequence?)?) -> Void
    ) {
        committer.submit { store in
            let found = try store.listDead(filter, after: last, limit: limit + 1 - letters.count)
            let letters = letters + found.letters
            return { [self] in
                if letters.count > limit {
                    done((Array(letters.prefix(limit)), letters[limit - 1].sequence))
                } else if let next = found.last {
                    collectDead(filter, after: next, limit: limit, letters, done)
                } else {
                    done((letters, nil))
                }
            }
        } orElse: { _ in
            done(nil)
        }
    }

    /// One dead letter with its body; nothing when there is none under that sequence.
    public func showDead(
        _ sequence: EventSequence, _ done: @escaping @Sendable (DeadLetter??) -> Void
    ) {
        committer.submit { store in
            let letter = try store.deadLetter(sequence, withBody: true)
            return { done(.some(letter)) }
        } orElse: { _ in
            done(nil)
        }
    }

    /// Counts the dead letters that meet a filter; `forReplay`, what a replay would come to.
    public func countDead(
        _ filter: DeadFilter, forReplay: Bool, _ done: @escaping @Sendable (DeadTally?) -> Void
    ) {
        walk(after: nil, DeadTally(), done) { store, last in
            forReplay
                ? try store.replayable(filter, after: last)
                : try store.deadStep(filter, after: last)
        } then: { tally, done in
            done(tally)
        }
    }

    /// Discards the dead letters that meet a filter, counted as discarded by the operator.
    public func discardDead(
        _ filter: DeadFilter, _ done: @escaping @Sendable (DeadTally?) -> Void
    ) {
        walk(after: nil, DeadTally(), done) { store, last in
            try store.discardDead(filter, after: last)
        } then: { tally, done in
            done(tally)
        }
    }

    /// Puts the dead letters that meet a filter back into the queue, in the order of acceptance, and then
    /// those that died because of one of them.
    public func replayDead(
        _ filter: DeadFilter, _ done: @escaping @Sendable (DeadTally?) -> Void
    ) {
        walk(after: nil, DeadTally(), done) { store, last in
            try store.replay(filter, after: last)
        } then: { [self] tally, done in
            replayFollowers(tally, done)
        }
    }

    /// Rounds through those that died of a dead cause, until a round revives nobody.
    private func replayFollowers(
        _ tally: DeadTally, _ done: @escaping @Sendable (DeadTally?) -> Void
    ) {
        walk(after: nil, DeadTally(), done) { store, last in
            try store.replayFollowers(after: last)
        } then: { [self] round, done in
            var total = tally
            total.followed += round.matched
            if round.matched > 0 { replayFollowers(total, done) } else { done(total) }
        }
    }

    /// Runs a bounded step after another, each in a transaction of its own, so that nobody waits long.
    private func walk(
        after last: EventSequence?, _ tally: DeadTally,
        _ done: @escaping @Sendable (DeadTally?) -> Void,
        by step: @escaping @Sendable (SpoolStore, EventSequence?) throws -> SpoolStore.DeadStep,
        then finish:
            @escaping @Sendable (DeadTally, @escaping @Sendable (DeadTally?) -> Void) ->
            Void
    ) {
        committer.submit { [self] store in
            let result = try step(store, last)
            return {
                var tally = tally
                tally.matched += result.matches.count
                tally.left += result.left
                if let next = result.last {
                    self.walk(after: next, tally, done, by: step, then: finish)
                } else {
                    finish(tally, done)
                }
            }
        } orElse: { _ in
            done(nil)
        }
    }
}

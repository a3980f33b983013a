import SpoolCore
import SpoolSender
import Testing

/// What becomes of events, by what upstream answers to everything. Each row is played against real
/// sockets: the answer travels over a connection; only the waiting between requests is virtual.
///
/// Waits are bounds: full jitter draws from nothing to the ceiling. After a restart a backoff goes on
/// where it was, a park is tried at once, and a lease without an outcome is asked about after 2 s.
struct RetryRow: Sendable, CustomTestStringConvertible {
    enum Fate: Hashable, Sendable {
        case delivered
        case dead(DeadLetterReason)
        case queued
    }

    let kind: EventKind
    /// Events in the first request.
    var count = 1
    let upstream: RetryUpstream
    let fate: Fate
    /// Requests in ten minutes of the same answer, and a little more.
    let requests: ClosedRange<Int>
    /// No request follows the one before sooner.
    var rest = Duration.zero
    /// Whether each request may have been applied.
    var isDoubtful = false
    /// Whether each request is an attempt of the event, which then waits for its own sake too.
    var spendsAttempts = false
    var park: Park?

    var testDescription: String { "\(count) \(kind): \(upstream)" }

    /// Whether upstream is asked before anything is sent again.
    var asks: Bool { isDoubtful && kind.isLog }

    /// Whether what is sent again may arrive twice: what cannot be asked about, but an update.
    var mayDuplicate: Bool { isDoubtful && !kind.isLog && kind != .update }

    /// The longest wait for the next request after `number` in a row. What is parked also gives way to
    /// others, for as many probes as there were.
    func waitMax(after number: Int) -> Duration {
        let ceiling = RetryPolicy.ceiling(failures: number)
        let own = park != nil ? ceiling * number : spendsAttempts ? ceiling : .zero
        return rest + ceiling + own + .seconds(1)
    }
}

extension RetryRow {
    /// An event of a kind, alone in its request, on a route that has answered 2xx before: every status for
    /// a log, one of each sort for the others, and every other end of a request.
    static func alone(_ kind: EventKind) -> [RetryRow] {
        let isLog = kind == .log
        let takesArray = kind.route.takesArray
        let id = takesArray ? #"[{"id":"data_1"}]"# : #"{"id":"data_1"}"#

        func leaves(_ upstream: RetryUpstream, _ fate: Fate) -> RetryRow {
            RetryRow(kind: kind, upstream: upstream, fate: fate, requests: 1...1)
        }
        /// Surely not applied: sent again when the destination has rested.
        func again(
            _ upstream: RetryUpstream, rest: Duration = .zero, requests: ClosedRange<Int> = 12...60
        ) -> RetryRow {
            RetryRow(kind: kind, upstream: upstream, fate: .queued, requests: requests, rest: rest)
        }
        /// Perhaps applied.
        func doubtful(
            _ upstream: RetryUpstream, rest: Duration = .seconds(2), park: Park? = nil
        ) -> RetryRow {
            RetryRow(
                kind: kind, upstream: upstream, fate: .queued, requests: 5...60, rest: rest,
                isDoubtful: true, spendsAttempts: true, park: park)
        }
        /// Nothing dies before somebody has mended something; one event tries now and then.
        func parked(_ status: Int, _ park: Park) -> RetryRow {
            RetryRow(
                kind: kind, upstream: .answers(status, ""), fate: .queued, requests: 4...60,
                spendsAttempts: park != .unauthorized, park: park)
        }
        /// Without a way to ask, somebody has to look what such a 2xx is.
        func unusable(_ body: String, status: Int = 200) -> RetryRow {
            doubtful(.answers(status, body), park: kind.isLog ? nil : .misconfigured)
        }

        var rows = (isLog ? Array(200...203) + Array(206...299) : [200, 201, 202])
            .map { leaves(.answers($0, id), .delivered) }
        rows += [
            unusable(""), unusable("<html>please log in</html>"), unusable("", status: 204),
            unusable(takesArray ? "[]" : "{}"), unusable(id + id),
            unusable(takesArray ? #"[{"id":"a"},{"id":"b"}]"# : #"{"id":7}"#),
        ]
        // Without a word about a rate or a time, it may be this event that upstream stumbles over.
        rows += [408, 415, 425, 503].map {
            var row = again(.answers($0, ""))
            row.spendsAttempts = true
            return row
        }
        rows += [
            again(.answers(429, "")),
            again(.answers(429, "", retryAfter: "7"), rest: .seconds(7)),
            again(.answers(503, "", retryAfter: "90"), rest: .seconds(90), requests: 5...8),
            again(.refusesConnections), again(.isUnknown), again(.speaksNoTLS),
            leaves(.answers(413, ""), .dead(.tooLarge)),
            leaves(.answers(422, complaint), .dead(.refused)),
            leaves(.answers(422, ""), .dead(.refused)),
        ]
        rows += (isLog ? Array(400...499) : [400, 409, 410, 451])
            .filter { ![401, 402, 403, 405, 407, 408, 413, 415, 422, 425, 429].contains($0) }
            .map { leaves(.answers($0, ""), .dead(.refused)) }
        // The log that it names may still come.
        if !isLog, kind != .evaluationLog, kind != .session {
            rows.append(
                RetryRow(
                    kind: kind, upstream: .answers(404, ""), fate: .dead(.causeUnknown),
                    requests: 12...60, spendsAttempts: true))
        }
        rows += (isLog ? Array(500...599) + [600, 999] : [500, 502, 504])
            .filter { ![501, 503].contains($0) }
            .map { doubtful(.answers($0, "")) }
        rows += [
            doubtful(.closes), doubtful(.resets), doubtful(.breaksOff), doubtful(.talksNonsense),
            // One timeout passes until it is noticed, and one more until a 404 is believed.
            doubtful(.isSilent, rest: .seconds(60)),
            parked(401, .unauthorized), parked(407, .unauthorized),
            parked(402, .notAllowed), parked(403, .notAllowed),
        ]
        rows += (isLog ? Array(300...399) + [405, 501] : [301, 405, 501])
            .map { parked($0, .misconfigured) }
        return rows
    }

    /// Two logs in one request: what upstream says of both, each hears by itself in the end.
    static let pairs: [RetryRow] = {
        func row(
            _ upstream: RetryUpstream, _ fate: Fate, _ requests: ClosedRange<Int>,
            isDoubtful: Bool = false, park: Park? = nil
        ) -> RetryRow {
            RetryRow(
                kind: .log, count: 2, upstream: upstream, fate: fate, requests: requests,
                isDoubtful: isDoubtful, park: park)
        }
        var rows = [
            row(.answers(200, #"[{"id":"a"},{"id":"b"}]"#), .delivered, 1...1),
            // The half of it, and the half of that.
            row(.answers(413, ""), .dead(.tooLarge), 3...3),
            // The one that is named, and then the other, of which the same is said.
            row(.answers(422, complaint), .dead(.refused), 3...3),
            row(
                .answers(422, #"{"detail":[{"loc":["body"],"msg":"m","type":"t"}]}"#),
                .dead(.refused), 3...3),
        ]
        // Fits the request of the one, not of both.
        rows.append(row(.answers(200, #"[{"id":"a"}]"#), .delivered, 3...3, isDoubtful: true))
        rows += [400, 404, 409, 422].map {
            row(.answers($0, ""), .dead(.refused), 3...3, isDoubtful: true)
        }
        rows += [408, 415, 425, 429, 503].map { row(.answers($0, ""), .queued, 12...60) }
        rows += [.refusesConnections, .isUnknown].map { row($0, .queued, 12...60) }
        rows += [
            .answers(200, "[]"), .answers(500, ""), .closes, .resets, .talksNonsense,
        ].map { row($0, .queued, 6...120, isDoubtful: true) }
        rows += [
            (401, Park.unauthorized), (403, .notAllowed), (302, .misconfigured),
            (405, .misconfigured),
        ].map { row(.answers($0, ""), .queued, 4...60, park: $1) }
        return rows
    }()

    static let complaint = #"{"detail":[{"loc":["body",0,"x"],"msg":"m","type":"t"}]}"#
}

@Suite struct `The retry matrix` {
    static let singles = EventKind.allCases.flatMap(RetryRow.alone)

    @Test(arguments: singles)
    func `holds for an event alone`(row: RetryRow) async throws {
        var run = try RetryRun(row.upstream, kind: row.kind)
        await run.play(until: .seconds(600))
        // Those whose grace has just ended need one request more to die.
        if row.fate == .dead(.causeUnknown) { await run.play(until: .seconds(700)) }
        try await run.close()
        expect(run, row)
        for (number, wait) in run.waits.enumerated() {
            #expect(wait >= row.rest && wait <= row.waitMax(after: number + 1), "\(run.waits)")
        }
        if row.fate == .queued {
            // The last request may not be settled yet.
            let attempts = row.spendsAttempts ? run.sent.count - 1...run.sent.count : 0...0
            #expect(run.attempts.allSatisfy(attempts.contains), "\(run.attempts)")
        }
    }

    @Test(arguments: RetryRow.pairs)
    func `holds for two logs in one request`(row: RetryRow) async throws {
        var run = try RetryRun(row.upstream, kind: row.kind, count: row.count)
        await run.play(until: .seconds(600))
        try await run.close()
        expect(run, row)
    }

    private func expect(_ run: RetryRun, _ row: RetryRow) {
        #expect(run.fate == row.fate)
        #expect(row.requests.contains(run.sent.count), "\(run.sent.count) requests")
        #expect((run.questions > 0) == row.asks)
        #expect((run.possibleDuplicates > 0) == row.mayDuplicate)
        #expect(run.possibleDuplicates <= run.sent.count)
        #expect(run.parks == (row.park.map { [$0] } ?? []))
    }

    @Test(arguments: (singles + RetryRow.pairs).filter { $0.fate == .queued })
    func `holds over a restart after the first request`(row: RetryRow) async throws {
        var run = try RetryRun(row.upstream, kind: row.kind, count: row.count)
        await run.play(requests: 1)
        await run.restart()
        await run.play(requests: 2)
        try await run.close()
        #expect(run.fate == .queued)
        #expect(run.parks == (row.park.map { [$0] } ?? []))
        let wait = try #require(run.waits.first)
        if row.isDoubtful || row.park != nil {
            #expect(wait >= row.rest && wait <= row.waitMax(after: 2), "\(wait)")
        } else {
            let undisturbed = try await firstWait(row)
            try #require(undisturbed > .milliseconds(100), "the seed draws a wait that shows")
            #expect(abs((wait - undisturbed) / .milliseconds(1)) <= 2, "\(wait), \(undisturbed)")
        }
        if row.asks { #expect(run.questions > 0) }
    }

    /// The first wait of a run without a restart.
    private func firstWait(_ row: RetryRow) async throws -> Duration {
        var run = try RetryRun(row.upstream, kind: row.kind, count: row.count)
        await run.play(requests: 2)
        try await run.close()
        return try #require(run.waits.first)
    }

    @Test(arguments: [RetryUpstream.answers(503, ""), .answers(408, ""), .refusesConnections])
    func `waits no shorter after a restart than before`(upstream: RetryUpstream) async throws {
        var run = try RetryRun(upstream)
        await run.play(requests: 6)
        await run.restart()
        await run.play(requests: 8)
        try await run.close()
        // Drawn below 60 s; by a sender that began anew, below 2 s.
        #expect(run.waits[6] > .seconds(2), "\(run.waits)")
    }

    @Test(arguments: [
        RetryUpstream.answers(400, ""), .answers(404, ""), .answers(410, ""), .answers(422, ""),
        .answers(405, ""), .answers(302, ""),
    ])
    func `kills nothing on a route that has never answered`(upstream: RetryUpstream) async throws {
        var run = try RetryRun(upstream, answered: [])
        await run.play(until: .seconds(600))
        try await run.close()
        #expect(run.fate == .queued)
        #expect(run.parks == [.misconfigured])
        #expect((3...60).contains(run.sent.count), "\(run.sent.count) requests")
    }

    @Test(arguments: [
        RetryUpstream.resets, .closes, .answers(500, ""), .answers(502, ""), .talksNonsense,
    ])
    func `sends a log once when upstream knows it after all`(upstream: RetryUpstream) async throws {
        var run = try RetryRun(upstream, knows: true)
        await run.play(until: .seconds(600))
        try await run.close()
        #expect(run.fate == .delivered)
        #expect(run.sent.count == 1)
        #expect(run.questions == 1)
    }
}

/// Upstream takes every event but one, whatever travels beside that.
@Suite struct `One event that upstream stumbles over` {
    private static let answers: [RetryUpstream] =
        [408, 415, 425, 429, 500, 502, 503, 400, 404, 413, 422, 302, 402, 403, 405, 501]
        .map { .answers($0, "") }
        + [
            .answers(200, ""), .answers(200, #"[{"error":"no"}]"#), .closes, .resets,
            .talksNonsense,
        ]

    @Test(arguments: answers, [EventKind.log, .feedback])
    func `holds up none of the others`(answer: RetryUpstream, kind: EventKind) async throws {
        var run = try RetryRun(answer, kind: kind, count: 20, poison: 7)
        await run.play(until: .seconds(120))
        try await run.close()
        // A rate is nobody's own: there all wait.
        if case .answers(429, _, _) = answer { return #expect(run.delivered.isEmpty) }
        #expect(run.delivered.count == 19, "\(run.fates) after \(run.sent.count) requests")
        #expect(run.sent.count <= 80, "\(run.sent.count) requests")
        #expect(run.lastDelivered <= .seconds(60), "\(run.lastDelivered)")
        // Those beside it were sent twice at most where that may duplicate them.
        #expect(run.possibleDuplicates <= 40)
    }
}

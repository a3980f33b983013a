import SpoolCore
import SpoolSender
import Testing

/// What becomes of one event, by what upstream answers. Each row is played against real sockets: the
/// answer travels over a connection; only the waiting between requests is virtual.
///
/// Columns: what upstream does · what becomes of the event · requests in ten minutes of the same answer ·
/// the wait from the first request to the second · the same with a restart in between ·
/// whether upstream is asked for the reference before anything is sent again · what is parked meanwhile.
///
/// Waits are bounds: full jitter draws from nothing to the ceiling. After a restart a backoff goes on
/// where it was, a park is tried at once, and a lease without an outcome is asked about after 2 s.
struct RetryRow: Sendable, CustomTestStringConvertible {
    enum Fate: Equatable, Sendable {
        case delivered
        case dead(DeadLetterReason)
        case queued
    }

    let upstream: RetryUpstream
    let fate: Fate
    let requests: ClosedRange<Int>
    let wait: ClosedRange<Duration>
    /// Nil: to the millisecond what it is without a restart.
    let waitOverRestart: ClosedRange<Duration>?
    let asks: Bool
    let park: Park?

    var testDescription: String { "\(upstream)" }

    /// The event leaves the queue with the first answer.
    static func over(_ upstream: RetryUpstream, _ fate: Fate) -> RetryRow {
        RetryRow(
            upstream: upstream, fate: fate, requests: 1...1, wait: .zero ... .zero,
            waitOverRestart: nil, asks: false, park: nil)
    }

    /// Surely not applied: sent again when the destination has rested.
    static func again(
        _ upstream: RetryUpstream, after wait: ClosedRange<Duration> = .zero ... .seconds(1.01),
        requests: ClosedRange<Int> = 12...60
    ) -> RetryRow {
        RetryRow(
            upstream: upstream, fate: .queued, requests: requests, wait: wait,
            waitOverRestart: nil, asks: false, park: nil)
    }

    /// Perhaps applied: asked about first, and sent again when upstream does not know it.
    static func asked(
        _ upstream: RetryUpstream, after wait: ClosedRange<Duration> = .seconds(2)...(.seconds(4))
    ) -> RetryRow {
        RetryRow(
            upstream: upstream, fate: .queued, requests: 6...60, wait: wait,
            waitOverRestart: wait, asks: true, park: nil)
    }

    /// Nothing dies before somebody has mended something; one event tries now and then.
    static func parked(_ upstream: RetryUpstream, _ park: Park) -> RetryRow {
        RetryRow(
            upstream: upstream, fate: .queued, requests: 4...60, wait: .zero ... .seconds(4),
            waitOverRestart: .zero ... .seconds(4), asks: false, park: park)
    }
}

@Suite struct `The retry matrix` {
    /// One log, alone in its request, on a route that has answered 2xx before.
    static let singleLog: [RetryRow] =
        [
            // Delivered.
            .over(.answers(200, #"[{"id":"data_1"}]"#), .delivered),
            .over(.answers(201, #"[{"id":"data_1"}]"#), .delivered),
            .over(.answers(202, #"[{"id":"data_1"}]"#), .delivered),
            // A 2xx that says nothing about the event.
            .asked(.answers(200, "")),
            .asked(.answers(200, "<html>please log in</html>")),
            .asked(.answers(200, "[]")),
            .asked(.answers(200, #"[{"id":"a"},{"id":"b"}]"#)),
            .asked(.answers(204, "")),
        ]
        // Not applied, and no event's fault.
        + [408, 415, 425, 429, 503].map { .again(.answers($0, "")) }
        + [
            .again(
                .answers(429, "", retryAfter: "7"), after: .seconds(7) ... .seconds(7.01)),
            .again(
                .answers(503, "", retryAfter: "90"), after: .seconds(90) ... .seconds(90.01),
                requests: 6...8),
            .again(.refusesConnections),
            // Refused for good.
            .over(.answers(413, ""), .dead(.tooLarge)),
            .over(.answers(422, Self.complaint), .dead(.refused)),
            .over(.answers(422, ""), .dead(.refused)),
        ]
        + [400, 404, 406, 409, 410, 411, 412, 414, 416, 418, 431, 451].map {
            .over(.answers($0, ""), .dead(.refused))
        }
        // Upstream failed: perhaps it had applied it.
        + [500, 502, 504, 505, 507, 508, 511, 599].map { .asked(.answers($0, "")) }
        // No answer after the head was written.
        + [
            .asked(.closes), .asked(.resets), .asked(.breaksOff), .asked(.talksNonsense),
            // One timeout passes until it is noticed, and one more until a 404 is believed.
            .asked(.isSilent, after: .seconds(60) ... .seconds(62)),
            // Somebody has to mend something.
            .parked(.answers(401, ""), .unauthorized), .parked(.answers(407, ""), .unauthorized),
            .parked(.answers(402, ""), .notAllowed), .parked(.answers(403, ""), .notAllowed),
        ]
        + [300, 301, 302, 303, 304, 307, 308, 405, 501].map {
            .parked(.answers($0, ""), .misconfigured)
        }

    static let complaint = #"{"detail":[{"loc":["body",0,"x"],"msg":"m","type":"t"}]}"#

    @Test(arguments: singleLog)
    func `holds for a log alone`(row: RetryRow) async throws {
        var run = try RetryRun(row.upstream)
        await run.play(until: .seconds(600))
        try await run.close()
        #expect(run.fate == row.fate)
        #expect(row.requests.contains(run.sent.count), "\(run.sent.count) requests")
        #expect((run.questions > 0) == row.asks)
        #expect(run.parks == (row.park.map { [$0] } ?? []))
        if let wait = run.waits.first { #expect(row.wait.contains(wait), "\(wait)") }
    }

    @Test(arguments: singleLog.filter { $0.fate == .queued })
    func `holds over a restart after the first request`(row: RetryRow) async throws {
        var run = try RetryRun(row.upstream)
        await run.play(requests: 1)
        await run.restart()
        await run.play(requests: 2)
        try await run.close()
        #expect(run.fate == .queued)
        let wait = try #require(run.waits.first)
        if let bounds = row.waitOverRestart {
            #expect(wait >= bounds.lowerBound && wait <= bounds.upperBound + .seconds(2), "\(wait)")
        } else {
            let undisturbed = try await firstWait(row.upstream)
            try #require(undisturbed > .milliseconds(100), "the seed draws a wait that shows")
            #expect(abs((wait - undisturbed) / .milliseconds(1)) <= 2, "\(wait), \(undisturbed)")
        }
        if row.asks { #expect(run.questions > 0) }
    }

    /// The first wait of a run without a restart.
    private func firstWait(_ upstream: RetryUpstream) async throws -> Duration {
        var run = try RetryRun(upstream)
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

import NIOCore
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// Which requests are hit, and what becomes of them.
struct FaultPlanTests {
    private static let start = ContinuousClock.now

    private static func request(
        _ method: String = "POST", _ path: String = "/v4/logs", _ body: String = "{}"
    ) -> HTTPRequest {
        HTTPRequest(method: method, path: path, body: ByteBuffer(string: body), peer: .tcp)
    }

    private static func plan(_ text: String) throws -> FaultPlan {
        FaultPlan(try Fault.list(text), at: start)
    }

    /// What a plan decides about one request of a fresh generator.
    private static func verdict(
        _ text: String, _ request: HTTPRequest = request(), at time: Duration = .zero
    ) throws -> FaultVerdict {
        var plan = try plan(text)
        var random = SeededRandom(seed: 1)
        return plan.decide(request, at: start + time, using: &random)
    }

    @Test func `without a fault every request is handled and answered`() throws {
        #expect(try Self.verdict("") == FaultVerdict())
    }

    @Test func `a share of the requests is hit, and the same ones for the same seed`() throws {
        func hits(_ seed: UInt64) throws -> [Int] {
            var plan = try Self.plan("status=500:10%,reset:5%:after")
            var random = FaultRandom(seed: seed)
            let statuses = (0..<20_000).filter { _ in
                plan.decide(Self.request(), at: Self.start, using: &random).ending != .answer
            }
            #expect(plan.requests == 20_000)
            #expect(plan.handled == 20_000 - plan.entries[0].hits)
            #expect((1800...2200).contains(plan.entries[0].hits))
            // 5 % of those that the first fault left.
            #expect((750...1050).contains(plan.entries[1].hits))
            #expect(statuses.count == plan.entries[0].hits + plan.entries[1].hits)
            return statuses
        }
        #expect(try hits(7) == hits(7))
        #expect(try hits(7) != hits(8))
    }

    @Test func `who is hit does not depend on what others asked for`() throws {
        func hits(_ otherPath: String) throws -> [Int] {
            var plan = try Self.plan("cut:50%:path=/feedback,reset:30%:path=/logs")
            var random = FaultRandom(seed: 3)
            return (0..<1000).filter { index in
                let path = index % 2 == 0 ? "/logs" : otherPath
                let verdict = plan.decide(
                    Self.request("POST", path), at: Self.start, using: &random)
                return index % 2 == 0 && verdict.ending == .reset
            }
        }
        #expect(try hits("/feedback") == hits("/projects"))
    }

    @Test func `a refused request is not handled, unless it is refused afterwards`() throws {
        #expect(try !Self.verdict("status=500").isHandled)
        #expect(try !Self.verdict("reset").isHandled)
        #expect(try !Self.verdict("outage=1s/1s").isHandled)
        #expect(try !Self.verdict("body-max=1").isHandled)
        #expect(try Self.verdict("status=500:after").isHandled)
        #expect(try Self.verdict("reset:after").isHandled)
        #expect(try Self.verdict("cut").isHandled)
    }

    @Test func `delays add up, before and after, and the first other fault decides`() throws {
        let verdict = try Self.verdict(
            "delay=1s,status=503:retry-after=9s,delay=2s:after,reset,delay=10ms")
        #expect(verdict.delay == .milliseconds(1010))
        #expect(verdict.delayAfter == .seconds(2))
        #expect(verdict.ending == .status(503, retryAfter: 9))
    }

    @Test(
        "only requests in scope are hit",
        arguments: [
            ("path=/logs", true), ("path=/", true), ("path=/logs/data_1", false),
            ("path=/log", false), ("method=POST", true), ("method=PATCH", false),
            ("body=\"demo\"", true), ("body=demos", false), ("body=}]", true),
            ("body=[{\"p", true), ("body=}]}", false), ("body=mo", true), ("body=é", false),
            ("method=POST:path=/logs:body=demo", true),
            ("method=POST:path=/feedback:body=demo", false),
        ])
    func scope(text: String, isHit: Bool) throws {
        let request = Self.request("POST", "/v4//logs", #"[{"project":"demo"}]"#)
        #expect(try (Self.verdict("reset:" + text, request).ending == .reset) == isHit)
    }

    @Test func `a path means what lies below it, too`() throws {
        let request = Self.request("PATCH", "/logs/data_1")
        #expect(try Self.verdict("reset:path=/logs", request).ending == .reset)
    }

    @Test func `an outage is the last part of every period`() throws {
        for (seconds, isDown) in [
            (0.0, false), (49.9, false), (50, true), (59.9, true), (60, false), (115, true),
        ] {
            let verdict = try Self.verdict(
                "outage=10s/60s", at: .milliseconds(Int(seconds * 1000)))
            #expect((verdict.ending == .reset) == isDown, "after \(seconds) s")
        }
    }

    @Test func `a body of one byte too many is 413`() throws {
        let request = Self.request("POST", "/logs", "12345")
        #expect(try Self.verdict("body-max=5", request).ending == .answer)
        #expect(try Self.verdict("body-max=4", request).ending == .status(413, retryAfter: nil))
    }

    @Test func `beyond the capacity it is 429, until somebody is done`() throws {
        var plan = try Self.plan("capacity=2:retry-after=1s")
        var random = SeededRandom(seed: 1)
        func next() -> FaultVerdict {
            plan.decide(Self.request(), at: Self.start, using: &random)
        }
        let (first, second, third) = (next(), next(), next())
        #expect(first.ending == .answer && second.ending == .answer)
        #expect(third.ending == .status(429, retryAfter: 1))
        #expect(!third.isHandled)
        // A refused one held no place.
        plan.finish(third)
        #expect(next().ending == .status(429, retryAfter: 1))
        plan.finish(first)
        #expect(next().ending == .answer)
        #expect(next().ending != .answer)
        #expect(plan.entries[0].hits == 3)
    }
}

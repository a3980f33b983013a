import SpoolCore
import SpoolSender
import Testing

/// An upstream with 50 ms latency that can serve 4 or 16 requests at a time, and up to 32 of ours.
@Suite struct `Pacing an upstream of unknown capacity` {
    private static let latency = Duration.milliseconds(50)
    private static let settled = Duration.seconds(10)..<Duration.seconds(16)

    private func world(_ capacity: Int, _ overload: TimedWorld.Overload) -> TimedWorld {
        var settings = SenderSettings()
        settings.inFlight = 2...32
        var world = TimedWorld(
            seed: 1, settings: settings, capacity: capacity, overload: overload,
            latency: Self.latency)
        world.run(until: Self.settled.upperBound)
        return world
    }

    /// What no fixed setting can surpass.
    private func most(_ capacity: Int) -> Int {
        let span = Self.settled.upperBound - Self.settled.lowerBound
        return capacity * Int(span / Self.latency)
    }

    @Test(arguments: [4, 16])
    func `one that refuses what is too much is used to four fifths, and seldom asked for more`(
        capacity: Int
    ) {
        let world = world(capacity, .refuses)
        let delivered = world.delivered(Self.settled)
        #expect(delivered * 100 >= most(capacity) * 80, "\(delivered) of \(most(capacity))")
        let late = world.seen.filter { $0.at >= Self.settled.lowerBound }
        let refused = late.count { $0.status == 429 }
        #expect(refused * 100 <= late.count * 5, "\(refused) of \(late.count)")
    }

    @Test(arguments: [4, 16])
    func `one that lets them wait is used to four fifths, and its queue kept short`(
        capacity: Int
    ) {
        let world = world(capacity, .queues)
        let delivered = world.delivered(Self.settled)
        #expect(delivered * 100 >= most(capacity) * 80, "\(delivered) of \(most(capacity))")
        let late = world.seen.filter { $0.at >= Self.settled.lowerBound }
        let mean = Double(late.reduce(0) { $0 + $1.underWay }) / Double(late.count)
        #expect(mean <= Double(capacity * 2))
    }
}

@Suite struct `An outage of thirty minutes` {
    private static let outage = Duration.seconds(10)..<Duration.seconds(1810)

    private func world(seed: UInt64, _ answer: TimedWorld.Answer) -> TimedWorld {
        var world = TimedWorld(seed: seed, latency: .milliseconds(500)) { _, at in
            Self.outage.contains(at) ? answer : nil
        }
        world.run(until: .seconds(1874))
        return world
    }

    private static let answers: [TimedWorld.Answer] = [
        .init(outcome: .notSent(reason: "refused"), delay: .milliseconds(1)),
        .init(outcome: .noAnswer(reason: "reset", timedOut: false), delay: .milliseconds(1)),
        .init(outcome: .noAnswer(reason: "late", timedOut: true), delay: .seconds(30)),
        .status(503), .status(500), .status(429), .status(401),
    ]

    @Test(arguments: answers)
    func `costs no more requests than the backoff allows, and ends within one interval`(
        answer: TimedWorld.Answer
    ) throws {
        let world = world(seed: 1, answer)
        let during = world.seen.filter {
            (Self.outage.lowerBound + .milliseconds(100)..<Self.outage.upperBound).contains($0.at)
        }
        // Half a minute a request on average, and some more in its first minutes.
        #expect(during.count <= 110, "\(during.count) requests")
        #expect(during.count >= 15)
        // What was sent before hangs for a while longer.
        let alone = during.filter { $0.at >= Self.outage.lowerBound + .seconds(60) }
        #expect(alone.allSatisfy { $0.underWay <= 2 })
        // The first to be answered, be it a question, is alone, at most one backoff after the end.
        let after = world.seen.filter { $0.at >= Self.outage.upperBound }
        let first = try #require(after.first { $0.status == 200 || $0.status == 404 })
        #expect(first.at - Self.outage.upperBound <= Limits.backoffMax)
        let early = after.prefix { $0.at <= first.answeredAt ?? .zero }
        #expect(early.allSatisfy { $0.underWay <= 2 })
        #expect(world.leasesMost <= Limits.inFlightMax + SenderSettings.doubtsMax)
        #expect(world.snapshot.health == .steady)
    }

    @Test func `is followed by growth, not by a herd`() throws {
        let world = world(seed: 1, Self.answers[0])
        let after = world.seen.filter { $0.at >= Self.outage.upperBound }
        #expect(after.prefix(2).map(\.underWay) == [1, 1])
        #expect(after.prefix(4).allSatisfy { $0.underWay <= 2 })
    }
}

/// Where questions fail and deliveries work, deliveries go on.
@Suite struct `Questions that fail for ever` {
    @Test(arguments: [
        TimedWorld.Answer.status(500), .status(403), .status(400), .status(429), .status(401),
        .init(outcome: .noAnswer(reason: "late", timedOut: true), delay: .seconds(30)),
        .init(outcome: .notSent(reason: "refused"), delay: .milliseconds(1)),
    ])
    func `hold up no delivery`(answer: TimedWorld.Answer) {
        // Twelve deliveries end in doubt: more than there are slots.
        var world = TimedWorld(seed: 7, latency: .milliseconds(500)) { request, at in
            if request.method == "PATCH" { return answer }
            // For half a second of every three, at first.
            let isTroubled = at < .seconds(40) && at.wholeMilliseconds % 3000 < 500
            return isTroubled ? .status(500) : nil
        }
        world.run(until: .seconds(140))
        #expect(world.snapshot.inDoubt >= 8)
        #expect(world.snapshot.inDoubt <= SenderSettings.doubtsMax)
        let perSecond = world.delivered(.seconds(80)..<Duration.seconds(140)) / 60
        // Eight at a time, half a second each.
        #expect(perSecond >= 13, "\(perSecond) deliveries a second")
        let questions = world.seen.count { $0.isQuestion && $0.at >= .seconds(80) }
        #expect(questions < 20, "\(questions) questions in a minute")
    }
}

import SpoolCore
import SpoolSender
import Testing

@Suite struct `A sender in a troubled world` {
    private static let events = 60

    /// Trouble first, then peace: everything must come to rest.
    @Test(arguments: 1...100)
    func `loses nothing, sends no log twice, and comes to rest`(seed: UInt64) {
        var world = SenderWorld(seed: seed, events: Self.events)
        for step in 0..<4000 where !world.isIdle {
            world.isTroubled = step < 1500
            world.step()
            expectConservation(world)
        }
        let isIdle = world.isIdle
        let snapshot = world.machine.snapshot(at: world.instant)
        #expect(
            isIdle,
            """
            \(snapshot) queued \(world.queued.count) leased \(world.leased) waits \(world.waits)
            """)
        for (number, fact) in world.facts where isIdle {
            if world.delivered.contains(number) {
                #expect(fact.applied >= 1, "\(number) was recorded but never applied")
            } else {
                #expect(world.dead.contains(number))
                #expect(fact.applied == 0 || !fact.kind.isLog, "\(number) died though applied")
            }
            if fact.kind.isLog { #expect(fact.applied <= 1, "log \(number) came twice") }
            #expect(!fact.isMisdirected, "\(number) went to another log than its own")
            if fact.target == .never { #expect(fact.applied == 0) }
        }
        #expect(world.deliveriesMost <= Limits.inFlightMax)
        #expect(world.leasesMost <= Limits.inFlightMax + SenderSettings.doubtsMax)
        let repeated = world.facts.values.filter { !$0.kind.isLog && $0.kind != .update }
            .reduce(0) { $0 + max($1.applied - 1, 0) }
        #expect(repeated <= world.possibleDuplicates)
    }

    @Test(arguments: 1...100)
    func `survives being killed at any moment`(seed: UInt64) {
        var world = SenderWorld(seed: seed, events: Self.events)
        for step in 0..<4000 where !world.isIdle {
            world.isTroubled = step < 1500
            if world.isTroubled, step % (Int(seed) % 97 + 20) == 19 { world.crash() }
            world.step()
            expectConservation(world)
        }
        let isIdle = world.isIdle
        #expect(isIdle, "leased \(world.leased) waits \(world.waits)")
        for (number, fact) in world.facts where isIdle {
            #expect(world.dead.contains(number) || fact.applied > 0)
            if fact.kind.isLog { #expect(fact.applied <= 1, "log \(number) came twice") }
            #expect(!fact.isMisdirected, "\(number) went to another log than its own")
        }
    }

    @Test(arguments: 1...100)
    func `always stops, wherever it is, and leaves nothing unaccounted`(seed: UInt64) {
        var world = SenderWorld(seed: seed, events: Self.events)
        for _ in 0..<Int(seed) * 3 { world.step() }
        world.stop()
        var steps = 0
        while !world.isStopped, steps < 2000 {
            world.step()
            expectConservation(world)
            steps += 1
        }
        #expect(world.isStopped)
    }

    @Test(arguments: 1...50)
    func `without asking, what was sent twice was counted`(seed: UInt64) {
        var settings = SenderSettings()
        settings.inDoubt = .resend
        var world = SenderWorld(seed: seed, events: Self.events, settings: settings)
        for step in 0..<4000 where !world.isIdle {
            world.isTroubled = step < 1000
            world.step()
        }
        let isIdle = world.isIdle
        let snapshot = world.machine.snapshot(at: world.instant)
        #expect(
            isIdle, "\(snapshot) queued \(world.queued) leased \(world.leased) \(world.waits)")
        let repeated = world.facts.values.filter { $0.kind != .update }
            .reduce(0) { $0 + max($1.applied - 1, 0) }
        #expect(repeated <= world.possibleDuplicates)
    }

    private func expectConservation(_ world: SenderWorld) {
        let leased = world.leased.values.flatMap { $0 }
        let all = world.queued + leased + Array(world.delivered) + Array(world.dead)
        #expect(all.count == Self.events)
        #expect(Set(all).count == Self.events)
    }
}

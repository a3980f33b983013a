import SpoolCore
import SpoolTestKit
import Testing

@testable import SpoolSender

@Suite("The destination's health")
struct DestinationHealthTests {
    private let now = ContinuousClock.now
    private var random = SeededRandom(seed: 1)

    private mutating func fail(_ health: inout DestinationHealth, isQuestion: Bool) {
        _ = health.failed(
            sentIn: health.stretch, isDoubtful: false, isQuestion: isQuestion, retryAfter: nil,
            at: now, using: &random)
    }

    @Test("questions that fail now and then, answered between, do not make the waits longer")
    mutating func questionsComeAndGo() {
        var health = DestinationHealth()
        for _ in 0..<20 {
            fail(&health, isQuestion: true)
            #expect(health.failures == 1)
            health.answeredQuestion(sentIn: health.stretch)
            #expect(health.until == nil)
        }
    }

    @Test("answered questions do not forget how often deliveries have failed")
    mutating func deliveriesAreRemembered() {
        var health = DestinationHealth()
        for failures in 1...6 {
            fail(&health, isQuestion: false)
            fail(&health, isQuestion: true)
            health.answeredQuestion(sentIn: health.stretch)
            #expect(health.failures == failures)
        }
        health.succeeded(sentIn: health.stretch)
        #expect(health.failures == 0)
    }

    @Test("questions that keep failing wait longer each time")
    mutating func questionsFailOn() {
        var health = DestinationHealth()
        for failures in 1...6 {
            fail(&health, isQuestion: true)
            #expect(health.failures == failures)
        }
    }
}

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

    @Test("an answer that is no 2xx makes a park longer, and gives it its own reason")
    mutating func parkGoesOn() throws {
        var health = DestinationHealth()
        health.park(.unauthorized, sentIn: 0, at: now, using: &random)
        for failures in 2...6 {
            let stretch = health.stretch
            health.answered(sentIn: stretch, at: now, using: &random)
            #expect(health.failures == failures)
            #expect(health.park == .unauthorized)
            #expect(try #require(health.until) > now)
            // One that was sent before says nothing.
            health.answered(sentIn: stretch, saying: .notAllowed, at: now, using: &random)
            #expect(health.failures == failures)
        }
        health.answered(sentIn: health.stretch, saying: .notAllowed, at: now, using: &random)
        #expect(health.park == .notAllowed)
        health.succeeded(sentIn: health.stretch)
        #expect(health.until == nil)
    }

    @Test("a wait that upstream asks for is kept, also when it asked late")
    mutating func lateWait() throws {
        var health = DestinationHealth()
        fail(&health, isQuestion: false)
        health.succeeded(sentIn: health.stretch)
        let isNews = health.failed(
            sentIn: 0, isDoubtful: false, retryAfter: .seconds(9), at: now, using: &random)
        #expect(!isNews)
        #expect(health.until == now + .seconds(9))
        #expect(health.failures == 0)
    }
}

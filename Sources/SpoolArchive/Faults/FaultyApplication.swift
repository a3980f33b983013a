import NIOCore
public import SpoolServer
import Synchronization

/// An archive that misbehaves as it is told, for drills and proofs.
///
/// No ``HTTPApplication``, since one cannot refuse to answer: it is served by a ``FaultyListener``
/// alone, and so can never stand where the daemon embeds its archive. What the archive handled is
/// in its record with the answer it gave, whatever the client then got.
public final class FaultyApplication: Sendable {
    /// What a client gets.
    enum Outcome: Sendable {
        /// An answer.
        case answer(HTTPAnswer)
        /// An answer that breaks off in its middle.
        case cut(HTTPAnswer)
        /// The end of the connection.
        case reset
    }

    /// What is served when nothing goes wrong.
    let wrapped: any HTTPApplication
    private let state: Mutex<State>

    private struct State {
        var plan: FaultPlan
        /// Tells plans apart: a request that one let in does not count towards the next.
        var generation = 0
        var random: FaultRandom
    }

    /// Wraps `application`. Chance is drawn from `seed`.
    public init(_ application: any HTTPApplication, faults: [Fault], seed: UInt64) {
        wrapped = application
        state = Mutex(
            State(plan: FaultPlan(faults, at: .now), random: FaultRandom(seed: seed)))
    }

    /// The faults in force, with their counts.
    var plan: FaultPlan { state.withLock { $0.plan } }

    /// Puts other faults into force. Counts begin anew, and so do the periods of outages; requests
    /// under way end as they began.
    func replace(_ faults: [Fault]) {
        state.withLock { state in
            state.plan = FaultPlan(faults, at: .now)
            state.generation += 1
        }
    }

    /// Has a request answered, or not. `finish` is called once, on any thread.
    func answer(
        _ request: HTTPRequest, on loop: any EventLoop,
        _ finish: @escaping @Sendable (Outcome) -> Void
    ) {
        let (verdict, generation) = state.withLock { state in
            (state.plan.decide(request, at: .now, using: &state.random), state.generation)
        }
        Self.wait(verdict.delay, on: loop) { [self] in
            handle(request, verdict) { [self] outcome in
                Self.wait(verdict.delayAfter, on: loop) { [self] in
                    state.withLock { state in
                        if state.generation == generation { state.plan.finish(verdict) }
                    }
                    finish(outcome)
                }
            }
        }
    }

    private func handle(
        _ request: HTTPRequest, _ verdict: FaultVerdict,
        _ finish: @escaping @Sendable (Outcome) -> Void
    ) {
        guard verdict.isHandled else { return finish(Self.outcome(verdict.ending, nil)) }
        wrapped.answer(request) { finish(Self.outcome(verdict.ending, $0)) }
    }

    private static func outcome(_ ending: FaultVerdict.Ending, _ answer: HTTPAnswer?) -> Outcome {
        switch ending {
        case .answer, .cut:
            guard let answer else { preconditionFailure("\(ending) of a request not handled") }
            return ending == .cut ? .cut(answer) : .answer(answer)
        case .status(let status, let retryAfter):
            var answer = HTTPAnswer.detail(status: status, "a fault that was asked for")
            if let retryAfter { answer.headers.append(("Retry-After", "\(retryAfter)")) }
            return .answer(answer)
        case .reset:
            return .reset
        }
    }

    private static func wait(
        _ time: Duration, on loop: any EventLoop, _ act: @escaping @Sendable () -> Void
    ) {
        guard time > .zero else { return act() }
        loop.scheduleTask(in: TimeAmount(time), act)
    }
}

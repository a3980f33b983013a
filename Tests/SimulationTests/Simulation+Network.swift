import SpoolCore
import SpoolSender

@testable import SpoolQueue

/// What becomes of a request that reaches upstream.
struct Reply {
    /// How much of it upstream applies, whatever it answers.
    enum Applies { case all, part, nothing }

    /// Whether upstream applies it.
    var applies = Applies.all
    /// What the sender gets in place of the right answer.
    var outcome: UpstreamOutcome?
    /// How long after upstream has dealt with it.
    var after: Duration
}

/// The way to upstream and back.
extension Simulation {
    /// The sender writes a request.
    func send(_ id: SenderMachine.ExchangeID, _ request: UpstreamRequest) throws {
        guard var exchange = Exchange(request) else {
            throw Violation("no request of the v4 API: \(request.method) \(request.target)")
        }
        let calibration = machine?.snapshot(at: time.instant).calibration
        exchange.isCalibrated = calibration != .undecided
        if calibration == .resend, climate.settings.inDoubt == .ask,
            !climate.rules.asking.isAnswered
        {
            saw(.gaveUpAsking)
        }
        note(
            "sends \(id) \(request.method) \(request.target) \(String(decoding: request.body, as: UTF8.self))",
            Int64(id))
        if exchange.isQuestion { saw(.question) }
        try books.checkRequest(exchange.events)
        try checkIDs(of: exchange)
        if !exchange.isQuestion { underWay.insert(id) }
        guard underWay.count <= climate.settings.inFlight.upperBound else {
            throw Violation("\(underWay.count) deliveries are under way")
        }
        let travel = anyDuration(from: .milliseconds(1), upTo: .milliseconds(60))
        let reply = spellReply(to: exchange) ?? troubledReply(to: exchange, request) ?? right
        if case .notSent? = reply.outcome {
            plan(.event(.exchanged(id, reply.outcome ?? .notSent(reason: ""))), after: travel)
        } else {
            plan(.reaches(id, exchange, reply), after: travel)
        }
    }

    private var right: Reply {
        Reply(after: anyDuration(from: .milliseconds(1), upTo: .milliseconds(200)))
    }

    /// Upstream deals with a request.
    func reach(_ id: SenderMachine.ExchangeID, _ exchange: Exchange, _ reply: Reply) throws {
        var answer: UpstreamAnswer?
        switch reply.applies {
        case .all: answer = try apply(exchange)
        case .part:
            let before = upstream.applied.count
            upstream.handlePart(of: exchange)
            try record(exchange, from: before)
        case .nothing: break
        }
        guard let outcome = reply.outcome ?? answer.map(UpstreamOutcome.answered) else {
            preconditionFailure("request \(id) was neither applied nor answered")
        }
        plan(.event(.exchanged(id, outcome)), after: reply.after)
    }

    /// Upstream applies a request, and answers as it should.
    @discardableResult
    func apply(_ exchange: Exchange) throws -> UpstreamAnswer {
        let before = upstream.applied.count
        let answer = upstream.handle(exchange)
        note(
            "upstream \(answer.status) to \(exchange.route) \(exchange.events)",
            Int64(answer.status))
        saw(answer, to: exchange)
        try record(exchange, from: before)
        return answer
    }

    private func record(_ exchange: Exchange, from before: Int) throws {
        let isStrict =
            climate.rules.asking == .truthful && climate.settings.inDoubt == .ask
        for application in upstream.applied[before...] {
            let isAgain = try books.applied(
                application, isStrict: isStrict, isExcused: !exchange.isCalibrated)
            if isAgain { saw(exchange.route.method == "PATCH" ? .updateRepeated : .realDuplicate) }
        }
    }

    /// No provisional id travels.
    private func checkIDs(of exchange: Exchange) throws(Violation) {
        let keys = ["parent_id", "data_id", "log_id", "session_id"]
        for element in exchange.elements {
            for key in keys {
                guard let id = element.json[key]?.stringValue else { continue }
                let thing: SpoolIdentity.Thing = key == "session_id" ? .session : .log
                try check(id, of: thing)
            }
        }
        if let id = exchange.logID { try check(id, of: .log) }
    }

    private func check(_ id: String, of thing: SpoolIdentity.Thing) throws(Violation) {
        guard let sequence = spool.identity.sequence(of: thing, in: id) else { return }
        throw Violation("\(id), our own id of \(sequence.rawValue), travels")
    }

    // MARK: Trouble

    private func spellReply(to exchange: Exchange) -> Reply? {
        guard !isCalm else { return nil }
        let elapsed = time.elapsed
        guard let spell = climate.spells.first(where: { $0.time.contains(elapsed) }) else {
            return nil
        }
        saw(spell.kind.sighting)
        let soon = Duration.milliseconds(20)
        switch spell.kind {
        case .unreachable:
            return Reply(applies: .nothing, outcome: .notSent(reason: "refused"), after: soon)
        case .silent: return troubled(.silence, exchange)
        case .failing: return answering(502, .nothing)
        case .busy: return answering(429, .nothing, retryAfter: "7")
        case .unauthorized: return answering(401, .nothing)
        case .forbidden:
            let isForbidden = exchange.elements.contains { $0.json["project"]?.stringValue == "b" }
            return isForbidden ? answering(403, .nothing) : nil
        case .misconfigured: return answering(302, .nothing)
        }
    }

    private func troubledReply(to exchange: Exchange, _ request: UpstreamRequest) -> Reply? {
        guard !isCalm else { return nil }
        for (trouble, percent) in climate.troubles where chance(percent: percent) {
            guard trouble != .refusesTogether || exchange.elements.count > 1 else { continue }
            saw(trouble.sighting)
            return troubled(trouble, exchange)
        }
        return nil
    }

    private func troubled(_ trouble: Climate.Trouble, _ exchange: Exchange) -> Reply {
        let timeout = climate.settings.answerTimeout
        let reset = UpstreamOutcome.noAnswer(reason: "reset", timedOut: false)
        let late = UpstreamOutcome.noAnswer(
            reason: "no answer in time", timedOut: canary != .forgetsLateness)
        let soon = anyDuration(from: .milliseconds(1), upTo: .milliseconds(300))
        switch trouble {
        case .refusedConnection:
            return Reply(applies: .nothing, outcome: .notSent(reason: "refused"), after: soon)
        case .busy:
            let status = [408, 425, 429, 503].randomElement(using: &random) ?? 503
            let wait = [nil, "1", "30", "3000"].randomElement(using: &random) ?? nil
            return answering(status, .nothing, retryAfter: wait)
        case .failsBefore:
            return answering([500, 502, 504].randomElement(using: &random) ?? 500, .nothing)
        case .failsAfter: return answering(500, .all)
        case .resetBefore: return lost(reset, .nothing, soon)
        case .resetAfter: return lost(reset, .all, soon)
        case .resetThenApplied:
            plan(.appliesUnseen(exchange), after: anyDuration(upTo: .milliseconds(1800)))
            return lost(reset, .nothing, .zero)
        case .silence: return lost(late, .nothing, timeout)
        case .silenceAfter: return lost(late, .all, timeout)
        case .silenceThenApplied:
            plan(
                .appliesUnseen(exchange),
                after: anyDuration(from: timeout, upTo: timeout * 2 - .seconds(1)))
            return lost(late, .nothing, timeout)
        case .nonsense: return nonsense(exchange, .nothing)
        case .nonsenseAfter: return nonsense(exchange, .all)
        case .refusesTogether: return answering(400, .part)
        case .slow: return Reply(after: anyDuration(from: .seconds(1), upTo: timeout - .seconds(1)))
        }
    }

    private func lost(_ outcome: UpstreamOutcome, _ applies: Reply.Applies, _ after: Duration)
        -> Reply
    {
        guard canary == .callsLostNotSent else {
            return Reply(applies: applies, outcome: outcome, after: after)
        }
        return Reply(applies: applies, outcome: .notSent(reason: "lost"), after: after)
    }

    private func answering(
        _ status: Int, _ applies: Reply.Applies, retryAfter: String? = nil
    ) -> Reply {
        let answer = Upstream.answer(status, "<html>", retryAfter: retryAfter)
        return Reply(
            applies: applies, outcome: .answered(answer),
            after: anyDuration(from: .milliseconds(1), upTo: .milliseconds(200)))
    }

    private func nonsense(_ exchange: Exchange, _ applies: Reply.Applies) -> Reply {
        let bodies = ["<html>", "", "[", "{}", "[{}]", #"{"id":""}"#, "null", #"[{"id":"x"},"#]
        var body = bodies.randomElement(using: &random) ?? ""
        if canary == .completesNonsense {
            let made = exchange.elements.map { _ in #"{"id":"data_madeup"}"# }
            body = exchange.isArray ? "[\(made.joined(separator: ","))]" : made[0]
        }
        return Reply(
            applies: applies, outcome: .answered(Upstream.answer(200, body)),
            after: .milliseconds(20))
    }
}

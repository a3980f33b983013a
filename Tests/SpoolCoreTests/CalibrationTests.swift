import SpoolCore
import Testing

private func answer(_ status: Int, _ body: String = "") -> UpstreamOutcome {
    .answered(UpstreamAnswer(status: status, body: Array(body.utf8)))
}

private let log = answer(200, #"{"id":"data_1"}"#)
private let silence = UpstreamOutcome.noAnswer(reason: "reset", timedOut: false)
private let unclearAnswers =
    [200, 204, 301, 401, 402, 403, 407, 408, 425, 429, 500, 502, 503].map { answer($0, "<html>") }
    + [silence]

@Suite struct `Examination of a destination` {
    @Test func `a found delivery and an unknown fresh reference mean: ask`() {
        var examination = Examination(result: .undecided, references: ["a", "b"])
        #expect(examination.begin() == .delivered("a"))
        #expect(examination.take(log) == .next(.unused))
        #expect(examination.take(answer(404)) == .decided)
        #expect(examination.result == .ask)
    }

    @Test func `one found delivery of three is enough`() {
        var examination = Examination(result: .undecided, references: ["a", "b", "c", "d"])
        #expect(examination.begin() == .delivered("a"))
        #expect(examination.take(answer(404)) == .next(.delivered("b")))
        #expect(examination.take(answer(404)) == .next(.delivered("c")))
        #expect(examination.take(log) == .next(.unused))
        #expect(examination.take(answer(404)) == .decided)
        #expect(examination.result == .ask)
    }

    @Test func `three unknown deliveries mean: send again`() {
        var examination = Examination(result: .undecided, references: ["a", "b", "c"])
        #expect(examination.begin() == .delivered("a"))
        #expect(examination.take(answer(404)) == .next(.delivered("b")))
        #expect(examination.take(answer(404)) == .next(.delivered("c")))
        #expect(examination.take(answer(404)) == .decided)
        #expect(examination.result == .resend)
    }

    @Test(arguments: [400, 405, 410, 414, 422, 501, 200])
    func `deliveries that cannot be asked about, three rounds in a row, mean: send again`(
        status: Int
    ) {
        // Found by another spelling is not found.
        let refusal = answer(status, #"{"id":"data_1","reference_id":"other"}"#)
        var examination = Examination(result: .ask, references: ["a", "b", "c"])
        for round in 1...Examination.refusedRoundsMin {
            #expect(examination.begin() == .delivered("a"))
            #expect(examination.take(answer(404)) == .next(.delivered("b")))
            #expect(examination.take(refusal) == .next(.delivered("c")))
            let isLast = round == Examination.refusedRoundsMin
            #expect(examination.take(refusal) == (isLast ? .decided : .unclear))
            #expect(examination.result == (isLast ? .resend : .ask))
        }
    }

    @Test func `a found delivery between refusals begins the count anew`() {
        var examination = Examination(result: .ask, references: ["a", "b", "c"])
        for round in 1...10 {
            _ = examination.begin()
            if round.isMultiple(of: Examination.refusedRoundsMin) {
                #expect(examination.take(log) == .next(.unused))
                #expect(examination.take(answer(404)) == .decided)
            } else {
                for _ in 0..<3 { _ = examination.take(answer(405)) }
            }
            #expect(examination.result == .ask)
        }
    }

    @Test func `a found delivery and three fresh references refused alike mean: ask`() {
        var examination = Examination(result: .undecided, references: ["a"])
        _ = examination.begin()
        #expect(examination.take(log) == .next(.unused))
        #expect(examination.take(answer(422)) == .next(.unused))
        #expect(examination.take(answer(422)) == .next(.unused))
        #expect(examination.statusOfUnknown == nil)
        #expect(examination.take(answer(422)) == .decided)
        #expect(examination.result == .ask)
        #expect(examination.statusOfUnknown == 422)
    }

    @Test func `refusals of fresh references by more than one status decide nothing`() {
        var examination = Examination(result: .undecided, references: ["a"])
        for _ in 1...2 {
            _ = examination.begin()
            _ = examination.take(log)
            _ = examination.take(answer(422))
            #expect(examination.take(answer(400)) == .unclear)
        }
        #expect(examination.result == .undecided)
    }

    @Test func `one gateway's refusal of a fresh reference is not taken for upstream's`() {
        var examination = Examination(result: .ask, references: ["a"])
        _ = examination.begin()
        _ = examination.take(log)
        _ = examination.take(answer(422))
        #expect(examination.take(answer(404)) == .decided)
        #expect(examination.result == .ask)
        #expect(examination.statusOfUnknown == nil)
    }

    @Test func `a known fresh reference means: send again`() {
        var examination = Examination(result: .ask, references: ["a"])
        _ = examination.begin()
        _ = examination.take(log)
        #expect(examination.take(log) == .decided)
        #expect(examination.result == .resend)
    }

    @Test
    func
        `where asking has worked, three more deliveries must be unknown: the first may be deleted`()
    {
        var examination = Examination(result: .ask, references: ["a", "b", "c"])
        func missAll() -> Examination.Progress? {
            guard examination.begin() != nil else { return nil }
            _ = examination.take(answer(404))
            _ = examination.take(answer(404))
            return examination.take(answer(404))
        }
        #expect(missAll() == .needsDelivery)
        #expect(examination.result == .ask)
        #expect(examination.references.isEmpty)
        #expect(missAll() == nil)
        for reference in ["d", "e", "f"] { examination.learned(reference) }
        #expect(missAll() == .decided)
        #expect(examination.result == .resend)
    }

    @Test func `fewer than three unknown deliveries decide nothing`() {
        var examination = Examination(result: .undecided, references: [])
        #expect(examination.begin() == nil)
        examination.learned("a")
        #expect(examination.begin() == .delivered("a"))
        examination.learned("b")
        examination.learned("c")
        #expect(examination.take(answer(404)) == .needsDelivery)
        #expect(examination.result == .undecided)
        #expect(examination.begin() == .delivered("c"))
    }

    @Test(arguments: unclearAnswers)
    func `unclear answers leave what was known`(outcome: UpstreamOutcome) {
        for known in [Calibration.undecided, .ask, .resend] {
            var examination = Examination(result: known, references: ["a"])
            _ = examination.begin()
            #expect(examination.take(outcome) == .unclear)
            #expect(examination.result == known)
            #expect(examination.begin() == .delivered("a"))
            _ = examination.take(log)
            #expect(examination.take(outcome) == .unclear)
            #expect(examination.result == known)
        }
    }

    @Test func `only the last three deliveries are remembered`() {
        var examination = Examination(result: .undecided, references: [])
        for name in ["a", "b", "c", "d"] { examination.learned(name) }
        #expect(examination.references == ["d", "c", "b"])
    }
}

@Suite struct `A question about one event` {
    private let created = DateTime("2026-01-02T03:04:05.000+00:00")

    private func finding(_ outcome: UpstreamOutcome) -> Finding {
        Finding(outcome, reference: "r", createdAt: created)
    }

    @Test(arguments: [
        #"{"id":"data_1"}"#, #"{"id":"data_1","reference_id":"r"}"#,
        #"{"id":"data_1","reference_id":null,"created_at":null}"#,
        #"{"id":"data_1","created_at":"2026-01-02T03:04:05.999Z"}"#,
        #"{"id":"data_1","created_at":"2026-01-02T04:04:05+01:00"}"#,
        #"{"id":"data_1","created_at":"2025-01-02T03:04:05"}"#,
        #"{"id":"data_1","created_at":"yesterday"}"#,
    ])
    func `is answered by a log with an id`(body: String) {
        #expect(finding(answer(200, body)) == .arrived(UpstreamIdentity(id: "data_1")))
    }

    @Test(arguments: ["2026-01-02T03:04:06Z", "2026-01-02T03:04:04Z", "2026-01-02T03:04:05+01:00"])
    func `finds another log when the times are a second or more apart`(time: String) {
        let body = "{\"id\":\"data_1\",\"created_at\":\"\(time)\"}"
        #expect(finding(answer(200, body)) == .anotherLog)
    }

    @Test func `compares no time that does not name its zone`() {
        let body = #"{"id":"data_1","created_at":"2020-01-02T03:04:05Z"}"#
        let local = DateTime("2026-01-02T03:04:05")
        let arrived = Finding.arrived(UpstreamIdentity(id: "data_1"))
        #expect(Finding(answer(200, body), reference: "r", createdAt: local) == arrived)
        #expect(Finding(answer(200, body), reference: "r", createdAt: nil) == arrived)
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"id":""}"#, #"{"id":7}"#, #"[{"id":"data_1"}]"#, "<html></html>",
        #"{"id":"data_1""#,
    ])
    func `is not answered by any other 200`(body: String) {
        #expect(finding(answer(200, body)) == .unclear)
    }

    @Test func `is answered no by 404 alone`() {
        #expect(finding(answer(404)) == .absent)
        let notNow: Set = [401, 402, 403, 407, 408, 425, 429]
        for status in 100...599 where status != 404 && status != 200 {
            let isRefused =
                status == 501 || (400...499).contains(status) && !notNow.contains(status)
            #expect(
                finding(answer(status, #"{"id":"data_1"}"#)) == (isRefused ? .refused : .unclear),
                "\(status)")
        }
        let other = #"{"id":"data_1","reference_id":"other"}"#
        #expect(finding(answer(200, other)) == .refused)
        let composed = answer(200, "{\"id\":\"data_1\",\"reference_id\":\"caf\u{e9}\"}")
        #expect(Finding(composed, reference: "cafe\u{301}", createdAt: nil) == .refused)
        #expect(finding(silence) == .unclear)
        #expect(finding(.notSent(reason: "refused")) == .unclear)
    }
}

@Suite struct `The way out of doubt` {
    @Test func `is asking for logs, where it is allowed and shown to work`() {
        func way(_ kind: EventKind, _ askable: Bool, _ policy: InDoubt.Policy, _ c: Calibration)
            -> InDoubt.Resolution
        {
            InDoubt.resolution(kind: kind, isAskable: askable, policy: policy, calibration: c)
        }
        for calibration in [Calibration.undecided, .ask, .resend] {
            for policy in InDoubt.Policy.allCases {
                for askable in [false, true] {
                    #expect(
                        way(.update, askable, policy, calibration) == .sendAgain(counted: false))
                    for kind in [EventKind.feedback, .session, .evaluationResult] {
                        #expect(
                            way(kind, askable, policy, calibration) == .sendAgain(counted: true))
                    }
                }
                for log in [EventKind.log, .evaluationLog] {
                    #expect(way(log, false, policy, calibration) == .sendAgain(counted: true))
                }
            }
            #expect(way(.log, true, .resend, calibration) == .sendAgain(counted: true))
        }
        for log in [EventKind.log, .evaluationLog] {
            #expect(way(log, true, .ask, .ask) == .ask)
            #expect(way(log, true, .ask, .undecided) == .calibrate)
            #expect(way(log, true, .ask, .resend) == .sendAgain(counted: true))
        }
    }

    @Test func `waits one more timeout after a timeout`() {
        func wait(_ ambiguity: Ambiguity) -> Duration {
            InDoubt.wait(
                after: ambiguity, inDoubtWait: .seconds(2), answerTimeout: .seconds(30))
        }
        #expect(wait(.lost(timedOut: true)) == .seconds(30))
        #expect(wait(.lost(timedOut: false)) == .seconds(2))
        #expect(wait(.failed) == .seconds(2))
        #expect(wait(.unusableAnswer) == .seconds(2))
    }
}

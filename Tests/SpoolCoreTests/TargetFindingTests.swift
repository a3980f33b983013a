import SpoolCore
import Testing

@Suite struct `A question about the log an effect names` {
    private func finding(
        _ outcome: UpstreamOutcome, graceIsOver: Bool = false, hasAnswered: Bool = true,
        routeHasAnswered: Bool = false, isArchive: Bool = false
    ) -> TargetFinding {
        let facts = RequestFacts(
            route: .patchLogByReference, graceIsOver: graceIsOver,
            routeHasAnswered: routeHasAnswered, destinationHasAnswered: hasAnswered,
            isArchive: isArchive)
        return TargetFinding(
            outcome, reference: "r", to: facts, now: Timestamp(milliseconds: 1_795_305_600_000))
    }

    private func answer(_ status: Int, _ body: String = "") -> UpstreamOutcome {
        .answered(UpstreamAnswer(status: status, body: Array(body.utf8)))
    }

    private let complaint =
        #"{"detail":[{"loc":["query","reference_id"],"msg":"m","type":"t"}]}"#

    @Test func `is answered by its id`() {
        #expect(
            finding(answer(200, #"{"id":"data_1","reference_id":"r"}"#))
                == .found(UpstreamIdentity(id: "data_1")))
        #expect(
            finding(answer(200, #"{"id":"data_1"}"#)) == .found(UpstreamIdentity(id: "data_1")))
    }

    @Test func `is answered no by 404, and by a 422 that names the reference`() {
        for no in [answer(404), answer(404, "<html>"), answer(422, complaint)] {
            #expect(finding(no) == .missing)
            #expect(finding(no, hasAnswered: false) == .missing)
            #expect(finding(no, graceIsOver: true) == .givenUp)
            #expect(finding(no, graceIsOver: true, hasAnswered: false) == .unclear)
            #expect(
                finding(no, graceIsOver: true, hasAnswered: false, isArchive: true) == .givenUp)
        }
    }

    @Test(arguments: [false, true])
    func `that is refused by a route that works is asked again until its grace is over`(
        graceIsOver: Bool
    ) {
        for status in [400, 406, 409, 410, 413, 414, 418, 422, 499] {
            let refusal = finding(
                answer(status), graceIsOver: graceIsOver, routeHasAnswered: true)
            #expect(refusal == (graceIsOver ? .givenUp : .missing), "\(status)")
        }
    }

    @Test(arguments: [false, true])
    func `is decided by no other answer`(graceIsOver: Bool) {
        let log = #"{"id":"data_1"}"#
        for status in 100...599 where status != 200 && status != 404 {
            let isFailure = status < 200 || (status >= 500 && status != 501 && status != 503)
            #expect(
                finding(answer(status, log), graceIsOver: graceIsOver)
                    == (isFailure ? .failed : .unclear), "\(status)")
        }
        for body in ["", "[]", "{}", "<html>", #"{"id":"data_1","reference_id":"other"}"#] {
            #expect(finding(answer(200, body), graceIsOver: graceIsOver) == .unclear)
        }
        #expect(finding(.notSent(reason: "refused"), graceIsOver: graceIsOver) == .unclear)
        #expect(
            finding(.noAnswer(reason: "late", timedOut: true), graceIsOver: graceIsOver)
                == .failed)
    }
}

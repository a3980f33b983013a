import SpoolCore
import Testing

private let now = Timestamp(milliseconds: 1_795_305_600_000)

private func facts(
    _ kind: EventKind, count: Int = 1, routeHasAnswered: Bool = true, isArchive: Bool = false,
    namesUnknownLog: Bool = false, graceIsOver: Bool = false, destinationHasAnswered: Bool? = nil
) -> RequestFacts {
    RequestFacts(
        route: kind.route, count: count, namesUnknownLog: namesUnknownLog,
        graceIsOver: graceIsOver, routeHasAnswered: routeHasAnswered,
        destinationHasAnswered: destinationHasAnswered ?? routeHasAnswered, isArchive: isArchive)
}

private func verdict(
    _ status: Int, _ body: String = "", retryAfter: String? = nil, to facts: RequestFacts
) -> Verdict {
    let answer = UpstreamAnswer(status: status, retryAfter: retryAfter, body: Array(body.utf8))
    return ReplyClassifier.verdict(on: .answered(answer), to: facts, now: now)
}

/// Every request there is, as far as verdicts go.
private let requests: [RequestFacts] = [false, true].flatMap { answered in
    [false, true].flatMap { isArchive in
        [false, true].flatMap { grace in
            [
                facts(
                    .log, routeHasAnswered: answered, isArchive: isArchive, graceIsOver: grace),
                facts(
                    .log, routeHasAnswered: answered, isArchive: isArchive, namesUnknownLog: true,
                    graceIsOver: grace),
                facts(
                    .log, count: 7, routeHasAnswered: answered, isArchive: isArchive,
                    graceIsOver: grace),
                facts(
                    .update, routeHasAnswered: answered, isArchive: isArchive, graceIsOver: grace),
                facts(
                    .feedback, routeHasAnswered: answered, isArchive: isArchive,
                    graceIsOver: grace),
                facts(
                    .feedback, count: 3, routeHasAnswered: answered, isArchive: isArchive,
                    graceIsOver: grace),
                facts(
                    .session, routeHasAnswered: answered, isArchive: isArchive, graceIsOver: grace),
                facts(
                    .evaluationLog, routeHasAnswered: answered, isArchive: isArchive,
                    graceIsOver: grace),
                facts(
                    .evaluationLog, routeHasAnswered: answered, isArchive: isArchive,
                    namesUnknownLog: true, graceIsOver: grace),
                facts(
                    .evaluationResult, routeHasAnswered: answered, isArchive: isArchive,
                    graceIsOver: grace),
            ]
        }
    }
}

private func complaint(_ locations: String...) -> String {
    let items = locations.map { "{\"loc\":\($0),\"msg\":\"m\",\"type\":\"t\"}" }
    return "{\"detail\":[\(items.joined(separator: ","))]}"
}

@Suite struct `Verdicts over every status and every request` {
    @Test(arguments: requests)
    func `each row of the table holds`(request: RequestFacts) {
        let isSingle = request.count == 1
        let isBelieved = request.routeHasAnswered || request.isArchive
        let refused = { (reason: DeadLetterReason) -> Verdict in
            isBelieved ? .refused(reason) : .parked(.misconfigured)
        }
        for status in 100...599 {
            let expected: Verdict
            switch status {
            case 200..<300: expected = .inDoubt(.unusableAnswer)
            case 300..<400, 405, 501: expected = .parked(.misconfigured)
            case 401, 407: expected = .parked(.unauthorized)
            case 402, 403: expected = .parked(.notAllowed)
            case 408, 415, 425, 429, 503: expected = .notApplied(retryAfter: nil)
            case 413: expected = isSingle ? refused(.tooLarge) : .tooLarge(retryAfter: nil)
            case 404 where isSingle && (request.namesUnknownLog || request.route.isEffect):
                expected =
                    !request.graceIsOver
                    ? .causeMissing : isBelieved ? .refused(.causeUnknown) : .parked(.misconfigured)
            case 400..<500: expected = isSingle ? refused(.refused) : .inDoubt(.refusedTogether)
            default: expected = .inDoubt(.failed)
            }
            #expect(verdict(status, to: request) == expected, "\(status)")
            #expect(verdict(status, "<html>no</html>", to: request) == expected, "\(status)")
        }
    }

    @Test(arguments: requests)
    func `a 2xx is delivered or in doubt, never anything else`(request: RequestFacts) {
        for status in 200..<300 {
            for body in ["", "{}", "[]", "null", "{\"id\":\"data_1\"}", "[{\"id\":\"data_1\"}]"] {
                switch verdict(status, body, to: request) {
                case .delivered(let ids): #expect(ids.count == request.count)
                case .inDoubt(.unusableAnswer): break
                case let other: Issue.record("\(status) \(body): \(other)")
                }
            }
        }
    }

    @Test(arguments: requests)
    func `no answer is in doubt, and only what was never sent was surely not applied`(
        request: RequestFacts
    ) {
        for timedOut in [false, true] {
            let outcome = UpstreamOutcome.noAnswer(reason: "reset", timedOut: timedOut)
            #expect(
                ReplyClassifier.verdict(on: outcome, to: request, now: now)
                    == .inDoubt(.lost(timedOut: timedOut)))
        }
        #expect(
            ReplyClassifier.verdict(on: .notSent(reason: "refused"), to: request, now: now)
                == .notApplied(retryAfter: nil))
    }

    @Test(arguments: requests)
    func `nothing dies in an array, nor on the word of a stranger`(request: RequestFacts) {
        let bodies = ["", "{\"detail\":\"no\"}", complaint("[\"query\",\"x\"]")]
        for status in 100...599 {
            for body in bodies {
                guard case .refused = verdict(status, body, to: request) else { continue }
                #expect(request.count == 1)
                #expect(request.routeHasAnswered || request.isArchive)
            }
        }
    }

    @Test(arguments: [-1, 0, 99, 600, 999])
    func `a status that HTTP does not know is in doubt`(status: Int) {
        #expect(verdict(status, to: facts(.log)) == .inDoubt(.failed))
    }
}

@Suite struct `A 2xx and its shape` {
    @Test func `ids and project ids are mapped by position`() {
        let body = #"[{"id":"data_1","project_id":"pr_1","x":[{"id":"no"}]},{"id":"data_2"}]"#
        #expect(
            verdict(200, body, to: facts(.log, count: 2))
                == .delivered([
                    UpstreamIdentity(id: "data_1", projectID: "pr_1"),
                    UpstreamIdentity(id: "data_2"),
                ]))
        #expect(
            verdict(201, #" { "id" : "a\u0041" } "#, to: facts(.update))
                == .delivered([UpstreamIdentity(id: "aA")]))
        #expect(
            verdict(202, #"[{"id":"ann_1","project_id":null}]"#, to: facts(.feedback))
                == .delivered([UpstreamIdentity(id: "ann_1")]))
    }

    @Test(arguments: [200, 201])
    func `what travels alone is answered by an object with an id`(status: Int) {
        #expect(
            verdict(status, #"{"id":"sesh_1"}"#, to: facts(.session))
                == .delivered([UpstreamIdentity(id: "sesh_1")]))
        let log = #"{"id":"data_1","project_id":"pr_1","session_id":"sesh_1"}"#
        #expect(
            verdict(status, log, to: facts(.evaluationLog))
                == .delivered([
                    UpstreamIdentity(id: "data_1", projectID: "pr_1", sessionID: "sesh_1")
                ]))
        let result = #"{"id":"evr_1","evaluator_id":"evfn_1","log_id":"data_1","value":true}"#
        #expect(
            verdict(status, result, to: facts(.evaluationResult))
                == .delivered([UpstreamIdentity(id: "evr_1")]))
        for kind in [EventKind.session, .evaluationLog, .evaluationResult] {
            for body in [#"[{"id":"a"}]"#, "{}", "", #"{"id":""}"#, #"{"project_id":"pr_1"}"#] {
                #expect(
                    verdict(status, body, to: facts(kind)) == .inDoubt(.unusableAnswer), "\(body)")
            }
        }
    }

    @Test func `a log's session is read beside its id`() {
        let body = #"[{"session_id":"sesh_1","id":"a"},{"session_id":null,"id":"b"}]"#
        #expect(
            verdict(200, body, to: facts(.log, count: 2))
                == .delivered([
                    UpstreamIdentity(id: "a", sessionID: "sesh_1"), UpstreamIdentity(id: "b"),
                ]))
    }

    @Test(arguments: [
        "[]", #"[{"id":"a"}]"#, #"[{"id":"a"},{"id":"b"},{"id":"c"}]"#, #"[{"id":"a"},{"id":""}]"#,
        #"[{"id":"a"},{"id":1}]"#, #"[{"id":"a"},{}]"#, #"[{"id":"a"},null]"#, #"[{"id":"a"},"b"]"#,
        #"{"id":"a"}"#, #"[{"id":"a"},{"id":"b"}"#, #"[{"id":"a"},{"id":"b"}]]"#,
        #"[{"id":"a"},{"id":"b"}] x"#, "<html></html>", #"[{"id":"a"},{"id":null}]"#,
    ])
    func `anything but one id for every element is in doubt`(body: String) {
        #expect(verdict(200, body, to: facts(.log, count: 2)) == .inDoubt(.unusableAnswer))
    }

    @Test func `an object does not answer an array of one, nor an array an update`() {
        #expect(verdict(200, #"{"id":"a"}"#, to: facts(.log)) == .inDoubt(.unusableAnswer))
        #expect(verdict(200, #"[{"id":"a"}]"#, to: facts(.update)) == .inDoubt(.unusableAnswer))
    }

    @Test func `without ids it is accepted only where the operator said so`() {
        var bare = facts(.log, count: 2)
        bare.acceptsBare2xx = true
        for body in ["", "{}", "<html></html>", #"[{"id":"a"}]"#] {
            #expect(verdict(200, body, to: bare) == .accepted)
            #expect(verdict(204, body, to: bare) == .accepted)
        }
        #expect(
            verdict(200, #"[{"id":"a"},{"id":"b"}]"#, to: bare)
                == .delivered([UpstreamIdentity(id: "a"), UpstreamIdentity(id: "b")]))
        #expect(verdict(302, to: bare) == .parked(.misconfigured))
    }

    @Test func `an answer cut anywhere is in doubt`() {
        let whole = Array(#"[{"id":"data_1","project_id":"pr_1"},{"id":"data_2"}]"#.utf8)
        for length in whole.indices {
            let answer = UpstreamAnswer(status: 200, body: Array(whole[..<length]))
            let outcome = UpstreamOutcome.answered(answer)
            #expect(
                ReplyClassifier.verdict(on: outcome, to: facts(.log, count: 2), now: now)
                    == .inDoubt(.unusableAnswer))
        }
    }
}

@Suite struct `A 422` {
    @Test func `in the documented shape names its culprits in an array`() {
        let array = facts(.log, count: 5, routeHasAnswered: false)
        let body = complaint(
            #"["body",3,"project"]"#, #"["body",1,"messages",0]"#, #"["body",3]"#)
        #expect(verdict(422, body, to: array) == .faulty(places: [1, 3]))
    }

    @Test(arguments: [
        #"["body"]"#, #"["body","project"]"#, #"["body",5,"x"]"#, #"["body",-1,"x"]"#,
        #"["body","1","x"]"#,
    ])
    func `that names no element leaves the array to halving`(location: String) {
        #expect(
            verdict(422, complaint(location), to: facts(.log, count: 5)) == .faulty(places: []))
    }

    @Test func `in the documented shape is believed of a single event at once`() {
        let stranger = facts(.log, routeHasAnswered: false)
        let body = complaint(#"["body",0,"project"]"#)
        #expect(verdict(422, body, to: stranger) == .refused(.refused))
    }

    @Test(arguments: [
        "", "{}", #"{"detail":"no"}"#, #"{"detail":[]}"#, #"{"detail":[{"loc":["body"]}]}"#,
        #"{"detail":[{"loc":[],"msg":"m","type":"t"}]}"#,
        #"{"detail":[{"loc":["body",null],"msg":"m","type":"t"}]}"#,
        #"{"detail":[{"loc":["body",1.5],"msg":"m","type":"t"}]}"#,
        #"{"detail":[{"loc":"body","msg":"m","type":"t"}]}"#,
        #"{"detail":{"type":"x","message":"y"}}"#, complaint(#"["query","x"]"#),
    ])
    func `in any other shape is a refusal like others`(body: String) {
        #expect(verdict(422, body, to: facts(.log)) == .refused(.refused))
        #expect(
            verdict(422, body, to: facts(.log, routeHasAnswered: false))
                == .parked(.misconfigured))
        #expect(verdict(422, body, to: facts(.log, count: 2)) == .inDoubt(.refusedTogether))
    }
}

@Suite struct `A log that upstream does not know` {
    /// The member that names it, by operation; a question's reference stands in its target.
    private static let members: [(kind: EventKind, location: String)] = [
        (.log, #"["body",0,"parent_id"]"#), (.log, #"["body",0,"parent_reference_id"]"#),
        (.log, #"["body",0,"session_id"]"#), (.update, #"["query","reference_id"]"#),
        (.feedback, #"["body",0,"data_id"]"#), (.evaluationResult, #"["body","log_id"]"#),
        (.evaluationLog, #"["body","log","parent_id"]"#),
    ]

    @Test(arguments: members)
    func `is waited for, then its effect dies`(kind: EventKind, location: String) {
        let body = complaint(location)
        let waiting = facts(kind, namesUnknownLog: true)
        #expect(verdict(422, body, to: waiting) == .causeMissing)
        #expect(verdict(404, to: waiting) == .causeMissing)
        let done = facts(kind, namesUnknownLog: true, graceIsOver: true)
        #expect(verdict(422, body, to: done) == .refused(.causeUnknown))
        #expect(verdict(404, to: done) == .refused(.causeUnknown))
    }

    @Test(arguments: members)
    func `is not what a complaint about another member means`(kind: EventKind, location: String) {
        let waiting = facts(kind, namesUnknownLog: true)
        for other in [#"["body",0,"output"]"#, #"["body","value"]"#, #"["body",0,"project_id"]"#] {
            #expect(verdict(422, complaint(other), to: waiting) == .refused(.refused))
        }
    }

    @Test(arguments: members)
    func `is not what a complaint about a value's form means`(kind: EventKind, location: String) {
        let waiting = facts(kind, namesUnknownLog: true)
        for type in ["type_error.str", "value_error.missing", "string_type", "missing"] {
            let body = "{\"detail\":[{\"loc\":\(location),\"msg\":\"m\",\"type\":\"\(type)\"}]}"
            #expect(verdict(422, body, to: waiting) == .refused(.refused))
        }
    }

    @Test func `is not the log that upstream itself has named`() {
        let body = complaint(#"["body","log_id"]"#)
        #expect(verdict(422, body, to: facts(.evaluationResult)) == .refused(.refused))
        #expect(
            verdict(422, complaint(#"["body",0,"data_id"]"#), to: facts(.feedback))
                == .refused(.refused))
        // By reference, upstream has named none.
        #expect(
            verdict(422, complaint(#"["query","reference_id"]"#), to: facts(.update))
                == .causeMissing)
    }

    @Test func `is none of a log's business that names nothing unknown`() {
        #expect(verdict(404, to: facts(.log)) == .refused(.refused))
        let body = complaint(#"["body",0,"parent_id"]"#)
        #expect(verdict(422, body, to: facts(.log)) == .refused(.refused))
    }

    @Test func `is recognised inside the log of an evaluation too`() {
        let body = complaint(#"["body","log","parent_id"]"#)
        #expect(
            verdict(422, body, to: facts(.evaluationLog, namesUnknownLog: true)) == .causeMissing)
        #expect(verdict(422, body, to: facts(.evaluationLog)) == .refused(.refused))
    }

    @Test func `may be the log of a result, though its evaluation is in the path`() {
        #expect(verdict(404, to: facts(.evaluationResult)) == .causeMissing)
        // An evaluation log names nothing that may still come: its evaluation is not there.
        #expect(verdict(404, to: facts(.evaluationLog)) == .refused(.refused))
        #expect(
            verdict(404, to: facts(.evaluationLog, routeHasAnswered: false))
                == .parked(.misconfigured))
    }

    @Test func `kills nothing while no route of the destination has ever answered`() {
        let done = facts(.update, routeHasAnswered: false, graceIsOver: true)
        #expect(verdict(404, to: done) == .parked(.misconfigured))
        let known = facts(
            .update, routeHasAnswered: false, graceIsOver: true, destinationHasAnswered: true)
        #expect(verdict(404, to: known) == .refused(.causeUnknown))
    }

    @Test func `is looked for alone when an array was refused`() {
        #expect(verdict(404, to: facts(.feedback, count: 2)) == .inDoubt(.refusedTogether))
        let body = complaint(#"["body",1,"data_id"]"#)
        #expect(verdict(422, body, to: facts(.feedback, count: 2)) == .faulty(places: [1]))
    }
}

@Suite struct `What else an answer carries` {
    @Test(arguments: [408, 413, 415, 425, 429, 503])
    func `Retry-After is read where upstream may ask for patience`(status: Int) {
        let read = verdict(status, retryAfter: "17", to: facts(.log, count: 2))
        let expected: Verdict =
            status == 413
            ? .tooLarge(retryAfter: .seconds(17)) : .notApplied(retryAfter: .seconds(17))
        #expect(read == expected)
    }

    @Test func `words are cut between characters`() {
        let long = String(repeating: "ä", count: Limits.upstreamWordsMax)
        let answer = UpstreamAnswer(status: 400, body: Array(("x" + long).utf8))
        let words = UpstreamWords.of(.answered(answer))
        #expect(words.utf8.count <= Limits.upstreamWordsMax)
        #expect(words.hasPrefix("xää"))
        #expect(UpstreamWords.of(.notSent(reason: "refused")) == "refused")
        let noise = UpstreamAnswer(status: 500, body: Array(repeating: 0xFF, count: 5000))
        #expect(UpstreamWords.of(.answered(noise)).utf8.count <= Limits.upstreamWordsMax)
    }

    @Test func `every park says what to do`() {
        for park in Park.allCases {
            #expect(park.advice.contains(": "))
        }
    }
}

extension Route {
    /// Whether it carries effects on logs.
    fileprivate var isEffect: Bool {
        EventKind.allCases.contains { $0.isEffect && $0.route == self } || self == .patchLog
    }
}

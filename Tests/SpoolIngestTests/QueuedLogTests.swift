import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// `GET /logs/{id}` and `DELETE /logs` of logs that may still be in the queue.
@Suite struct QueuedLogTests {
    private let desk = IngestDesk()
    private let queued = EventSequence(rawValue: 1)
    private let moving = EventSequence(rawValue: 2)
    private let arrived = EventSequence(rawValue: 3)
    private let dead = EventSequence(rawValue: 4)
    private let forgotten = EventSequence(rawValue: 5)
    private let unreadable = EventSequence(rawValue: 6)

    init() {
        for (sequence, isInFlight) in [(queued, false), (moving, true)] {
            let event = QueuedEvent(
                body: Array(#"{"project":"p","output":"x"}"#.utf8),
                acceptedAt: Timestamp(milliseconds: 0), projectID: "pr_1", isInFlight: isInFlight)
            desk.lookup.know(.log, sequence, .queued(event))
        }
        desk.lookup.know(.log, arrived, .upstream("data_up"))
        desk.lookup.know(.log, dead, .dead("cause unknown"))
        desk.lookup.know(.log, unreadable, .failing)
    }

    private func id(_ sequence: EventSequence) -> String { desk.id(.log, sequence.rawValue) }

    private func query(_ ids: String...) -> String {
        ids.map { "id=" + $0 }.joined(separator: "&")
    }

    // MARK: GET

    @Test func `a queued log is shown from the queue, whether or not it is on its way`() throws {
        for sequence in [queued, moving] {
            for path in ["/logs/", "/v4/logs/", "/v4//logs/%64"] {
                let text = path.hasSuffix("%64") ? String(id(sequence).dropFirst()) : id(sequence)
                #expect(desk.planned("GET", path + text, [:]) == nil)
                let answer = try desk.send("GET", path + text)
                #expect(answer.status == 200)
                #expect(try answer.json["id"]?.stringValue == id(sequence))
                #expect(try answer.json["observability_status"]?.stringValue == "pending")
                #expect(try answer.json["output"]?.stringValue == "x")
            }
        }
        #expect(desk.live.requests.isEmpty)
        #expect(desk.live.planned == 0)
    }

    @Test func `a delivered log is shown by upstream`() throws {
        let answer = try desk.send("GET", "/v4/logs/" + id(arrived))
        #expect(answer.body == Array("\"upstream\"".utf8))
        #expect(desk.live.requests == ["GET /v4/logs/" + id(arrived)])
    }

    @Test func `a dead or forgotten log is not found, and the answer says why`() throws {
        let dead = try desk.send("GET", "/logs/" + id(dead))
        #expect(dead.status == 404)
        #expect(try dead.json["detail"]?.stringValue?.contains("cause unknown") == true)
        let forgotten = try desk.send("GET", "/logs/" + id(forgotten))
        #expect(forgotten.status == 404)
        #expect(try forgotten.json["detail"]?.stringValue?.contains("not known") == true)
        #expect(desk.live.requests.isEmpty)
    }

    @Test func `ids of other things and other spools are upstream's business`() throws {
        let other = SpoolIdentity(epoch: 8, key0: 11, key1: 13).id(.log, queued)
        for text in [other, desk.id(.session, 1), id(queued) + "x", id(queued) + "%20", "%FF"] {
            #expect(try desk.send("GET", "/logs/" + text).body == Array("\"upstream\"".utf8))
        }
        #expect(desk.live.requests.count == 5)
    }

    // MARK: DELETE

    @Test(arguments: [nil, "", "ids=data_1", "id", "id=", "id=&id=", "&&"])
    func `a deletion without ids is refused and never forwarded`(query: String?) throws {
        let answer = try desk.send("DELETE", "/v4/logs", query: query)
        #expect(answer.status == 422)
        #expect(try answer.mistake == "query.id: missing")
        #expect(desk.live.requests.isEmpty)
        #expect(desk.lookup.discarded.isEmpty)
    }

    @Test func `ids that are no text are refused`() throws {
        let answer = try desk.send("DELETE", "/logs", query: "id=data_1&id=%FF")
        #expect(try answer.mistake == "query.id: value_error")
        #expect(desk.live.requests.isEmpty)
    }

    @Test func `queued logs are discarded, and nothing is forwarded`() throws {
        let escaped = "%64" + id(queued).dropFirst()
        let answer = try desk.send("DELETE", "/logs", query: query(id(queued), escaped, ""))
        #expect(answer.status == 204)
        #expect(answer.body.isEmpty)
        #expect(answer.contentType == nil)
        #expect(desk.lookup.discarded == [[queued]])
        #expect(desk.live.requests.isEmpty)
    }

    @Test func `a log that is named many times is looked up once, and without its body`() throws {
        let names = [String](repeating: id(queued), count: 400).map { "id=" + $0 }
        let query = names.joined(separator: "&") + "&id=data_9"
        #expect(try desk.send("DELETE", "/logs", query: query).status == 200)
        #expect(desk.lookup.bodiesAsked == [false])
        #expect(desk.lookup.discarded == [[queued]])
        #expect(desk.live.requests == ["DELETE /logs?id=data_9"])
    }

    @Test func `while one of the logs is on its way nothing is deleted`() throws {
        for ids in [[moving], [queued, moving], [arrived, moving, queued]] {
            let query = ids.map { "id=" + id($0) }.joined(separator: "&")
            let answer = try desk.send("DELETE", "/logs", query: query + "&id=data_9")
            #expect(answer.status == 503)
            #expect(answer.header("Retry-After") == "1")
        }
        #expect(desk.lookup.discarded.isEmpty)
        #expect(desk.live.requests.isEmpty)
    }

    @Test func `a log that leaves at this very moment is 503, and a failing disk too`() throws {
        for outcome in [DiscardOutcome.inFlight, .failing] {
            desk.lookup.answerDiscards(outcome)
            let answer = try desk.send("DELETE", "/logs", query: query(id(queued)))
            #expect(answer.status == 503)
            #expect(answer.header("Retry-After") == "1")
        }
    }

    @Test func `delivered logs and upstream's own ids are deleted there`() throws {
        let query = "x=1&id=a%20b&" + query(id(arrived)) + "&y=+"
        desk.live.answer(with: HTTPAnswer(status: 204, contentType: nil))
        #expect(try desk.send("DELETE", "/v4/logs", query: query).status == 204)
        #expect(desk.live.requests == ["DELETE /v4/logs?" + query])
        #expect(desk.lookup.discarded.isEmpty)
        #expect(desk.lookup.forgotten == ["a b", id(arrived)], "their bytes may be logged anew")
    }

    @Test func `of mixed ids upstream gets its own, and the rest goes after its success`() throws {
        let mixed = query("data_9", id(queued), id(arrived)) + "&x=1"
        desk.live.answer(with: HTTPAnswer(status: 204, contentType: nil))
        #expect(try desk.send("DELETE", "/logs", query: mixed).status == 204)
        #expect(desk.live.requests == ["DELETE /logs?" + query("data_9", id(arrived)) + "&x=1"])
        #expect(desk.lookup.discarded == [[queued]])
    }

    @Test(arguments: [404, 422, 500, 502, 504])
    func `of mixed ids nothing is discarded when upstream does not delete its own`(status: Int)
        throws
    {
        desk.live.answer(with: .detail(status: status, "no"))
        let answer = try desk.send("DELETE", "/logs", query: query("data_9", id(queued)))
        #expect(answer.status == status)
        #expect(desk.lookup.discarded.isEmpty)
    }

    @Test func `a disk that refuses is no reason to call a log unknown`() throws {
        for answer in [
            try desk.send("GET", "/logs/" + id(unreadable)),
            try desk.send("DELETE", "/logs", query: query(id(queued), id(unreadable))),
        ] {
            #expect(answer.status == 503)
            #expect(answer.header("Retry-After") == "1")
            #expect(try answer.json["detail"]?.stringValue?.contains("disk") == true)
        }
        #expect(desk.lookup.discarded.isEmpty)
        #expect(desk.live.requests.isEmpty)
    }

    @Test func `dead and forgotten logs are not found, and nothing is deleted`() throws {
        for sequence in [dead, forgotten] {
            let ids = query(id(queued), id(sequence), "data_9")
            let answer = try desk.send("DELETE", "/logs", query: ids)
            #expect(answer.status == 404)
            let detail = try answer.json["detail"]?.stringValue
            #expect(detail?.contains(id(sequence)) == true)
            #expect(detail?.contains("nothing was deleted") == true)
        }
        #expect(desk.lookup.discarded.isEmpty)
        #expect(desk.live.requests.isEmpty)
    }
}

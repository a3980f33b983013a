import NIOCore
import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Synchronization
import Testing

/// The API before a recording sink, and who asks.
struct IngestDesk {
    let sink: RecordingSink
    let lookup = ScriptedLookup()
    let live = RecordingGateway()
    let time = HandTurnedTime()
    let api: IngestAPI

    init(
        commits: RecordingSink.Commits = .immediately, defaultProject: String? = "home",
        settings: IngestSettings = IngestSettings()
    ) {
        sink = RecordingSink(commits: commits)
        let decoder = EventDecoder(
            identity: sink.identity, defaultProject: defaultProject, stamps: SteadyStamps())
        api = IngestAPI(
            sink: sink, lookup: lookup, live: live, decoder: decoder, loops: time.loops,
            settings: settings)
    }

    /// A provisional id of this desk's spool.
    func id(_ thing: SpoolIdentity.Thing, _ sequence: Int64) -> String {
        sink.identity.id(thing, EventSequence(rawValue: sequence))
    }

    func plan(
        _ method: String, _ path: String, _ headers: HTTPHeaders,
        peer: Peer = Peer(uid: 1000, gid: 1000, pid: 1)
    ) -> BodyPlan {
        let head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: method), uri: path + "?a=b",
            headers: headers)
        return api.plan(head, peer: peer)
    }

    /// The answer given at the head; nil when the body is read.
    func planned(
        _ method: String, _ path: String, _ headers: HTTPHeaders,
        peer: Peer = Peer(uid: 1000, gid: 1000, pid: 1)
    ) -> HTTPAnswer? {
        guard case .answer(let answer) = plan(method, path, headers, peer: peer) else { return nil }
        return answer
    }

    /// The answers given to one request, in their order.
    final class Answers: Sendable {
        private let given = Mutex<[HTTPAnswer]>([])
        var all: [HTTPAnswer] { given.withLock { $0 } }
        func add(_ answer: HTTPAnswer) { given.withLock { $0.append(answer) } }
    }

    func begin(
        _ method: String, _ path: String, query: String? = nil, headers: HTTPHeaders = [:],
        _ body: String = ""
    ) -> Answers {
        let answers = Answers()
        let request = HTTPRequest(
            method: method, path: path, query: query, headers: headers,
            body: ByteBuffer(string: body), peer: Peer(uid: 1000, gid: 1000, pid: 1))
        api.answer(request) { answers.add($0) }
        return answers
    }

    /// The one answer to a request.
    func send(
        _ method: String, _ path: String, query: String? = nil, headers: HTTPHeaders = [:],
        _ body: String = ""
    ) throws -> HTTPAnswer {
        let answers = begin(method, path, query: query, headers: headers, body).all
        #expect(answers.count == 1)
        return try #require(answers.first)
    }
}

extension HTTPAnswer {
    /// The body as JSON.
    var json: JSONValue {
        get throws { try JSONValue(parsing: body) }
    }

    /// The first header field of this name.
    func header(_ name: String) -> String? { headers.first { $0.0 == name }?.1 }

    /// The one mistake of a 422, as `loc.joined: type`.
    var mistake: String {
        get throws {
            let detail = try #require(try json["detail"]?.elements)
            #expect(detail.count == 1)
            let loc = detail.first?["loc"]?.elements?.compactMap(\.stringValue) ?? []
            return loc.joined(separator: ".") + ": " + (detail.first?["type"]?.stringValue ?? "")
        }
    }
}

/// A way to upstream that answers as the test says.
final class RecordingGateway: LiveGateway {
    private struct State {
        var requests: [String] = []
        var planned = 0
        var answer = HTTPAnswer(status: 200, body: Array("\"upstream\"".utf8))
    }

    private let state = Mutex(State())

    /// Requests forwarded, each as `METHOD path?query`.
    var requests: [String] { state.withLock { $0.requests } }
    /// How many requests were planned.
    var planned: Int { state.withLock { $0.planned } }

    func answer(with answer: HTTPAnswer) {
        state.withLock { $0.answer = answer }
    }

    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        state.withLock { $0.planned += 1 }
        return .read(bytesMax: 1)
    }

    func forward(
        _ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let query = request.query.map { "?" + $0 } ?? ""
        let answer = state.withLock { state in
            state.requests.append("\(request.method) \(request.path)\(query)")
            return state.answer
        }
        reply(answer)
    }
}

/// Time that passes when the test says so.
final class HandTurnedTime: Sendable {
    private struct Timer {
        let due: Duration
        let body: @Sendable () -> Void
    }

    private struct State {
        var now = Duration.zero
        var last = 0
        var timers: [Int: Timer] = [:]
    }

    private let state = Mutex(State())

    /// How many waits have neither ended nor been cancelled.
    var timerCount: Int { state.withLock { $0.timers.count } }

    /// Loops that take turns at once.
    var loops: DoorLoops {
        DoorLoops(
            run: { $0() },
            runAfter: { delay, body in
                let number = self.state.withLock { state in
                    state.last += 1
                    state.timers[state.last] = Timer(due: state.now + delay, body: body)
                    return state.last
                }
                return { self.state.withLock { $0.timers[number] = nil } }
            })
    }

    func pass(_ duration: Duration) {
        let due = state.withLock { state in
            state.now += duration
            let now = state.now
            let due = state.timers.filter { $0.value.due <= now }
            for number in due.keys { state.timers[number] = nil }
            return due.values.map(\.body)
        }
        for body in due { body() }
    }
}

import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

@Suite struct LiveBodyTests {
    private static let calls = [
        "/chat", "/chat-deployed", "/chat-model-config", "/completion", "/completion-deployed",
        "/completion-model-config", "/datasets/evts_1/datapoints",
    ]

    @Test(arguments: calls)
    func `ids in the bodies of chats, completions and datapoints are swapped, all else is kept`(
        path: String
    ) throws {
        let swapped = try LiveDesk().body(
            of: path,
            #" {"session_id" : "\#(LiveDesk.session)","n":1e400, "parent_id":"\#(LiveDesk.delivered)","#
                + #" "log_ids":["\#(LiveDesk.delivered)", "data_x" ,7],"project_id":"\#(LiveDesk.project)","#
                + #" "inputs":{"session_id":"\#(LiveDesk.session)"},"user":"\#(LiveDesk.session)"} "#
        )
        #expect(
            swapped
                == #" {"session_id" : "sesh_up","n":1e400, "parent_id":"data_up/1","#
                + #" "log_ids":["data_up/1", "data_x" ,7],"project_id":"pr_up","#
                + #" "inputs":{"session_id":"\#(LiveDesk.session)"},"user":"\#(LiveDesk.session)"} "#
        )
    }

    @Test(arguments: [
        "", "{", "[]", "7", "nonsense", #"{"session_id":7,"log_ids":"x","parent_id":null}"#,
        #"{"session_id":"sesh_theirs"}{"#, "\u{FEFF}{}",
    ])
    func `what is no such object travels as it is`(body: String) throws {
        let desk = LiveDesk()
        #expect(try #require(desk.send("POST", "/chat", body: body)).status == 200)
        switch try #require(desk.upstream.calls.last).request.body {
        case .bytes(let bytes): #expect(bytes == Array(body.utf8))
        case .none: #expect(body.isEmpty)
        case .stream: Issue.record("there was no stream")
        }
    }

    @Test func `an id is swapped in a body with a broken end only if upstream could read it`()
        throws
    {
        let body = #"{"session_id":"\#(LiveDesk.session)","#
        #expect(try LiveDesk().body(of: "/chat", body) == body)
    }

    @Test func `other bodies are not looked into`() throws {
        let body = #"{"session_id":"\#(LiveDesk.session)"}"#
        for path in ["/evaluators", "/projects/p/evaluations", "/chat/x", "/datasets"] {
            #expect(try LiveDesk().body(of: path, body) == body)
        }
    }

    private func plan(
        _ method: HTTPMethod, _ uri: String, _ headers: HTTPHeaders = ["Content-Length": "10"]
    ) -> String {
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: uri, headers: headers)
        return switch LiveDesk().gateway.plan(head, peer: .tcp) {
        case .stream: "stream"
        case .read(let bytesMax): "read \(bytesMax)"
        case .answer(let answer): "answer \(answer.status)"
        }
    }

    @Test(arguments: calls) func `only these bodies are read first, up to 1 MiB`(path: String) {
        #expect(plan(.POST, path) == "read 1048576")
        #expect(plan(.POST, "/v4/\(path)?x") == "read 1048576")
        #expect(plan(.POST, path, ["Content-Length": "1048576"]) == "read 1048576")
        #expect(plan(.POST, path, ["Content-Length": "1048577"]) == "stream")
        #expect(plan(.POST, path, ["Transfer-Encoding": "chunked"]) == "read 16777216")
        #expect(plan(.GET, path) == "stream")
    }

    @Test func `all others are streamed`() {
        #expect(plan(.POST, "/projects/p/datasets") == "stream")
        #expect(plan(.GET, "/logs?project_id=p", [:]) == "stream")
        #expect(plan(.PATCH, "/evaluations/e/status") == "stream")
    }

    @Test func `a coded body is refused, because its coding is not forwarded`() {
        #expect(plan(.POST, "/chat", ["Content-Encoding": "gzip"]) == "answer 415")
        #expect(plan(.POST, "/evaluators", ["Content-Encoding": "gzip"]) == "answer 415")
        #expect(plan(.POST, "/evaluators", ["Content-Encoding": "identity"]) == "stream")
    }
}

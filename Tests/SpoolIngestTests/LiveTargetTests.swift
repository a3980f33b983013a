import SpoolCore
import SpoolServer
import Testing

@Suite struct LiveTargetTests {
    @Test(
        arguments: [
            ("/v4/projects/pr_1", nil, "/projects/pr_1"),
            ("/projects/pr_1", nil, "/projects/pr_1"),
            ("/v4//projects//pr_1/", nil, "/projects/pr_1"),
            ("/v4/v4/projects", nil, "/v4/projects"),
            (
                "/logs", "project_id=pr_1&page=0&sort=a.desc&sort=b.asc",
                "/logs?project_id=pr_1&page=0&sort=a.desc&sort=b.asc"
            ),
            (
                "/logs", "b=2&a=1&&unknown&x==y&feedback-r_filter=%C3%A9+%2F",
                "/logs?b=2&a=1&&unknown&x==y&feedback-r_filter=%C3%A9+%2F"
            ),
            ("/logs", "", "/logs?"),
            (
                "/evaluations/ev%2F1%20%3F/evaluators", "q=a/b?c",
                "/evaluations/ev%2F1%20%3F/evaluators?q=a/b?c"
            ),
            ("/projects/a;b,c:d@e!$&'()*+=~", nil, "/projects/a;b,c:d@e!$&'()*+=~"),
            ("/projects/%7e%7E...", nil, "/projects/%7e%7E..."),
        ] as [(String, String?, String)])
    func `path and query arrive as they were sent`(path: String, query: String?, target: String)
        throws
    {
        #expect(try LiveDesk().target(of: path, query: query) == target)
    }

    @Test(
        arguments: [
            ("/projects/é", nil, "/projects/%C3%A9"), ("/projects/100%", nil, "/projects/100%25"),
            ("/projects/a%zz{}", nil, "/projects/a%25zz%7B%7D"),
            ("/projects/a\"<>\\^`|", nil, "/projects/a%22%3C%3E%5C%5E%60%7C"),
            ("/logs", "search=[x]#", "/logs?search=%5Bx%5D%23"),
            ("/logs", "search=%", "/logs?search=%25"),
        ] as [(String, String?, String)])
    func `what no URL may hold is encoded byte by byte, and nothing else`(
        path: String, query: String?, target: String
    ) throws {
        #expect(try LiveDesk().target(of: path, query: query) == target)
    }

    @Test(arguments: [
        "/projects/..", "/projects/../secrets", "/./projects", "/v4/../../etc",
        "/projects/%2e%2e/x", "/projects/.%2E", "/projects/%2E", "/projects/..%2f..%2fetc",
        "/projects/a%2F..%2Fb", "/projects/..%5c..%5cetc", "/projects/%252e%252e/x",
        "/projects/%25252e./x", "/projects/..;x=1/y", "/projects/%2525252525252e",
        "/projects/..\\x", "/projects/..%252f%25ff",
    ])
    func `a dot segment is refused, however it is written`(path: String) throws {
        let desk = LiveDesk()
        let answer = try #require(desk.send("GET", path))
        #expect(answer.status == 400)
        #expect(answer.detailText?.contains("dot segment") == true)
        #expect(desk.upstream.calls.isEmpty)
    }

    @Test func `dots that are no dot segment pass`() throws {
        for id in ["...", "..a", "a..", ".a", "a.b", "%2e%2e%2e", "a%2F.b"] {
            #expect(try LiveDesk().target(of: "/projects/\(id)") == "/projects/\(id)")
        }
    }

    @Test func `bytes that are not UTF-8 are refused in a path, and pass encoded in a query`()
        throws
    {
        let desk = LiveDesk()
        for path in ["/projects/\u{FFFD}", "/projects/%FF", "/projects/..%2f%ff"] {
            #expect(try #require(desk.send("GET", path)).status == 400)
        }
        #expect(try #require(desk.send("GET", "/logs", query: "a=\u{FFFD}")).status == 400)
        #expect(try desk.target(of: "/logs", query: "a=%FF") == "/logs?a=%FF")
    }

    // MARK: Provisional ids

    @Test func `a provisional id is swapped as a whole path segment`() throws {
        let desk = LiveDesk()
        #expect(try desk.target(of: "/sessions/\(LiveDesk.session)") == "/sessions/sesh_up")
        #expect(
            try desk.target(of: "/v4/projects/\(LiveDesk.project)/export", query: "page=1")
                == "/projects/pr_up/export?page=1")
        // Upstream's id is one segment, whatever is in it.
        #expect(try desk.target(of: "/logs/\(LiveDesk.delivered)") == "/logs/data_up%2F1")
        let encoded = LiveDesk.session.replacing("_", with: "%5F")
        #expect(try desk.target(of: "/sessions/\(encoded)") == "/sessions/sesh_up")
    }

    @Test func `a provisional id is swapped in the values of id, project_id and session_id`() throws
    {
        let target = try LiveDesk().target(
            of: "/logs",
            query: "id=\(LiveDesk.delivered)&id=data_x&project_id=\(LiveDesk.project)"
                + "&session%5Fid=\(LiveDesk.session)&z=1")
        #expect(
            target
                == "/logs?id=data_up%2F1&id=data_x&project_id=pr_up&session%5Fid=sesh_up&z=1")
    }

    @Test func `elsewhere, and as part of a text, it stays as it is`() throws {
        let desk = LiveDesk()
        for path in ["/projects/x\(LiveDesk.project)", "/projects/\(LiveDesk.project)x"] {
            #expect(try desk.target(of: path) == path)
        }
        for query in [
            "search=\(LiveDesk.delivered)", "id=x\(LiveDesk.delivered)", "\(LiveDesk.delivered)",
            "parent_id=\(LiveDesk.delivered)", "ids=\(LiveDesk.delivered)",
        ] {
            #expect(try desk.target(of: "/logs", query: query) == "/logs?" + query)
        }
    }

    @Test func `an id of another spool, a guessed one and a forgotten one travel as they are`()
        throws
    {
        let other = SpoolIdentity(epoch: 7, key0: 1, key1: 2)
            .id(.log, EventSequence(rawValue: 1))
        for id in [other, "data_" + String(repeating: "0", count: 21), LiveDesk.forgotten] {
            #expect(try LiveDesk().target(of: "/logs/\(id)") == "/logs/\(id)")
        }
    }

    @Test(arguments: ["path", "query", "body"])
    func `a thing that is still queued is answered 503, to be tried again`(place: String) throws {
        let desk = LiveDesk()
        let id = LiveDesk.queued
        let answer =
            switch place {
            case "path": desk.send("GET", "/sessions/\(id)")
            case "query": desk.send("GET", "/logs", query: "id=\(LiveDesk.delivered)&id=\(id)")
            default: desk.send("POST", "/chat", body: #"{"parent_id":"\#(id)"}"#)
            }
        #expect(answer?.status == 503)
        #expect(answer?.headers.contains { $0 == ("Retry-After", "1") } == true)
        #expect(answer?.detailText?.contains(id) == true)
        #expect(desk.upstream.calls.isEmpty)
    }

    @Test func `a thing that died is answered 404 with its reason`() throws {
        let desk = LiveDesk()
        let answer = try #require(desk.send("GET", "/logs/\(LiveDesk.dead)"))
        #expect(answer.status == 404)
        #expect(answer.detailText?.contains("refused") == true)
        #expect(desk.upstream.calls.isEmpty)
    }
}

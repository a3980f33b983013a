import SpoolServer
import Testing

/// A delimiter and a combining mark behind it are one Character of Swift, and two of every server.
/// Found by `make fuzz TARGET=target`.
@Suite struct LiveTargetByteTests {
    @Test(arguments: [
        "/projects/../\u{301}x", "/projects/..%2F%CC%81", "/projects/..%5C%CC%81x",
        "/projects/..;%CC%81/..;%CC%81/etc", "/projects/..;\u{301}/x", "/projects/a\\..\\\u{301}",
    ])
    func `a combining mark hides no dot segment`(path: String) throws {
        let desk = LiveDesk()
        let answer = try #require(desk.send("GET", path))
        #expect(answer.status == 400)
        #expect(desk.upstream.calls.isEmpty)
    }

    @Test func `a combining mark hides neither the mount nor what was no UTF-8`() throws {
        let desk = LiveDesk()
        #expect(try desk.target(of: "/v4/\u{301}x") == "/%CC%81x")
        #expect(try #require(desk.send("GET", "/projects/\u{FFFD}\u{301}")).status == 400)
    }

    @Test func `an item of the query without a name travels as it is`() throws {
        let query = "=id=\(LiveDesk.delivered)"
        #expect(try LiveDesk().target(of: "/logs", query: query) == "/logs?" + query)
    }
}

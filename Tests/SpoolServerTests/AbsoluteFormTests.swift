import NIOHTTP1
import Testing

@testable import SpoolServer

/// A delimiter and a combining mark behind it are one Character of Swift, and two of every server.
/// Found by `make fuzz TARGET=framing`.
@Suite struct AbsoluteFormTests {
    @Test(arguments: [
        ("http://host/\u{301}x", "host", "/\u{301}x"), ("http://host?\u{301}", "host", "/?\u{301}"),
        ("http://host/a", "host", "/a"), ("http://host", "host", "/"),
    ])
    func `the host ends at the first delimiter, whatever stands behind it`(
        target: String, host: String, origin: String
    ) {
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target).inOriginForm()
        #expect(head.uri == origin)
        #expect(head.headers["host"] == [host])
    }
}

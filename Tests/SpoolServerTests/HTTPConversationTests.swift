import NIOHTTP1
import SpoolTestKit
import Testing

@testable import SpoolServer

@Suite("The conversation, pure")
struct HTTPConversationTests {
    private static func framing(
        _ headers: [(String, String)] = [], version: HTTPVersion = .http1_1
    ) -> RequestFraming {
        RequestFraming(
            HTTPRequestHead(
                version: version, method: .POST, uri: "/", headers: HTTPHeaders(headers)))
    }

    private static func fresh() -> HTTPConversation { HTTPConversation(lingerBytesMax: 1000) }

    @Test("a body of known length: reserve, read, call, answer, next")
    func knownLength() {
        var talk = Self.fresh()
        #expect(talk.patience == .idle)
        #expect(talk.bytesArrived(10, areBlank: false) == true)
        #expect(talk.patience == .read)
        #expect(talk.head(Self.framing([("content-length", "5")]), bytesMax: 5) == .reserve(5))
        #expect(talk.isBusy)
        #expect(talk.granted(5) == .proceed)
        #expect(talk.body(2) == .keep)
        #expect(talk.body(3) == .keep)
        #expect(talk.end() == .call)
        #expect(talk.patience == .unlimited)
        #expect(talk.answered(closes: false, hasMore: true) == .keepsAlive)
        #expect(talk.state == .idle)
        #expect(talk.patience == .idle)
    }

    @Test("a long body is reserved step by step, or all the rest, as it comes")
    func longBody() {
        let step = HTTPConversation.bodyStep
        let length = 3 * step + 7
        var talk = Self.fresh()
        let framing = Self.framing([("content-length", "\(length)")])
        #expect(talk.head(framing, bytesMax: length) == .reserveMore(step, rest: length))
        #expect(talk.granted(step) == .proceed)
        #expect(talk.body(step) == .keep)
        #expect(talk.body(1) == .reserveMore(step, rest: length - step))
        #expect(talk.granted(step) == .proceed)
        #expect(talk.body(1) == .keep)
        let rest = length - 2 * step
        #expect(talk.body(length - step - 1) == .reserveMore(rest, rest: rest))
        #expect(talk.granted(rest) == .proceed)
        #expect(talk.body(length - step - 1) == .keep)
        #expect(talk.end() == .call)
    }

    @Test("blank lines between requests begin none")
    func blank() {
        var talk = Self.fresh()
        #expect(talk.bytesArrived(2, areBlank: true) == true)
        #expect(talk.patience == .idle)
    }

    @Test("a chunked body reserves in steps, never more than its limit")
    func chunked() {
        let step = HTTPConversation.bodyStep
        var talk = Self.fresh()
        let framing = Self.framing([("Transfer-Encoding", "Chunked"), ("Expect", "100-continue")])
        #expect(talk.head(framing, bytesMax: step + 10) == .reserve(step))
        #expect(talk.granted(step) == .invite)
        #expect(talk.body(step) == .keep)
        #expect(talk.body(1) == .reserve(10))
        #expect(talk.granted(10) == .proceed)
        #expect(talk.body(1) == .keep)
        guard case .refuse(413, _) = talk.body(10) else {
            Issue.record("a body over its limit was taken")
            return
        }
        #expect(talk.answered(closes: false, hasMore: false) == .lingers)
    }

    @Test("after the last answer nothing is answered any more")
    func afterClosing() {
        var talk = Self.fresh()
        #expect(talk.head(Self.framing(), bytesMax: 0) == .proceed)
        #expect(talk.end() == .call)
        #expect(talk.answered(closes: true, hasMore: false) == .closes)
        #expect(talk.answered(closes: true, hasMore: false) == nil)
        #expect(talk.drain() == .proceed)
        talk.disconnected()
        #expect(talk.answered(closes: false, hasMore: false) == nil)
    }

    @Test("lingering throws away so many bytes, then closes")
    func lingering() {
        var talk = Self.fresh()
        guard case .refuse(400, _) = talk.malformed(400, "no") else {
            Issue.record("not refused")
            return
        }
        #expect(talk.bytesArrived(999, areBlank: false) == false)
        #expect(talk.state == .lingering(bytesLeft: 1))
        #expect(talk.bytesArrived(1, areBlank: false) == false)
        #expect(talk.state == .closing)
    }

    @Test("a drain closes an idle connection and makes every other answer the last")
    func drain() {
        var idle = Self.fresh()
        #expect(idle.drain() == .close)
        var begun = Self.fresh()
        #expect(begun.bytesArrived(1, areBlank: false) == true)
        #expect(begun.drain() == .proceed)
        #expect(begun.head(Self.framing(), bytesMax: 0) == .proceed)
        #expect(begun.end() == .call)
        #expect(begun.answered(closes: false, hasMore: false) == .closes)
    }

    @Test(
        "framing",
        arguments: [
            ([], RequestFraming.BodyLength.none, nil),
            ([("Content-Length", "0")], .none, nil),
            ([("CONTENT-LENGTH", "12")], .bytes(12), nil),
            ([("Content-Length", "18446744073709551615")], .bytes(.max), nil),
            ([("Content-Length", "12 ")], .none, 400),
            ([("Content-Length", "+12")], .none, 400),
            ([("Content-Length", "0"), ("Transfer-Encoding", "chunked")], .none, 400),
            ([("Transfer-Encoding", "chunked"), ("Content-Length", "0")], .chunked, 400),
            ([("Content-Length", "1"), ("Content-Length", "1")], .bytes(1), 400),
            ([("Content-Length", "1"), ("Transfer-Encoding", "chunked")], .bytes(1), 400),
            ([("Transfer-Encoding", "gzip")], .none, 501),
            ([("Transfer-Encoding", "chunked")], .chunked, nil),
            ([("Expect", "something")], .none, 417),
        ] as [([(String, String)], RequestFraming.BodyLength, Int?)])
    func framings(
        headers: [(String, String)], length: RequestFraming.BodyLength, status: Int?
    ) {
        let framing = Self.framing(headers)
        #expect(framing.length == length)
        #expect(framing.refusal?.status == status)
    }
}

import NIOHTTP1
import Testing

@testable import SpoolServer

@Suite("The conversation while bodies are passed on, pure")
struct HTTPExchangeTests {
    private static func begun(
        _ headers: [(String, String)] = [("Content-Length", "5")],
        version: HTTPVersion = .http1_1
    ) -> HTTPConversation {
        var talk = HTTPConversation(lingerBytesMax: 1000)
        let head = HTTPRequestHead(
            version: version, method: .POST, uri: "/", headers: HTTPHeaders(headers))
        #expect(talk.headAhead(RequestFraming(head)) == .callAhead)
        return talk
    }

    @Test("a part is offered; nothing follows before it is taken")
    func parts() {
        var talk = Self.begun()
        #expect(!talk.isBusy)
        #expect(talk.patience == .read)
        #expect(talk.body(2) == .offer)
        #expect(talk.isBusy)
        // While the application holds it, the client owes nothing.
        #expect(talk.patience == .unlimited)
        talk.taken()
        #expect(!talk.isBusy)
        #expect(talk.end() == .offerEnd)
        #expect(talk.isBusy)
        #expect(talk.awaitsAnswer)
        #expect(talk.answered(closes: false, hasMore: false) == .keepsAlive)
        #expect(talk.state == .idle)
    }

    @Test("an unwanted body is thrown away and keeps the connection")
    func unwanted() {
        var talk = Self.begun()
        #expect(talk.body(1) == .offer)
        talk.unwanted()
        #expect(!talk.isBusy)
        #expect(talk.body(3) == .proceed)
        #expect(talk.end() == .proceed)
        #expect(talk.answerBegins(closes: false, isDelimited: true) == true)
        #expect(talk.answerEnds(hasMore: true) == .keepsAlive)
    }

    @Test("a streamed answer says whether it is the last, and keeps its word")
    func keepsAlive() {
        func keeps(
            _ talk: HTTPConversation, closes: Bool = false, isDelimited: Bool = true
        ) -> Bool? {
            var talk = talk
            return talk.answerBegins(closes: closes, isDelimited: isDelimited)
        }
        var complete = Self.begun([])
        #expect(complete.end() == .proceed)
        #expect(keeps(complete) == true)
        #expect(keeps(complete, closes: true) == false)
        #expect(keeps(complete, isDelimited: false) == false)
        // The request has not come to its end yet.
        #expect(keeps(Self.begun()) == false)
        var old = Self.begun([], version: .http1_0)
        #expect(old.end() == .proceed)
        #expect(keeps(old) == false)
        #expect(complete.drain() == .proceed)
        #expect(keeps(complete) == false)
    }

    @Test("an answer is begun once, and ends once")
    func once() {
        var talk = Self.begun([])
        #expect(talk.end() == .proceed)
        #expect(talk.answerEnds(hasMore: false) == nil)
        #expect(talk.answerBegins(closes: false, isDelimited: true) == true)
        #expect(!talk.awaitsAnswer)
        #expect(talk.answerBegins(closes: false, isDelimited: true) == nil)
        #expect(talk.answered(closes: false, hasMore: false) == nil)
        #expect(talk.answerEnds(hasMore: false) == .keepsAlive)
        #expect(talk.answerEnds(hasMore: false) == nil)
    }

    @Test("an answer that ends before its request lingers")
    func early() {
        var talk = Self.begun()
        #expect(talk.answerBegins(closes: false, isDelimited: true) == false)
        #expect(talk.answerEnds(hasMore: false) == .lingers)
        #expect(talk.state == .lingering(bytesLeft: 1000))
    }

    @Test("what goes wrong before the answer is refused, after its head there are no more words")
    func trouble() {
        var silent = Self.begun()
        guard case .refuse(408, _) = silent.timedOut() else {
            Issue.record("a request that pauses was not refused")
            return
        }
        var answering = Self.begun()
        #expect(answering.answerBegins(closes: false, isDelimited: true) == false)
        #expect(answering.timedOut() == .close)
        #expect(answering.state == .closing)
        var malformed = Self.begun()
        #expect(malformed.answerBegins(closes: false, isDelimited: true) == false)
        #expect(malformed.malformed(400, "no chunk") == .close)
    }

    @Test("a client that leaves the answer unread is not waited for without end")
    func stalls() {
        var talk = Self.begun([])
        #expect(talk.end() == .proceed)
        #expect(talk.answerBegins(closes: false, isDelimited: true) == true)
        #expect(talk.patience == .unlimited)
        talk.stalls(true)
        #expect(talk.patience == .idle)
        talk.stalls(false)
        #expect(talk.patience == .unlimited)
    }
}

internal import NIOHTTP1
internal import SpoolCore
internal import SpoolQueue
internal import SpoolSender
internal import SpoolServer

/// Dead letters on the control socket.
extension ControlAPI {
    func answerDead(
        _ path: String, _ body: [UInt8], _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let request: DeadRequest
        do throws(DeadRequest.Mistake) {
            request = try DeadRequest(body, identity: queue.identity, now: Process.now())
        } catch {
            return reply(.detail(status: 422, error.words))
        }
        switch path {
        case "/dead/list": list(request, reply)
        case "/dead/show": show(request, reply)
        case "/dead/replay": replay(request, reply)
        case "/dead/discard": discard(request, reply)
        default: resume(reply)
        }
    }

    private func list(
        _ request: DeadRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        let identity = queue.identity
        queue.listDead(request.filter, after: request.after, limit: request.limit) { page in
            guard let page else { return reply(Self.diskRefused) }
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("dead_letters")
            writer.beginArray()
            for letter in page.letters { letter.write(to: &writer) }
            writer.endArray()
            writer.key("next")
            if let last = page.last {
                writer.string(identity.id(.log, last))
            } else {
                writer.null()
            }
            writer.endObject()
            reply(HTTPAnswer(status: 200, body: writer.bytes))
        }
    }

    private func show(
        _ request: DeadRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        guard let sequence = request.filter.sequences?.first, request.filter.sequences?.count == 1
        else {
            return reply(.detail(status: 422, "Name one dead letter: {\"ids\": [\"data_…\"]}."))
        }
        queue.showDead(sequence) { answer in
            guard let answer else { return reply(Self.diskRefused) }
            guard let letter = answer else {
                return reply(
                    .detail(
                        status: 404,
                        "There is no dead letter of that id: it is queued again, delivered or discarded."
                    ))
            }
            var writer = JSONWriter()
            letter.write(to: &writer)
            reply(HTTPAnswer(status: 200, body: writer.bytes))
        }
    }

    private func replay(
        _ request: DeadRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        if request.isDryRun { return count(request, forReplay: true, reply) }
        let sender = sender
        queue.replayDead(request.filter) { tally in
            if let tally, tally.matched > 0 { sender.resume() }
            reply(Self.answer(tally, isDryRun: false))
        }
    }

    private func discard(
        _ request: DeadRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        if request.isDryRun { return count(request, forReplay: false, reply) }
        guard request.isFiltered || request.isAboutAll else {
            return reply(
                .detail(
                    status: 422,
                    "To discard every dead letter, say so: {\"all\": true}. It cannot be undone."))
        }
        queue.discardDead(request.filter) { reply(Self.answer($0, isDryRun: false)) }
    }

    private func count(
        _ request: DeadRequest, forReplay: Bool,
        _ reply: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        queue.countDead(request.filter, forReplay: forReplay) {
            reply(Self.answer($0, isDryRun: true))
        }
    }

    private func resume(_ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        sender.resume()
        reply(HTTPAnswer(status: 200, body: Array("{\"resumed\":true}".utf8)))
    }

    private static var diskRefused: HTTPAnswer {
        .detail(
            status: 503,
            "The spool's disk refused, or the daemon is stopping; what was not done is as it was. Ask again."
        )
    }

    private static func answer(_ tally: DeadTally?, isDryRun: Bool) -> HTTPAnswer {
        guard let tally else { return diskRefused }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("matched")
        writer.int(tally.matched)
        writer.key("left")
        writer.int(tally.left)
        writer.key("followed")
        writer.int(tally.followed)
        writer.key("dry_run")
        writer.bool(isDryRun)
        writer.endObject()
        return HTTPAnswer(status: 200, body: writer.bytes)
    }
}

extension DeadLetter {
    /// The letter as one JSON object; its body as it came, where it was asked for.
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        let texts: [(StaticString, String)] = [
            ("id", id), ("kind", "\(kind)"), ("project", project), ("reason", reason),
        ]
        for (name, text) in texts {
            writer.key(name)
            writer.string(text)
        }
        writer.key("status")
        if let status { writer.int(status) } else { writer.null() }
        writer.key("upstream_said")
        writer.string(words)
        writer.key("attempts")
        writer.int(attempts)
        for (name, time) in [("accepted_at", acceptedAt), ("died_at", diedAt)] {
            writer.key(name)
            writer.string(DateTime.text(time))
        }
        writer.key("bytes")
        writer.int(bodyBytes)
        if let body {
            writer.key("body")
            // A damaged one must not break the answer.
            if (try? body.withUnsafeBytes { try JSONScanner.validate($0) }) != nil {
                writer.raw(body)
            } else {
                writer.string(String(decoding: body, as: UTF8.self))
            }
        }
        writer.endObject()
    }
}

internal import NIOHTTP1
internal import SpoolCore
internal import SpoolQueue
internal import SpoolSender
internal import SpoolServer

/// What the operator may ask, on a socket of its own: whoever may log may not therefore look.
struct ControlAPI: HTTPApplication {
    let queue: EventQueue
    let sender: Sender
    let settings: DaemonSettings
    let listening: [String]

    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        guard let method = Self.methods[head.uri] else {
            let known = Self.methods.map { "\($1) \($0)" }.sorted().joined(separator: ", ")
            return .answer(.detail(status: 404, "The control socket answers \(known)."))
        }
        guard head.method == method else {
            return .answer(.detail(status: 405, "\(head.uri) is asked for with \(method)."))
        }
        return .read(bytesMax: 0)
    }

    private static let methods: [String: HTTPMethod] = ["/status": .GET, "/dead/replay": .POST]

    func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        request.path == "/status" ? status(reply) : replayDead(reply)
    }

    private func replayDead(_ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        queue.replayDead { count in
            guard let count else {
                return reply(
                    .detail(
                        status: 503,
                        "The spool's disk refused; what was not revived is still dead. Ask again."))
            }
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("replayed")
            writer.int(count)
            writer.endObject()
            reply(HTTPAnswer(status: 200, body: writer.bytes))
        }
    }

    private func status(_ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        let (sender, settings, listening) = (sender, settings, listening)
        queue.report { report in
            guard let report else {
                return reply(
                    .detail(
                        status: 503,
                        "The spool cannot be read now: its disk refuses, or the daemon is stopping."
                    ))
            }
            let status = StatusReport(
                queue: report, sender: sender.snapshot, settings: settings, listening: listening,
                now: Process.now())
            reply(HTTPAnswer(status: 200, body: status.json))
        }
    }
}

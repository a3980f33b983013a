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
        guard head.uri == "/status" else {
            return .answer(.detail(status: 404, "The control socket answers GET /status."))
        }
        guard head.method == .GET else {
            return .answer(.detail(status: 405, "The status is read with GET."))
        }
        return .read(bytesMax: 0)
    }

    func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
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

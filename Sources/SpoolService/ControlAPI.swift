internal import NIOCore
internal import NIOHTTP1
internal import SpoolCore
internal import SpoolQueue
internal import SpoolSender
internal import SpoolServer

/// What the operator may ask, on a socket of its own: whoever may log may not therefore look.
struct ControlAPI: HTTPApplication {
    let queue: EventQueue
    let condition: SpoolCondition
    let sender: Sender
    let doors: Doors
    let archive: ArchiveServer?
    let settings: DaemonSettings
    let listening: [String]

    /// What the ways in share.
    struct Doors: Sendable {
        /// Memory between socket and disk.
        let budget: ByteBudget
        /// Places for clients.
        let connections: ConnectionLimit
    }

    func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        guard let method = Self.methods[head.uri] else {
            let known = Self.methods.map { "\($1) \($0)" }.sorted().joined(separator: ", ")
            return .answer(.detail(status: 404, "The control socket answers \(known)."))
        }
        guard head.method == method else {
            return .answer(.detail(status: 405, "\(head.uri) is asked for with \(method)."))
        }
        return .read(bytesMax: method == .POST ? Self.bodyBytesMax : 0)
    }

    private static let methods: [String: HTTPMethod] = [
        "/status": .GET, "/dead/list": .POST, "/dead/show": .POST, "/dead/replay": .POST,
        "/dead/discard": .POST, "/dead/resume": .POST,
    ]

    /// Room for a filter of ten thousand ids.
    private static let bodyBytesMax = 1 << 20

    func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        if request.path == "/status" { return status(reply) }
        answerDead(request.path, Array(request.body.readableBytesView), reply)
    }

    private func status(_ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        let (settings, listening, doors, archive) = (settings, listening, doors, archive)
        let snapshot = sender.snapshot
        condition.read(about: snapshot.parkedLanes) { reading in
            guard var report = reading.report else {
                return reply(
                    .detail(status: 503, "The spool was never read: \(reading.trouble ?? "?")."))
            }
            // Of interest above all when the queue cannot be asked.
            report.freeDiskBytes = Process.freeBytes(at: settings.stateDirectory)
            let status = StatusReport(
                queue: report, age: reading.age, trouble: reading.trouble, sender: snapshot,
                settings: settings, doors: doors, archive: archive?.holdings,
                listening: listening, now: Process.now())
            reply(HTTPAnswer(status: 200, body: status.json))
        }
    }
}

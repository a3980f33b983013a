internal import Logging
internal import SpoolCore
internal import SpoolQueue
internal import SpoolSender
internal import Synchronization

/// Tells the log when upstream, an operation or a lane stops to take events, and when it takes them again.
///
/// Upstream's words may repeat what an app has logged, so that they are left to `status`: the log has the
/// status of an answer, or why there was none.
final class UpstreamNews: Sendable {
    private let sender: Sender
    private let condition: SpoolCondition
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var watch = TroubleWatch()
        /// Operation and project of every lane that was asked about, where they are known.
        var lanes: [Int64: QueueReport.LaneFacts?] = [:]
    }

    /// News of one sender.
    init(of sender: Sender, _ condition: SpoolCondition, _ logger: Logger) {
        self.sender = sender
        self.condition = condition
        self.logger = logger
    }

    /// Compares what is with what was, and logs what has changed. To be called every second or so.
    func look() {
        let snapshot = sender.snapshot
        let parked = snapshot.parkedLanes
        let unknown = state.withLock { state in
            state.lanes = state.lanes.filter { parked.contains($0.key) }
            return parked.filter { state.lanes[$0] == nil }
        }
        guard !unknown.isEmpty else { return tell(snapshot) }
        condition.read(about: unknown) { [self] reading in
            state.withLock { state in
                for lane in unknown { state.lanes[lane] = .some(reading.report?.lanes[lane]) }
            }
            tell(snapshot)
        }
    }

    private func tell(_ snapshot: SenderSnapshot) {
        let lines = state.withLock { state in
            state.watch.look(at: snapshot.troubles(in: state.lanes), now: .now)
        }
        for line in lines {
            logger.notice(
                line.isOver ? "delivering again" : "upstream takes no events",
                metadata: Logger.Metadata(
                    uniqueKeysWithValues: line.fields.map { ($0.key, "\($0.value)") }))
        }
    }
}

/// What to say of troubles that come, change and go: each at most once a minute.
struct TroubleWatch {
    typealias Instant = ContinuousClock.Instant

    /// One thing that does not go on.
    struct Trouble: Equatable {
        /// In one word: the same trouble with another reason is news.
        let why: String
        /// Where, and what is known about it.
        var fields: [String: String] = [:]
    }

    /// One line of the log.
    struct Line: Equatable {
        /// Whether it tells of an end.
        let isOver: Bool
        let fields: [String: String]
    }

    private struct Open {
        var trouble: Trouble
        let since: Instant
        /// The reason that was told last; nil: none yet.
        var told: String?
    }

    private struct Fact: Hashable {
        let scope: String
        let why: String
    }

    private var open: [String: Open] = [:]
    /// When each fact was told last.
    private var toldAt: [Fact: Instant] = [:]

    private static let pause = Duration.seconds(60)
    /// Troubles that are told of at a time: where a thousand projects are refused, `status` shows the rest.
    static let openMax = 100

    /// Takes all troubles there are now, by what they are about; returns what is to be logged.
    mutating func look(at troubles: [String: Trouble], now: Instant) -> [Line] {
        toldAt = toldAt.filter { now - $0.value < Self.pause }
        var lines: [Line] = []
        for scope in open.keys.sorted() where troubles[scope] == nil {
            guard let over = open.removeValue(forKey: scope), over.told != nil else { continue }
            var fields = over.trouble.fields.filter { ["operation", "project"].contains($0.key) }
            fields["after_seconds"] = "\((now - over.since).components.seconds)"
            lines.append(Line(isOver: true, fields: fields))
        }
        for (scope, trouble) in troubles.sorted(by: { $0.key < $1.key }) {
            guard open[scope] != nil || open.count < Self.openMax else { continue }
            var entry = open[scope] ?? Open(trouble: trouble, since: now)
            entry.trouble = trouble
            let fact = Fact(scope: scope, why: trouble.why)
            if entry.told != trouble.why, toldAt[fact] == nil {
                entry.told = trouble.why
                toldAt[fact] = now
                lines.append(
                    Line(
                        isOver: false,
                        fields: trouble.fields.merging(["why": trouble.why]) { $1 }))
            }
            open[scope] = entry
        }
        return lines
    }
}

extension SenderSnapshot {
    /// What does not go on, by its scope.
    fileprivate func troubles(
        in lanes: [Int64: QueueReport.LaneFacts?]
    ) -> [String: TroubleWatch.Trouble] {
        var troubles: [String: TroubleWatch.Trouble] = [:]
        if case .backingOff = health {
            troubles["destination"] = .init(why: "it fails", fields: trouble?.logged ?? [:])
        }
        for parked in parked {
            var fields = parked.said?.logged ?? [:]
            fields["advice"] = parked.park.advice
            let scope: String
            switch parked.scope {
            case .destination:
                scope = "destination"
            case .route(let route):
                scope = "operation \(route.rawValue)"
                fields["operation"] = route.logged
            case .lane(let id):
                scope = "lane \(id)"
                fields["operation"] = lanes[id]??.route.logged
                fields["project"] = lanes[id]??.project ?? "lane \(id)"
            }
            troubles[scope] = .init(why: parked.park.rawValue, fields: fields)
        }
        return troubles
    }
}

extension SenderSnapshot.Trouble {
    /// What the log may hold of it.
    fileprivate var logged: [String: String] {
        if let status { ["status": "\(status)"] } else { ["reason": words] }
    }
}

extension Route {
    fileprivate var logged: String { "\(method) \(path)" }
}

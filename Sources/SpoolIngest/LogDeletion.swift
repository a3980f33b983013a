import SpoolCore
import SpoolServer

/// `DELETE /logs`: what is still queued is discarded here, what upstream has is deleted there.
///
/// All or nothing, as far as two places allow it: nothing happens while one of the logs is on its
/// way, and the local part only after upstream has done its own.
struct LogDeletion {
    /// A log that is named by one of this spool's provisional ids, however often.
    private struct Ours {
        let id: String
        let sequence: EventSequence
    }

    /// What is done once it is known where the logs are.
    enum Decision {
        /// Nothing.
        case refuse(HTTPAnswer)
        /// Upstream deletes what this query names, if there is one, by these ids; then the others are
        /// discarded.
        case delete(query: String?, ids: [String], discarding: [EventSequence])
    }

    private let items: [QueryItem]
    private let ours: [Ours]

    /// The logs named in a query.
    ///
    /// - Throws: 422 when it names none: what upstream deletes then is documented nowhere.
    init(query: String?, _ identity: SpoolIdentity) throws(Refusal) {
        let loc: [Mistake.Step] = [.name("query"), .name("id")]
        items = QueryItem.items(in: query ?? "").filter { $0.name != "id" || $0.value != "" }
        let ids = items.filter { $0.name == "id" }
        guard !ids.isEmpty else {
            throw Refusal([
                Mistake(
                    loc: loc, message: "name the logs to delete: ?id=…&id=…", type: .missing)
            ])
        }
        guard !ids.contains(where: { $0.value == nil }) else {
            throw Refusal([
                Mistake(loc: loc, message: "percent-encode the id's UTF-8 bytes", type: .value)
            ])
        }
        var seen: Set<String> = []
        ours = ids.compactMap { item in
            guard let id = item.value, let sequence = identity.sequence(of: .log, in: id),
                seen.insert(id).inserted
            else { return nil }
            return Ours(id: id, sequence: sequence)
        }
    }

    /// The logs of this spool, about which the queue must be asked.
    var sequences: [EventSequence] { ours.map(\.sequence) }

    /// What is done, given the standing of each of ``sequences``.
    func decide(_ standings: [ProvisionalStanding]) -> Decision {
        precondition(standings.count == ours.count, "\(standings.count) of \(ours.count) known")
        var local: [EventSequence] = []
        var localIDs: Set<String> = []
        for (log, standing) in zip(ours, standings) {
            switch standing {
            case .queued(let event) where event.isInFlight:
                return .refuse(.logIsOnItsWay)
            case .queued:
                local.append(log.sequence)
                localIDs.insert(log.id)
            case .upstream:
                continue
            case .failing:
                return .refuse(.spoolIsFailing)
            case .dead, .unknown:
                return .refuse(.noSuchLog(log.id, standing, consequence: "; nothing was deleted"))
            }
        }
        let rest = items.filter { item in
            item.name != "id" || item.value.map { !localIDs.contains($0) } ?? true
        }
        let query = rest.map(\.text).joined(separator: "&")
        let ids = rest.filter { $0.name == "id" }.compactMap(\.value)
        return .delete(query: ids.isEmpty ? nil : query, ids: ids, discarding: local)
    }
}

extension HTTPAnswer {
    /// 503: the disk does not say where a log is.
    static var spoolIsFailing: HTTPAnswer {
        .unavailable(
            "the spool's disk refuses, nothing was done; try again. `loopspool status` tells the "
                + "operator more")
    }

    /// 503: it may be on its way upstream, and will soon have arrived or not.
    static var logIsOnItsWay: HTTPAnswer {
        .unavailable(
            "one of the logs is on its way upstream, nothing was deleted; try again in a moment")
    }

    /// 404: a provisional id of this spool stands for nothing that could be shown.
    static func noSuchLog(
        _ id: String, _ standing: ProvisionalStanding, consequence: String = ""
    ) -> HTTPAnswer {
        if case .dead(let reason) = standing {
            return .detail(
                status: 404,
                "log \(id) was not delivered and is among the dead letters (\(reason))"
                    + "\(consequence); `loopspool dead` shows it to the operator")
        }
        return .detail(
            status: 404,
            "log \(id) is not known here: it was deleted, or delivered so long ago that its id is "
                + "forgotten\(consequence)")
    }
}

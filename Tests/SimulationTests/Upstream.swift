import SpoolCore
import SpoolTestKit

/// A server of the v4 API as a history needs it: it remembers what it applied, and how often.
///
/// Strict where the real one may be: what names something that is not there is refused. It tells events
/// apart by their member `n`, which every event of a history carries and no daemon reads.
struct Upstream {
    /// How it differs from other upstreams.
    struct Rules {
        /// Body bytes above which the answer is 413; nil: none.
        var bodyBytesMax: Int?
        /// What an empty update is answered.
        var asking = Asking.truthful
        /// Which of several bad elements a 422 names.
        var complaint = Complaint.first
        /// Whether what an effect names and is not there is a 404, and not a 422.
        var isMissing404 = true
        /// Whether a log's parent and session must be there.
        var checksParents = true

        /// What an empty update of a reference is answered.
        enum Asking {
            case truthful, alwaysFound, neverFound
            /// Each question is a 405, and each a 500.
            case refused, failing
            /// A question about a log that is not there is a 422.
            case refusesUnknown

            /// Whether it says anything about the log.
            var isAnswered: Bool { self != .refused && self != .failing }
        }

        /// Which of several bad elements a 422 names.
        enum Complaint: CaseIterable { case first, all, none }

        /// The strict, truthful one.
        init() {}

        /// Any of them, the truthful ones most often.
        init(using random: inout SeededRandom) {
            bodyBytesMax = [nil, nil, 700, 1500].randomElement(using: &random) ?? nil
            if Int.random(in: 0..<4, using: &random) == 0 {
                asking =
                    [.truthful, .alwaysFound, .neverFound, .refused, .failing]
                    .randomElement(using: &random) ?? .truthful
            } else {
                // Not drawn from `random` itself, whose later draws the kept seeds stand for.
                var aside = random
                if Int.random(in: 0..<12, using: &aside) == 0 { asking = .refusesUnknown }
            }
            complaint = Complaint.allCases.randomElement(using: &random) ?? .first
            isMissing404 = Bool.random(using: &random)
            checksParents = Bool.random(using: &random)
        }
    }

    /// A log upstream has.
    struct StoredLog {
        /// What upstream calls it.
        let id: String
        /// What its sender calls it.
        let reference: String?
        /// As its sender wrote it.
        let createdAt: String?
        /// Which event made it; nil: another host's.
        let event: Int?
        /// The session it belongs to.
        let session: String?
    }

    /// One application of an event.
    struct Application {
        /// The event's number, 0 for a session, which carries none.
        let event: Int
        /// The id it was given.
        let id: String
        /// The log an effect was applied to.
        let log: StoredLog?
    }

    /// What it never does wrong.
    let rules: Rules
    /// Everything that was applied, in order.
    private(set) var applied: [Application] = []
    private var logs: [String: StoredLog] = [:]
    private var idsByReference: [String: [String]] = [:]
    private var sessions: Set<String> = []
    private var sessionsByReference: [String: String] = [:]

    /// An upstream on which other hosts have logged.
    init(_ rules: Rules) {
        self.rules = rules
    }

    /// Another host logs something.
    mutating func logElsewhere(_ reference: String) {
        store(
            StoredLog(
                id: "data_\(reference)", reference: reference, createdAt: nil, event: nil,
                session: nil))
    }

    /// Applies a request, or refuses it, as it should.
    mutating func handle(_ request: Exchange) -> UpstreamAnswer {
        if let refusal = refusal(of: request) { return refusal }
        let answers = request.elements.map { apply($0, of: request) }
        return Self.answer(
            200, request.isArray ? "[\(answers.joined(separator: ","))]" : answers[0])
    }

    /// Applies the first elements of an array, although the answer will be a refusal.
    mutating func handlePart(of request: Exchange) {
        guard request.isArray, refusal(of: request) == nil else { return }
        for element in request.elements.prefix(request.elements.count / 2) {
            _ = apply(element, of: request)
        }
    }

    // MARK: Refusing

    private func refusal(of request: Exchange) -> UpstreamAnswer? {
        if let limit = rules.bodyBytesMax, request.size > limit { return Self.answer(413, "") }
        if request.isQuestion { return answer(toQuestionAbout: request.reference ?? "") }
        var bad: [(place: Int, key: String)] = []
        for (place, element) in request.elements.enumerated() {
            if let key = fault(of: element, in: request) { bad.append((place, key)) }
        }
        guard let first = bad.first else { return nil }
        let namesTarget = ["data_id", "log_id", "id", "reference_id"].contains(first.key)
        if namesTarget, rules.isMissing404 || request.route == .patchLog {
            return Self.answer(404, "")
        }
        if request.route == .patchLogByReference, namesTarget { return Self.answer(404, "") }
        return complaint(about: bad, in: request)
    }

    private func answer(toQuestionAbout reference: String) -> UpstreamAnswer {
        let found = idsByReference[reference]?.last.flatMap { logs[$0] }
        switch (rules.asking, found) {
        case (.refused, _): return Self.answer(405, "")
        case (.failing, _): return Self.answer(500, "")
        case (.neverFound, _), (.truthful, nil): return Self.answer(404, "")
        case (.refusesUnknown, nil): return Self.answer(422, "")
        case (.alwaysFound, nil):
            return Self.answer(200, #"{"id":"data_madeup","reference_id":"\#(reference)"}"#)
        case (_, let log?):
            let time = log.createdAt.map { #","created_at":"\#($0)""# } ?? ""
            let session = log.session.map { #","session_id":"\#($0)""# } ?? ""
            return Self.answer(
                200, #"{"id":"\#(log.id)","reference_id":"\#(reference)"\#(time)\#(session)}"#)
        }
    }

    /// The member that is wrong with an element.
    private func fault(of element: Exchange.Element, in request: Exchange) -> String? {
        let json = element.json
        if json["poison"] != nil { return "poison" }
        switch request.route {
        case .postLogs, .postEvaluationLog:
            guard rules.checksParents else { return nil }
            if let parent = json["parent_id"]?.stringValue, logs[parent] == nil {
                return "parent_id"
            }
            if let parent = json["parent_reference_id"]?.stringValue, idsByReference[parent] == nil
            {
                return "parent_reference_id"
            }
            if let session = json["session_id"]?.stringValue, !sessions.contains(session) {
                return "session_id"
            }
            return nil
        case .postFeedback: return isKnown(json["data_id"]) ? nil : "data_id"
        case .postEvaluationResult: return isKnown(json["log_id"]) ? nil : "log_id"
        case .patchLog: return logs[request.logID ?? ""] == nil ? "id" : nil
        case .patchLogByReference:
            return idsByReference[request.reference ?? ""] == nil ? "reference_id" : nil
        case .postSession: return nil
        }
    }

    private func isKnown(_ id: JSONValue?) -> Bool {
        id?.stringValue.map { logs[$0] != nil } ?? false
    }

    private func complaint(
        about bad: [(place: Int, key: String)], in request: Exchange
    ) -> UpstreamAnswer {
        let named =
            switch rules.complaint {
            case .first: Array(bad.prefix(1))
            case .all: bad
            case .none: request.elements.count == 1 ? bad : []
            }
        let items = named.map { item in
            let place = request.isArray ? "\(item.place)," : ""
            return #"{"loc":["body",\#(place)"\#(item.key)"],"msg":"bad","type":"value_error"}"#
        }
        let vague = #"{"loc":["body"],"msg":"bad","type":"value_error"}"#
        let detail = items.isEmpty ? vague : items.joined(separator: ",")
        return Self.answer(422, #"{"detail":[\#(detail)]}"#)
    }

    // MARK: Applying

    private mutating func apply(_ element: Exchange.Element, of request: Exchange) -> String {
        let json = element.json
        let id: String
        var log: StoredLog?
        var more = ""
        var inner: String?
        switch request.route {
        case .postLogs, .postEvaluationLog:
            id = "data_u\(applied.count)"
            more = #","project_id":"pr_\#(json["project"]?.stringValue ?? "x")""#
            if let name = json["session_reference_id"]?.stringValue {
                let session = sessionsByReference[name] ?? "sesh_u\(applied.count)"
                sessionsByReference[name] = session
                sessions.insert(session)
                more += #","session_id":"\#(session)""#
                inner = session
            }
            store(
                StoredLog(
                    id: id, reference: json["reference_id"]?.stringValue,
                    createdAt: json["created_at"]?.stringValue, event: element.event,
                    session: inner))
        case .postSession:
            id = "sesh_u\(applied.count)"
            sessions.insert(id)
        case .postFeedback:
            id = "ann_u\(applied.count)"
            log = json["data_id"]?.stringValue.flatMap { logs[$0] }
        case .postEvaluationResult:
            id = "evres_u\(applied.count)"
            log = json["log_id"]?.stringValue.flatMap { logs[$0] }
        case .patchLog:
            log = logs[request.logID ?? ""]
            id = log?.id ?? ""
        case .patchLogByReference:
            log = idsByReference[request.reference ?? ""]?.last.flatMap { logs[$0] }
            id = log?.id ?? ""
        }
        applied.append(Application(event: element.event ?? 0, id: id, log: log))
        return #"{"id":"\#(id)"\#(more)}"#
    }

    private mutating func store(_ log: StoredLog) {
        logs[log.id] = log
        if let reference = log.reference { idsByReference[reference, default: []].append(log.id) }
    }

    /// An answer with a text for its body.
    static func answer(_ status: Int, _ body: String, retryAfter: String? = nil) -> UpstreamAnswer {
        UpstreamAnswer(status: status, retryAfter: retryAfter, body: Array(body.utf8))
    }
}

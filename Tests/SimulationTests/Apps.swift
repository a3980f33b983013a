import SpoolCore
import SpoolTestKit

/// An event as an app makes it.
struct AppEvent {
    /// Tells it apart at upstream; its body's member `n`.
    let number: Int
    /// What it is.
    let kind: EventKind
    /// The name a log was given by its app.
    var reference: String?
    /// What it names.
    var causes: [Name] = []
    /// The project of a log, and the name of its session.
    var project = "a"
    var session: String?
    /// The line of the event stream that holds it; nil: a session, which has none.
    var line: String?
    /// Whether upstream will refuse it for good.
    var isPoison = false

    /// How an event names another.
    enum Name: Hashable {
        case reference(String)
        /// By a provisional id.
        case log(EventSequence)
        case session(EventSequence)
        /// By an id of upstream's own.
        case upstream(String)
    }
}

/// The apps of a history: what they log, and what they remember of the answers.
struct Apps {
    /// An event an app had an answer about.
    private struct Known {
        let kind: EventKind
        let sequence: EventSequence
        let reference: String?
        let session: EventSequence?
    }

    /// Events made so far.
    private(set) var count = 0
    private var names: [String] = []
    private var known: [Known] = []
    private var repeatable: [AppEvent] = []
    private let identity: SpoolIdentity
    private let logBytesMax: Int?

    /// Apps of one spool that sometimes log more than upstream takes.
    init(identity: SpoolIdentity, logBytesMax: Int?) {
        self.identity = identity
        self.logBytesMax = logBytesMax
    }

    /// An answer came: the events are accepted under these sequences.
    mutating func learn(
        _ events: [AppEvent], _ sequences: [EventSequence], sessions: [EventSequence?]
    ) {
        for (place, event) in events.enumerated() {
            let session = event.kind == .session ? sequences[place] : sessions[place]
            known.append(
                Known(
                    kind: event.kind, sequence: sequences[place], reference: event.reference,
                    session: session))
            if event.kind == .log, event.reference != nil { repeatable.append(event) }
        }
    }

    /// The logs an app may want to delete.
    var logs: [EventSequence] { known.filter(\.kind.isLog).map(\.sequence) }

    /// The next request: some events, or one that an app sent before.
    mutating func submission(
        upstreamIDs: [String], using random: inout SeededRandom
    ) -> [AppEvent] {
        if Int.random(in: 0..<12, using: &random) == 0,
            let event = repeatable.randomElement(using: &random)
        {
            return [event]
        }
        return (0..<Int.random(in: 1...6, using: &random)).map { _ in
            event(upstreamIDs: upstreamIDs, using: &random)
        }
    }

    /// Whether the last submission of a history was made.
    private(set) var areDone = false

    /// One event for each operation that makes logs, with nothing wrong about it.
    mutating func healthySubmission() -> [AppEvent] {
        areDone = true
        return [EventKind.log, .evaluationLog].map { kind in
            count += 1
            var event = AppEvent(number: count, kind: kind)
            let log = #"{"n":\#(count),"project":"a"}"#
            event.line =
                kind == .log
                ? #"{"log":\#(log)}"#
                : #"{"evaluation_log":{"evaluation_id":"ev_1","datapoint_id":"d","log":\#(log)}}"#
            return event
        }
    }

    private mutating func event(
        upstreamIDs: [String], using random: inout SeededRandom
    ) -> AppEvent {
        count += 1
        let isPoison = Int.random(in: 0..<25, using: &random) == 0
        let choice = Int.random(in: 0..<100, using: &random)
        switch choice {
        case ..<50: return log(.log, isPoison: isPoison, using: &random)
        case ..<56: return AppEvent(number: count, kind: .session)
        case ..<62: return log(.evaluationLog, isPoison: isPoison, using: &random)
        default:
            let kind: EventKind =
                choice < 76 ? .update : choice < 90 ? .feedback : .evaluationResult
            return effect(kind, upstreamIDs: upstreamIDs, isPoison: isPoison, using: &random)
        }
    }

    // MARK: Logs

    private mutating func log(
        _ kind: EventKind, isPoison: Bool, using random: inout SeededRandom
    ) -> AppEvent {
        var event = AppEvent(number: count, kind: kind)
        event.isPoison = isPoison
        event.project = ["a", "b", "c"].randomElement(using: &random) ?? "a"
        var members = [#""n":\#(count)"#, #""project":"\#(event.project)""#]
        switch Int.random(in: 0..<20, using: &random) {
        case ..<5: break
        case 5 where !names.isEmpty:
            // A name that another log has too, with other bytes.
            event.reference = names.randomElement(using: &random)
        default:
            event.reference = "r\(names.count)"
            names.append("r\(names.count)")
        }
        if let reference = event.reference { members.append(#""reference_id":"\#(reference)""#) }
        name(parentOf: &event, in: &members, using: &random)
        name(sessionOf: &event, in: &members, using: &random)
        if isPoison { members.append(#""poison":1"#) }
        var output = Int.random(in: 0...40, using: &random)
        if let logBytesMax, Int.random(in: 0..<12, using: &random) == 0 { output = logBytesMax }
        members.append(#""output":"\#(String(repeating: "x", count: output))""#)
        let log = "{\(members.joined(separator: ","))}"
        event.line =
            kind == .log
            ? #"{"log":\#(log)}"#
            : #"{"evaluation_log":{"evaluation_id":"ev_1","datapoint_id":"d","log":\#(log)}}"#
        return event
    }

    private func name(
        parentOf event: inout AppEvent, in members: inout [String], using random: inout SeededRandom
    ) {
        switch Int.random(in: 0..<10, using: &random) {
        case 0...1:
            guard let parent = known.filter(\.kind.isLog).randomElement(using: &random) else {
                return
            }
            event.causes.append(.log(parent.sequence))
            members.append(#""parent_id":"\#(identity.id(.log, parent.sequence))""#)
        case 2...3:
            let parent = anyName(using: &random)
            guard parent != event.reference else { return }
            event.causes.append(.reference(parent))
            members.append(#""parent_reference_id":"\#(parent)""#)
        default: break
        }
    }

    private func name(
        sessionOf event: inout AppEvent, in members: inout [String],
        using random: inout SeededRandom
    ) {
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            let sessions = known.compactMap(\.session)
            guard let session = sessions.randomElement(using: &random) else { return }
            event.causes.append(.session(session))
            members.append(#""session_id":"\#(identity.id(.session, session))""#)
        case 1:
            let name = "s\(Int.random(in: 0..<3, using: &random))"
            event.session = name
            members.append(#""session_reference_id":"\#(name)""#)
        default: break
        }
    }

    /// The name of a log: of one that was sent, of one to come, of another host's, or of none.
    private func anyName(using random: inout SeededRandom) -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: "r\(names.count + Int.random(in: 0...3, using: &random))"
        case 1: ["x0", "x1", "never"].randomElement(using: &random) ?? "never"
        default: names.randomElement(using: &random) ?? "r0"
        }
    }

    // MARK: Effects

    private mutating func effect(
        _ kind: EventKind, upstreamIDs: [String], isPoison: Bool, using random: inout SeededRandom
    ) -> AppEvent {
        var event = AppEvent(number: count, kind: kind)
        event.isPoison = isPoison
        let idKey = kind == .update ? "id" : kind == .feedback ? "data_id" : "log_id"
        let target: String
        let log = known.filter(\.kind.isLog).randomElement(using: &random)
        switch (
            Int.random(in: 0..<10, using: &random), log, upstreamIDs.randomElement(using: &random)
        ) {
        case (..<5, let log?, _):
            event.causes = [.log(log.sequence)]
            target = #""\#(idKey)":"\#(identity.id(.log, log.sequence))""#
        case (5, _, let id?):
            event.causes = [.upstream(id)]
            target = #""\#(idKey)":"\#(id)""#
        default:
            let name = anyName(using: &random)
            event.causes = [.reference(name)]
            target = #""reference_id":"\#(name)""#
        }
        let poison = isPoison ? #","poison":1"# : ""
        let common = #""n":\#(count),\#(target)\#(poison)"#
        switch kind {
        case .update: event.line = #"{"update":{\#(common),"output":"new"}}"#
        case .feedback: event.line = #"{"feedback":{\#(common),"type":"rating","value":"good"}}"#
        default:
            event.line =
                #"{"evaluation_result":{\#(common),"evaluation_id":"ev_1","evaluator_id":"e","result":true}}"#
        }
        return event
    }
}

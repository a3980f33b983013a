import SpoolCore
import SpoolQueue

/// What the operator asks about dead letters, as the control socket takes it:
/// `{"ids": [...], "project": "...", "reason": "...", "older_than_seconds": 60, "after": "...", "limit": 100,
/// "dry_run": true, "all": true}`; every member may be absent.
struct DeadRequest {
    var filter = DeadFilter()
    /// A list begins after this one.
    var after: EventSequence?
    /// A page has at most so many.
    var limit = DeadRequest.limitMax
    /// Whether nothing is to be changed.
    var isDryRun = false
    /// Whether a request without any condition means every dead letter.
    var isAboutAll = false

    /// Letters of one page at most.
    static let limitMax = 500
    /// Ids that one request may name.
    static let idsMax = 10_000

    /// Whether it names any condition.
    var isFiltered: Bool { filter != DeadFilter() }

    /// Why a request cannot be understood.
    struct Mistake: Error {
        let words: String
    }

    /// Reads a body; an empty one asks about every dead letter.
    init(_ body: [UInt8], identity: SpoolIdentity, now: Timestamp) throws(Mistake) {
        guard !body.isEmpty else { return }
        guard let json = try? JSONValue(parsing: body), let members = json.members else {
            throw Mistake(words: "The body is not a JSON object.")
        }
        for (name, value) in members where !value.isNull {
            switch name {
            case "ids": filter.sequences = try Self.sequences(value, identity)
            case "project": filter.project = try Self.text(value, name)
            case "reason": filter.reason = try Self.reason(value)
            case "older_than_seconds":
                let seconds = try Self.number(value, name, 0...Self.secondsMax)
                filter.diedBefore = now + .seconds(-seconds)
            case "after": after = try Self.sequence(value, identity)
            case "limit": limit = try Self.number(value, name, 1...Self.limitMax)
            case "dry_run": isDryRun = try Self.flag(value, name)
            case "all": isAboutAll = try Self.flag(value, name)
            default: throw Mistake(words: "'\(name)' is not a member this request has.")
            }
        }
    }

    private static let secondsMax = 100 * 365 * 86_400

    /// The sequence of a dead letter's id, whatever its kind.
    static func sequence(of id: String, _ identity: SpoolIdentity) -> EventSequence? {
        for thing in [SpoolIdentity.Thing.log, .feedback, .session] {
            if let sequence = identity.sequence(of: thing, in: id) { return sequence }
        }
        return nil
    }

    private static func sequences(
        _ value: JSONValue, _ identity: SpoolIdentity
    ) throws(Mistake) -> Set<EventSequence> {
        guard let ids = value.elements, (1...idsMax).contains(ids.count) else {
            throw Mistake(words: "'ids' is an array of 1 to \(idsMax) ids.")
        }
        var sequences: Set<EventSequence> = []
        for id in ids { sequences.insert(try sequence(id, identity)) }
        return sequences
    }

    private static func sequence(
        _ value: JSONValue, _ identity: SpoolIdentity
    ) throws(Mistake) -> EventSequence {
        guard let id = value.stringValue, let sequence = sequence(of: id, identity) else {
            let shown = value.stringValue.map { "'\($0)' is" } ?? "That is"
            throw Mistake(
                words: "\(shown) not an id of this spool: take one from 'loopspool dead list'.")
        }
        return sequence
    }

    private static func reason(_ value: JSONValue) throws(Mistake) -> DeadLetterReason {
        let name = value.stringValue?.replacing("-", with: " ")
        guard let reason = name.flatMap(DeadLetterReason.init(rawValue:)) else {
            let known = DeadLetterReason.allCases.map { $0.rawValue.replacing(" ", with: "-") }
            throw Mistake(words: "A reason is one of \(known.joined(separator: ", ")).")
        }
        return reason
    }

    private static func text(_ value: JSONValue, _ name: String) throws(Mistake) -> String {
        guard let text = value.stringValue, !text.isEmpty else {
            throw Mistake(words: "'\(name)' is a text.")
        }
        return text
    }

    private static func number(
        _ value: JSONValue, _ name: String, _ range: ClosedRange<Int>
    ) throws(Mistake) -> Int {
        guard let number = value.intValue, range.contains(number) else {
            throw Mistake(
                words: "'\(name)' is a number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    private static func flag(_ value: JSONValue, _ name: String) throws(Mistake) -> Bool {
        guard let flag = value.boolValue else {
            throw Mistake(words: "'\(name)' is true or false.")
        }
        return flag
    }
}

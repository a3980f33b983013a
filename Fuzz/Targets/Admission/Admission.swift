import FuzzKit
import SpoolCore
import SpoolTestKit

/// A body is refused whole and leaves nothing behind, or every event of it is JSON that the door
/// accepts again without adding to it, with the caller's members unchanged and an answer that is
/// JSON.
@main
enum Admission {
    static func main() {
        Fuzzer.run { input in
            var choices = Choices(input)
            let kind = choices.one(of: Door.Kind.allCases)
            let bits = choices.byte()
            let project = bits & 1 == 0 ? nil : "home"
            let door = Door(defaultProject: project, bits & 2 == 0 ? .lenient : .strict)
            let body = choices.text
            let verdict = door.accept(kind, body)
            switch verdict {
            case .failure(let refusal): checkRefusal(refusal, kind, body)
            case .success(let accepted):
                checkAccepted(accepted, kind, body, door)
                checkLenient(accepted, kind, body, Door(defaultProject: project, .lenient))
            }
            checkLine(verdict, kind, body, door)
        }
    }

    private static func checkRefusal(_ refusal: Refusal, _ kind: Door.Kind, _ body: [UInt8]) {
        let detail = (try? JSONValue(parsing: refusal.body))?["detail"]
        let isJSON = (try? JSONValue(parsing: body, depthMax: Limits.jsonDepthMax)) != nil
        switch refusal.status {
        case 400:
            require(detail?.stringValue?.isEmpty == false, shown(refusal.body))
            require(!isJSON, "JSON was refused as none: \(shown(body))")
        case 422:
            let count = detail?.elements?.count ?? 0
            require((1...Mistake.listedMax).contains(count), "\(count) mistakes")
            let isDeeper = (try? JSONValue(parsing: body, depthMax: 65)) != nil
            require(isJSON || isDeeper, "no JSON, but read: \(shown(body))")
        default: require(false, "status \(refusal.status)")
        }
    }

    private static func checkAccepted(
        _ accepted: Door.Accepted, _ kind: Door.Kind, _ body: [UInt8], _ door: Door
    ) {
        let submission = accepted.submission
        checkDrafts(submission)
        let answer = try? JSONValue(parsing: accepted.answer(door.identity))
        let tree = try? JSONValue(parsing: body, depthMax: 65)
        if let sources = tree?.elements {
            require(answer?.elements?.count == sources.count, "answers to \(sources.count)")
            require(submission.events.count == sources.count, "events of \(sources.count)")
        } else {
            require(answer?["id"]?.stringValue?.isEmpty == false, "an answer without an id")
            require(submission.events.count == 1, "\(submission.events.count) events of one")
        }
        guard kind != .session else { return }
        for (index, event) in submission.events.enumerated() {
            let source = tree?.elements.map { $0[index] } ?? tree
            let bytes = Array(submission.bytes[event.body])
            guard let source, let members = source.members else {
                return require(false, "event \(index) came from no object")
            }
            checkMembers(of: bytes, event, source: members)
            checkAgain(bytes, event, kind, door)
            checkSwaps(bytes, event, kind, door)
        }
    }

    /// What the strict door accepts, the lenient one makes the same of.
    private static func checkLenient(
        _ accepted: Door.Accepted, _ kind: Door.Kind, _ body: [UInt8], _ lenient: Door
    ) {
        guard case .success(let other) = lenient.accept(kind, body) else {
            return require(false, "only the strict door accepts \(shown(body))")
        }
        let same = accepted.submission.bytes == other.submission.bytes
        require(same, "the doors differ on \(shown(body))")
    }

    /// Everything of an event lies inside the submission, and bodies follow each other.
    private static func checkDrafts(_ submission: Submission) {
        var end = 0
        for event in submission.events {
            require(event.body.lowerBound >= end, "\(event.body) begins before \(end)")
            end = max(event.body.upperBound, event.address?.upperBound ?? 0)
            require(end <= submission.bytes.count, "\(end) of \(submission.bytes.count) bytes")
            if let project = event.project {
                require(submission.projects.indices.contains(project), "project \(project)")
            }
            require(Set(event.causes).count == event.causes.count, "causes \(event.causes)")
            require(!event.kind.isLog || event.reference != nil, "a log without a reference")
            require(
                event.digest == nil || !event.referenceIsMinted, "a minted log has a digest")
            require(!event.holdsProvisionalID || !event.causes.isEmpty, "an id and no cause")
        }
    }

    private static let stamps = ["reference_id", "created_at", "project"]

    /// A body has the caller's members in their order; only absent ones and nulls were stamped.
    private static func checkMembers(
        of body: [UInt8], _ event: EventDraft, source: [(String, JSONValue)]
    ) {
        guard let members = (try? JSONValue(parsing: body))?.members else {
            return require(false, "no object: \(shown(body))")
        }
        if event.kind == .evaluationLog {
            // The stamps went into the log inside.
            let (inner, given) = (log(in: members), log(in: source))
            require(inner.count >= given.count, "members are missing: \(shown(body))")
            return checkStamped(inner, given, body)
        }
        checkStamped(members, source, body)
    }

    private static func log(in members: [(String, JSONValue)]) -> [(String, JSONValue)] {
        members.first { $0.0 == "log" }?.1.members ?? []
    }

    private static func checkStamped(
        _ members: [(String, JSONValue)], _ source: [(String, JSONValue)], _ body: [UInt8]
    ) {
        let kept = members.filter { !stamps.contains($0.0) }
        let given = source.filter { !stamps.contains($0.0) }
        require(
            JSONValue.object(kept) == JSONValue.object(given), "members changed: \(shown(body))")
        for name in stamps {
            let before = source.filter { $0.0 == name }
            let after = members.filter { $0.0 == name }
            require(after.count <= max(1, before.count), "\(name) twice: \(shown(body))")
            guard let value = before.last?.1, !value.isNull else { continue }
            require(after.last?.1 == value, "\(name) changed: \(shown(body))")
        }
    }

    /// What is stamped needs no stamp: a second pass accepts it and copies it byte by byte.
    private static func checkAgain(
        _ body: [UInt8], _ event: EventDraft, _ kind: Door.Kind, _ door: Door
    ) {
        guard case .success(let again) = door.accept(kind, body) else {
            return require(false, "refused at the second time: \(shown(body))")
        }
        let second = again.submission
        require(
            second.events.count == 1 && Array(second.bytes[second.events[0].body]) == body,
            "\(shown(body)) became \(shown(second.bytes))")
        let draft = second.events[0]
        require(draft.reference == event.reference, "another reference: \(shown(body))")
        require(draft.causes == event.causes, "other causes: \(shown(body))")
        require(draft.sessionReference == event.sessionReference, "another session")
        require(!draft.referenceIsMinted, "minted again: \(shown(body))")
    }

    /// Upstream's ids go in where provisional ids or a reference stand, and nowhere else.
    private static func checkSwaps(
        _ body: [UInt8], _ event: EventDraft, _ kind: Door.Kind, _ door: Door
    ) {
        var swapped = door.swapped(body, event.kind) { _, _ in "up\"1" }
        require(
            (swapped != body) == (event.holdsProvisionalID && kind != .updateByID),
            "\(shown(body)) became \(shown(swapped))")
        require(
            door.swapped(body, event.kind) { _, _ in nil } == body, "changed without an id")
        require(
            door.swapped(swapped, event.kind) { _, _ in "again" } == swapped,
            "an id is left: \(shown(swapped))")
        if event.namesLogByReference { swapped = door.named(swapped, event.kind) }
        guard let tree = try? JSONValue(parsing: swapped), let members = tree.members else {
            return require(false, "no object any more: \(shown(swapped))")
        }
        if event.namesLogByReference {
            let key = event.kind == .feedback ? "data_id" : "log_id"
            require(!members.contains { $0.0 == "reference_id" }, shown(swapped))
            require(members.filter { $0.0 == key }.map(\.1) == [.string("up\"2")], shown(swapped))
        }
        guard case .success = door.accept(kind, swapped) else {
            return require(false, "refused after the swap: \(shown(swapped))")
        }
    }

    /// The stream's door takes what the request's door takes, and makes the same of it.
    private static func checkLine(
        _ verdict: Result<Door.Accepted, Refusal>, _ kind: Door.Kind, _ body: [UInt8],
        _ door: Door
    ) {
        guard kind == .log || kind == .feedback, body.first == UInt8(ascii: "{"),
            !body.contains(UInt8(ascii: "\n"))
        else { return }
        var submission = Submission(caller: "uid:1")
        let line = Array("{\"\(kind.rawValue)\":".utf8) + body + [UInt8(ascii: "}")]
        // Two bodies side by side are one too many for a request, and none of them a line.
        if case .failure(let refusal) = verdict, refusal.status == 400 { return }
        let refusal = line.withUnsafeBytes { door.decoder.decodeLine($0, into: &submission) }
        switch verdict {
        case .success(let accepted):
            require(refusal == nil, "the stream refuses \(shown(line))")
            let (one, other) = (accepted.submission, submission)
            require(one.events.map(\.body.count) == other.events.map(\.body.count), shown(line))
            require(one.events.map(\.causes) == other.events.map(\.causes), shown(line))
            require(one.projects.dropFirst().elementsEqual(other.projects), "\(other.projects)")
        case .failure: require(refusal != nil, "the stream accepts \(shown(line))")
        }
    }
}

import SpoolCore
import SpoolTestKit

/// Random submissions: logs with parents, updates and feedback, small bodies and large ones.
enum PowerCutEvents {
    static func submission(
        _ count: Int, identity: SpoolIdentity, using random: inout SeededRandom
    ) -> Submission {
        var submission = Submission(caller: "tcp")
        for _ in 0..<count { add(to: &submission, identity, &random) }
        return submission
    }

    private static func add(
        to submission: inout Submission, _ identity: SpoolIdentity, _ random: inout SeededRandom
    ) {
        let kind: EventKind = [.log, .log, .log, .update, .feedback].randomElement(using: &random)!
        let name = "r\(Int.random(in: 0..<40, using: &random))"
        let key = identity.key(of: name, named: .reference)
        // Some bodies fill pages of their own.
        let size = Int.random(in: 0..<8, using: &random) == 0 ? 20_000 : 300
        var draft = EventDraft(kind: kind, body: 0..<0)
        var members = ["\"output\":\"\(String(repeating: "x", count: size))\""]
        draft.reference = key
        switch kind {
        case .log:
            let project = "name:p\(Int.random(in: 0..<3, using: &random))"
            draft.project = submission.projects.firstIndex(of: project)
            if draft.project == nil {
                draft.project = submission.projects.count
                submission.projects.append(project)
            }
            members.append("\"reference_id\":\"\(name)\"")
        case .update:
            draft.causes = [.reference(key)]
            draft.address = append(name, to: &submission)
        default:
            draft.causes = [.reference(key)]
            draft.namesLogByReference = true
            members.append("\"reference_id\":\"\(name)\"")
        }
        draft.body = append("{\(members.joined(separator: ","))}", to: &submission)
        submission.events.append(draft)
    }

    private static func append(_ text: String, to submission: inout Submission) -> Range<Int> {
        let start = submission.bytes.count
        submission.bytes += Array(text.utf8)
        return start..<submission.bytes.count
    }
}

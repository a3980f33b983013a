import SpoolCore
import SpoolTestKit

/// The door with stamps that stand still.
struct Door {
    /// The operations that are spooled.
    enum Kind: String, CaseIterable {
        case log
        case feedback
        case update
        case updateByID
        case session
        case evaluationLog
        case evaluationResult
    }

    /// A body that was accepted.
    struct Accepted {
        let submission: Submission
        let draft: AnswerDraft

        func answer(_ identity: SpoolIdentity) -> [UInt8] {
            guard !submission.events.isEmpty else { return draft.completedWithoutEvents }
            let receipt = Receipt(
                first: EventSequence(rawValue: 1),
                projectIDs: submission.projects.map { "id of " + $0 },
                targets: submission.events.map { _ in nil },
                sessionIDs: submission.events.map { $0.sessionReference == nil ? nil : "sesh" })
            return draft.completed(by: receipt, identity)
        }
    }

    let identity = SpoolIdentity(epoch: 7, key0: 11, key1: 13)
    let decoder: EventDecoder

    init(defaultProject: String?, _ validation: Validation) {
        decoder = EventDecoder(
            identity: identity, defaultProject: defaultProject, validation: validation,
            stamps: SteadyStamps())
    }

    func accept(_ kind: Kind, _ body: [UInt8]) -> Result<Accepted, Refusal> {
        var submission = Submission(caller: "uid:1")
        submission.bytes = Array("before".utf8)
        submission.projects = ["name:before"]
        let result = body.withUnsafeBytes { bytes in
            Result { () throws(Refusal) in try decode(kind, bytes, into: &submission) }
        }
        if case .failure = result {
            precondition(submission.bytes == Array("before".utf8), "a refusal left bytes behind")
            precondition(submission.events.isEmpty, "a refusal left events behind")
            precondition(submission.projects == ["name:before"], "a refusal left names behind")
        }
        return result.map { Accepted(submission: submission, draft: $0) }
    }

    private func decode(
        _ kind: Kind, _ bytes: UnsafeRawBufferPointer, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        switch kind {
        case .log: try decoder.decodeLogs(bytes, into: &submission)
        case .feedback: try decoder.decodeFeedback(bytes, into: &submission)
        case .update: try decoder.decodeUpdate(bytes, of: .reference("r"), into: &submission)
        case .updateByID: try decoder.decodeUpdate(bytes, of: .id("data_1"), into: &submission)
        case .session: try decoder.decodeSession(bytes, into: &submission)
        case .evaluationLog:
            try decoder.decodeEvaluationLog(bytes, address: "ev%2F1", into: &submission)
        case .evaluationResult:
            try decoder.decodeEvaluationResult(
                bytes, address: "ev_1?evaluatee_id=evv_1", into: &submission)
        }
    }

    /// A body with upstream's ids for its provisional ones.
    func swapped(
        _ body: [UInt8], _ kind: EventKind,
        _ resolve: (SpoolIdentity.Thing, EventSequence) -> String?
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        body.withUnsafeBytes {
            ProvisionalSwap.append(
                $0, kind: kind, to: &bytes, resolve: resolve, identity: identity)
        }
        return bytes
    }

    /// A body with upstream's id of the log that it names by reference.
    func named(_ body: [UInt8], _ kind: EventKind) -> [UInt8] {
        var bytes: [UInt8] = []
        body.withUnsafeBytes {
            ReferenceSwap.append($0, kind: kind, id: "up\"2", to: &bytes)
        }
        return bytes
    }
}

import Foundation
import SpoolCore
import SpoolTestKit
import Testing

/// A decoder with fixed stamps, and what came of a body given to it.
struct AdmissionDoor {
    let identity = SpoolIdentity(epoch: 7, key0: 11, key1: 13)
    let stamps = SteadyStamps()
    let decoder: EventDecoder

    init(defaultProject: String? = "home", validation: Validation = .lenient) {
        decoder = EventDecoder(
            identity: identity, defaultProject: defaultProject, validation: validation,
            stamps: stamps)
    }

    /// Which body is meant.
    enum Kind: String, CaseIterable, Sendable {
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
        let door: AdmissionDoor

        var events: [EventDraft] { submission.events }
        var bodies: [String] {
            events.map { String(decoding: submission.bytes[$0.body], as: UTF8.self) }
        }
        var addresses: [String?] {
            events.map { event in
                event.address.map { String(decoding: submission.bytes[$0], as: UTF8.self) }
            }
        }
        func answer(
            first: Int64 = 1, projectIDs: [String] = [], target: EventSequence? = nil,
            sessionIDs: [String?] = [], delivered: [EventSequence: String] = [:]
        ) throws -> JSONValue {
            let receipt = Receipt(
                first: EventSequence(rawValue: first), projectIDs: projectIDs,
                targets: events.map { $0.kind.isEffect ? target : nil }, sessionIDs: sessionIDs)
            return try JSONValue(
                parsing: draft.completed(by: receipt, door.identity, delivered: delivered))
        }
    }

    func accept(_ kind: Kind, _ body: String) throws(Refusal) -> Accepted {
        try accept(kind, Array(body.utf8))
    }

    func accept(_ kind: Kind, _ body: [UInt8]) throws(Refusal) -> Accepted {
        var submission = Submission(caller: "uid:1")
        let result = body.withUnsafeBytes { bytes in
            Result { () throws(Refusal) in
                switch kind {
                case .log: try decoder.decodeLogs(bytes, into: &submission)
                case .feedback: try decoder.decodeFeedback(bytes, into: &submission)
                case .update:
                    try decoder.decodeUpdate(bytes, of: .reference("r"), into: &submission)
                case .updateByID:
                    try decoder.decodeUpdate(bytes, of: .id("data_1"), into: &submission)
                case .session: try decoder.decodeSession(bytes, into: &submission)
                case .evaluationLog:
                    try decoder.decodeEvaluationLog(bytes, address: "ev%2F1", into: &submission)
                case .evaluationResult:
                    try decoder.decodeEvaluationResult(
                        bytes, address: "ev_1?evaluatee_id=evv_1", into: &submission)
                }
            }
        }
        if case .failure = result {
            #expect(submission.bytes.isEmpty)
            #expect(submission.events.isEmpty)
            #expect(submission.projects.isEmpty)
        }
        return Accepted(submission: submission, draft: try result.get(), door: self)
    }

    /// The refusal of a body; records an issue when it is accepted.
    func refusal(_ kind: Kind, _ body: String) throws -> Refusal {
        try refusal(kind, Array(body.utf8))
    }

    func refusal(_ kind: Kind, _ body: [UInt8]) throws -> Refusal {
        do throws(Refusal) {
            _ = try accept(kind, body)
        } catch {
            return error
        }
        throw Accepting(body: String(decoding: body.prefix(200), as: UTF8.self))
    }

    /// The mistakes of a refused body, each as `loc.joined: type`.
    func mistakes(_ kind: Kind, _ body: String) throws -> [String] {
        let refusal = try refusal(kind, body)
        #expect(refusal.status == 422)
        return try Self.listed(refusal.body)
    }

    static func listed(_ body: [UInt8]) throws -> [String] {
        let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]
        return try listed(detail: #require(object?["detail"]))
    }

    static func listed(detail: Any) throws -> [String] {
        let items = try #require(detail as? [[String: Any]])
        return try items.map { item in
            #expect(Set(item.keys) == ["loc", "msg", "type"])
            let message = try #require(item["msg"] as? String)
            #expect(!message.isEmpty)
            let loc = try #require(item["loc"] as? [Any])
            let type = try #require(item["type"] as? String)
            return loc.map { "\($0)" }.joined(separator: ".") + ": " + type
        }
    }

    struct Accepting: Error {
        let body: String
    }
}

import NIOCore
import SpoolCore
import SpoolServer

/// From a request's bytes to drafts: JSON, then the documented shape, then what the store needs.
enum ArchiveBody {
    /// A body that is not stored, with its answer.
    struct Refused: Error {
        let answer: HTTPAnswer

        /// 400 for what is not JSON.
        init(_ error: JSONError, in body: ByteBuffer) {
            let isEmpty = body.readableBytes == 0
            let words = isEmpty ? "the body is empty" : "the body is not JSON: \(error.message)"
            answer = .detail(status: 400, "\(words); send one JSON value as documented")
        }

        /// 422 for what is not as documented.
        init(_ mistakes: Mistakes) {
            answer = HTTPAnswer(status: 422, body: mistakes.body)
        }
    }

    /// The logs of `POST /logs`.
    static func logs(_ body: ByteBuffer) throws(Refused) -> ([LogDraft], BodyForm) {
        try read(body) {
            $1.checkOneOrMany($0, V4Contract.log)
        } make: {
            (LogDraft.drafts($0), BodyForm($0))
        }
    }

    /// The feedback of `POST /feedback`.
    static func feedback(_ body: ByteBuffer) throws(Refused) -> ([FeedbackDraft], BodyForm) {
        try read(body) {
            $1.checkOneOrMany($0, V4Contract.feedback)
        } make: {
            (FeedbackDraft.drafts($0), BodyForm($0))
        }
    }

    /// The change of `PATCH /logs…`.
    static func update(_ body: ByteBuffer) throws(Refused) -> UpdateDraft {
        try read(body) {
            $1.check($0, .object(V4Contract.update))
        } make: {
            UpdateDraft($0)
        }
    }

    /// The log of `POST /evaluations/{id}/log`.
    static func evaluationLog(
        _ body: ByteBuffer, evaluation: String, evaluatee: String?
    ) throws(Refused) -> LogDraft {
        try read(body, aroundLog: true) {
            $1.check($0, .object(V4Contract.evaluationLog))
        } make: {
            let members = $0.members
            // Safety: both are required members, and the body was checked.
            let place = EvaluationPlace(
                evaluationID: evaluation, evaluateeID: evaluatee,
                datapointID: members.string("datapoint_id")!)
            return LogDraft(members["log"]!, evaluation: place)
        }
    }

    /// The verdict of `POST /evaluations/{id}/result`.
    static func result(
        _ body: ByteBuffer, evaluation: String, evaluatee: String?
    ) throws(Refused) -> ResultDraft {
        try read(body) {
            $1.check($0, .object(V4Contract.evaluationResult))
        } make: {
            ResultDraft($0, evaluationID: evaluation, evaluateeID: evaluatee)
        }
    }

    /// The project of `POST /projects`.
    static func project(_ body: ByteBuffer) throws(Refused) -> ProjectDraft {
        try read(body) {
            $1.check($0, .object(V4Contract.project))
        } make: {
            ProjectDraft($0)
        }
    }

    // MARK: Reading

    /// Validates the text, checks its shape, and makes the draft if nothing is wrong.
    private static func read<Draft>(
        _ body: ByteBuffer, aroundLog: Bool = false,
        check: (JSONPart, inout ShapeCheck) -> Void, make: (JSONPart) -> Draft
    ) throws(Refused) -> Draft {
        let outcome = body.withUnsafeReadableBytes { bytes -> Result<Draft, Refused> in
            do throws(JSONError) {
                // A log may be as deep as the door lets it be, in an array or evaluation log too.
                let isWrapped = aroundLog || startsArray(bytes)
                let part = try JSONPart(
                    validating: bytes, depthMax: Limits.jsonDepthMax + (isWrapped ? 1 : 0))
                var found = ShapeCheck()
                check(part, &found)
                return found.mistakes.isEmpty
                    ? .success(make(part)) : .failure(Refused(found.mistakes))
            } catch {
                return .failure(Refused(error, in: body))
            }
        }
        return try outcome.get()
    }

    private static func startsArray(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var scanner = JSONScanner(bytes)
        // What is no JSON at all is said by the validation that follows.
        return (try? scanner.peekKind()) == .array
    }
}

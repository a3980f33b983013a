/// Turns request bodies and stream lines into events: checked, stamped, and otherwise byte for byte
/// what the caller sent.
///
/// One pass over the bytes validates the JSON, notes where the keys lie that the daemon reads, and
/// checks them against ``Contract``. What must be added is spliced in; nothing is ever re-encoded,
/// so a number keeps its digits and a string its escapes. By default the door refuses only what
/// cannot be spooled or what the v4 specification forbids: unknown keys and unlisted enum values
/// pass, and null equals absent. A body is accepted whole or refused whole, with all its mistakes.
public struct EventDecoder: Sendable {
    /// Recognises this spool's provisional ids and makes reference keys.
    public let identity: SpoolIdentity
    /// The project of logs that name none.
    let defaultProject: DefaultProject?
    let validation: Validation
    let stamps: any StampSource

    /// A decoder for one spool.
    ///
    /// - Parameter defaultProject: the name of the project for logs that give neither `project` nor
    ///   `project_id`; nil refuses them.
    public init(
        identity: SpoolIdentity, defaultProject: String?, validation: Validation = .lenient,
        stamps: any StampSource
    ) {
        self.identity = identity
        self.defaultProject = defaultProject.map(DefaultProject.init)
        self.validation = validation
        self.stamps = stamps
    }

    /// Decodes the body of `POST /logs`: one log or an array of them.
    ///
    /// - Returns: what the answer needs once the submission is on disk. An empty array adds no
    ///   event.
    /// - Throws: the answer to a body that is not accepted; `submission` is then unchanged.
    @discardableResult
    public func decodeLogs(
        _ body: UnsafeRawBufferPointer, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        try decode(body, as: .log, into: &submission)
    }

    /// Decodes the body of `POST /feedback`: one feedback or an array of them.
    ///
    /// - Returns: what the answer needs once the submission is on disk. An empty array adds no
    ///   event.
    /// - Throws: the answer to a body that is not accepted; `submission` is then unchanged.
    @discardableResult
    public func decodeFeedback(
        _ body: UnsafeRawBufferPointer, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        try decode(body, as: .feedback, into: &submission)
    }

    /// Decodes the body of `PATCH /logs/{id}` or `PATCH /logs?reference_id=`: one object.
    ///
    /// - Parameter name: what the log is called, percent-decoded; an id that is
    ///   ``PathID/isUsable(_:)``.
    /// - Returns: what the answer needs once the submission is on disk.
    /// - Throws: the answer to a body that is not accepted; `submission` is then unchanged.
    @discardableResult
    public func decodeUpdate(
        _ body: UnsafeRawBufferPointer, of name: LogName, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        try decode(body, as: .update(name), into: &submission)
    }

    /// Decodes the body of `POST /sessions`: none, or one that says nothing.
    ///
    /// - Returns: what the answer needs once the submission is on disk.
    /// - Throws: the answer to a body that is not accepted; `submission` is then unchanged.
    @discardableResult
    public func decodeSession(
        _ body: UnsafeRawBufferPointer, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        try decode(body, as: .session, into: &submission)
    }

    /// Decodes the body of `POST /evaluations/{evaluation_id}/log`: one object with a log inside.
    ///
    /// - Parameter address: the evaluation's id as it came in the path, and `?` and the query where
    ///   there was one.
    /// - Returns: what the answer needs once the submission is on disk.
    /// - Throws: the answer to a body that is not accepted; `submission` is then unchanged.
    @discardableResult
    public func decodeEvaluationLog(
        _ body: UnsafeRawBufferPointer, address: String, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        try decode(body, as: .evaluationLog(address: address), into: &submission)
    }

    /// Decodes the body of `POST /evaluations/{evaluation_id}/result`: one object.
    ///
    /// - Parameter address: as in ``decodeEvaluationLog(_:address:into:)``.
    /// - Returns: what the answer needs once the submission is on disk.
    /// - Throws: the answer to a body that is not accepted; `submission` is then unchanged.
    @discardableResult
    public func decodeEvaluationResult(
        _ body: UnsafeRawBufferPointer, address: String, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        try decode(body, as: .evaluationResult(address: address), into: &submission)
    }

    /// Decodes one line of the event stream: an object with exactly one of `log`, `feedback`,
    /// `update`, `evaluation_log` and `evaluation_result`, the value being the v4 body. What the
    /// request's target would say stands in it too: an update's `id` or `reference_id`, an
    /// evaluation's `evaluation_id` and `evaluatee_id`.
    ///
    /// - Returns: nil when the event was added; else why not, and `submission` is unchanged.
    public func decodeLine(
        _ line: UnsafeRawBufferPointer, into submission: inout Submission
    ) -> LineRefusal? {
        let mark = submission.mark
        // An event may be as deep in a line as alone.
        var reader = BodyReader(self, line, depthMax: Limits.jsonDepthMax + 1, answers: false)
        do throws(JSONError) {
            try reader.readLine(into: &submission)
            try reader.scanner.finish()
        } catch {
            submission.returnTo(mark)
            return LineRefusal(syntax: error)
        }
        guard reader.mistakes.isEmpty else {
            submission.returnTo(mark)
            return LineRefusal(reader.mistakes)
        }
        return nil
    }

    private func decode(
        _ body: UnsafeRawBufferPointer, as form: BodyForm, into submission: inout Submission
    ) throws(Refusal) -> AnswerDraft {
        let mark = submission.mark
        var reader = BodyReader(self, body, depthMax: Limits.jsonDepthMax, answers: true)
        do throws(JSONError) {
            try reader.readBody(form, into: &submission)
            if !reader.hasTooManyEvents { try reader.scanner.finish() }
        } catch {
            submission.returnTo(mark)
            throw Refusal(syntax: error, isEmpty: body.isEmpty)
        }
        guard !reader.hasTooManyEvents else {
            submission.returnTo(mark)
            throw .tooManyEvents
        }
        guard reader.mistakes.isEmpty else {
            submission.returnTo(mark)
            throw Refusal(reader.mistakes)
        }
        return reader.answer ?? AnswerDraft()
    }
}

/// The configured project, in the forms its uses need.
struct DefaultProject: Sendable {
    /// The name, quoted and escaped, as the value of `project`.
    let json: [UInt8]
    /// The name as ``Submission/projects`` lists it.
    let name: String

    init(_ name: String) {
        var writer = JSONWriter()
        writer.string(name)
        self.json = writer.bytes
        self.name = name
    }
}

extension Submission {
    /// How much a submission holds.
    struct Mark {
        fileprivate let bytes: Int
        fileprivate let events: Int
        fileprivate let projects: Int
    }

    /// What to return to when the next event turns out wrong.
    var mark: Mark { Mark(bytes: bytes.count, events: events.count, projects: projects.count) }

    /// Forgets everything added since `mark`.
    mutating func returnTo(_ mark: Mark) {
        bytes.removeLast(bytes.count - mark.bytes)
        events.removeLast(events.count - mark.events)
        projects.removeLast(projects.count - mark.projects)
    }
}

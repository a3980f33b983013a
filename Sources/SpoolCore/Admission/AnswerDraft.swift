/// The answer to a submission, written while it is read and completed when it is on disk.
///
/// One block of JSON with holes for what only the receipt tells, so that neither the request nor
/// its values have to be kept until the commit.
public struct AnswerDraft: Sendable {
    /// What the receipt puts into a hole: a JSON value.
    private enum Hole {
        /// The id of the log at this index of the submission.
        case log(Int)
        /// The id of the feedback at this index.
        case feedback(Int)
        /// The id of the session at this index.
        case session(Int)
        /// The id of the evaluation's result at this index.
        case result(Int)
        /// The id of the log that the event at this index changes; where it is not known here, one
        /// of the event's own.
        case target(Int)
        /// The same; where it is not known here, null.
        case knownTarget(Int)
        /// The id of the session that the log at this index names by reference.
        case sessionByReference(Int)
        /// The id of the project at this index of ``Submission/projects``.
        case project(Int)
    }

    /// What LogResponse requires of a log that upstream does not have yet. Its config is a
    /// placeholder of the `generic` variant, the only one whose keys are all in hand.
    static let pendingLog: StaticString = """
        "config":{"id":"","type":"generic","status":"committed","name":""},\
        "evaluation_results":[],"observability_status":"pending"
        """

    private var bytes: [UInt8] = []
    private var holes: [(offset: Int, hole: Hole)] = []

    /// An answer with nothing in it yet, and room for one event's.
    init() {
        bytes.reserveCapacity(192)
    }

    /// The whole answer.
    ///
    /// - Parameter delivered: upstream's ids of those logs that have arrived there meanwhile.
    public func completed(
        by receipt: Receipt, _ identity: SpoolIdentity, delivered: [EventSequence: String] = [:]
    ) -> [UInt8] {
        var answer: [UInt8] = []
        answer.reserveCapacity(bytes.count + holes.count * 32)
        var copied = 0
        for (offset, hole) in holes {
            answer.append(contentsOf: bytes[copied..<offset])
            fill(hole, receipt, identity, delivered, to: &answer)
            copied = offset
        }
        answer.append(contentsOf: bytes[copied...])
        return answer
    }

    /// Bytes that the answer will have, about, and that are kept for it until then.
    public var size: Int { bytes.count + holes.count * 32 }

    /// Whether the request held an array of events, be it of one.
    public var isArray: Bool { bytes.first == UInt8(ascii: "[") }

    /// The answer when the submission holds no event, so that there is no receipt.
    public var completedWithoutEvents: [UInt8] {
        precondition(holes.isEmpty, "\(holes.count) holes and no receipt to fill them")
        return bytes
    }

    private func fill(
        _ hole: Hole, _ receipt: Receipt, _ identity: SpoolIdentity,
        _ delivered: [EventSequence: String], to answer: inout [UInt8]
    ) {
        switch hole {
        case .log(let index):
            let sequence = receipt.sequences[index]
            if let id = delivered[sequence] { return Self.append(id, to: &answer) }
            Self.append(.log, sequence, identity, to: &answer)
        case .feedback(let index):
            Self.append(.feedback, receipt.sequences[index], identity, to: &answer)
        case .session(let index):
            Self.append(.session, receipt.sequences[index], identity, to: &answer)
        case .result(let index):
            Self.append(resultNumber: receipt.sequences[index], identity, to: &answer)
        case .target(let index):
            let target = receipt.targets[index] ?? receipt.sequences[index]
            Self.append(.log, target, identity, to: &answer)
        case .knownTarget(let index):
            guard let target = receipt.targets[index] else { return Self.appendNull(to: &answer) }
            Self.append(.log, target, identity, to: &answer)
        case .sessionByReference(let index):
            guard receipt.sessionIDs.indices.contains(index), let id = receipt.sessionIDs[index]
            else { return Self.appendNull(to: &answer) }
            Self.append(id, to: &answer)
        case .project(let index):
            Self.append(receipt.projectIDs[index], to: &answer)
        }
    }

    /// Appends a provisional id as a string value.
    private static func append(
        _ thing: SpoolIdentity.Thing, _ sequence: EventSequence, _ identity: SpoolIdentity,
        to bytes: inout [UInt8]
    ) {
        bytes.append(UInt8(ascii: "\""))
        identity.appendID(thing, sequence, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends the id of an evaluation's result, which no request names: nothing resolves it.
    private static func append(
        resultNumber sequence: EventSequence, _ identity: SpoolIdentity, to bytes: inout [UInt8]
    ) {
        let id = identity.id(.feedback, sequence)
        append("evr_" + id.suffix(SpoolIdentity.suffixLength), to: &bytes)
    }

    private static func appendNull(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "null".utf8)
    }

    // MARK: Writing

    /// Begins the answer to an array.
    mutating func beginArray() { bytes.append(UInt8(ascii: "[")) }

    /// Ends the answer to an array.
    mutating func endArray() { bytes.append(UInt8(ascii: "]")) }

    /// Adds a log's answer: CreateLogResponse, and the log's reference.
    mutating func appendLog(
        _ source: UnsafeRawBufferPointer, _ members: Members, minted: Range<Int>?,
        draft: EventDraft, of submission: Submission
    ) {
        begin()
        append("\"id\":")
        appendHole(.log(submission.events.count - 1))
        append(",\"project_id\":")
        if let given = members.string(.projectID) {
            bytes.append(contentsOf: source[given.range])
        } else if let project = draft.project {
            appendHole(.project(project))
        }
        append(",\"session_id\":")
        if draft.sessionReference != nil {
            appendHole(.sessionByReference(submission.events.count - 1))
        } else {
            appendValue(source, members.string(.session))
        }
        append(",\"reference_id\":")
        if let minted {
            append("\"")
            bytes.append(contentsOf: submission.bytes[minted])
            append("\"")
        } else {
            appendValue(source, members.string(.reference))
        }
        append("}")
    }

    /// Adds a feedback's answer: FeedbackResponse. Its value is never null, because the SDKs build
    /// their object only then.
    mutating func appendFeedback(
        _ source: UnsafeRawBufferPointer, _ members: Members, stampedAt: Timestamp?, index: Int
    ) {
        begin()
        append("\"id\":")
        appendHole(.feedback(index))
        append(",\"type\":")
        appendValue(source, members.value(.type))
        append(",\"value\":")
        if let value = members.value(.value), members.value(.unset)?.kind != .true {
            appendValue(source, value)
        } else {
            append("\"\"")
        }
        append(",\"data_id\":")
        if members.has(.reference), members.value(.target) == nil {
            appendHole(.knownTarget(index))
        } else {
            appendValue(source, members.value(.target))
        }
        append(",\"user\":")
        appendValue(source, members.value(.user))
        append(",\"created_at\":")
        if let stampedAt {
            appendTime(stampedAt)
        } else {
            appendValue(source, members.value(.createdAt))
        }
        append("}")
    }

    /// Adds an update's answer: the keys that LogResponse requires, and what is known of the log.
    mutating func appendUpdate(
        _ source: UnsafeRawBufferPointer, _ members: Members, of name: LogName,
        updatedAt: Timestamp, index: Int
    ) {
        begin()
        append("\"id\":")
        switch name {
        case .reference: appendHole(.target(index))
        case .id(let id): Self.append(id, to: &bytes)
        }
        append(",")
        append(Self.pendingLog)
        append(",\"updated_at\":")
        appendTime(updatedAt)
        if case .reference(let reference) = name {
            append(",\"reference_id\":")
            Self.append(reference, to: &bytes)
        }
        appendMember(",\"output\":", source, members.value(.output))
        appendMember(",\"error\":", source, members.value(.error))
        appendMember(",\"duration\":", source, members.value(.duration))
        append("}")
    }

    /// Adds the answer of an evaluation's result: EvaluationResultResponse. The evaluator's version
    /// is upstream's to know; its key is required, and empty here.
    mutating func appendResult(
        _ source: UnsafeRawBufferPointer, _ members: Members, at time: Timestamp, index: Int
    ) {
        begin()
        append("\"id\":")
        appendHole(.result(index))
        append(",\"evaluator_id\":")
        appendValue(source, members.value(.evaluator))
        append(",\"evaluator_version_id\":\"\",\"log_id\":")
        if let target = members.value(.target) {
            appendValue(source, target)
        } else {
            appendHole(.target(index))
        }
        append(",\"value\":")
        appendValue(source, members.value(.result))
        append(",\"error\":")
        appendValue(source, members.value(.error))
        append(",\"created_at\":")
        appendTime(time)
        append(",\"updated_at\":")
        appendTime(time)
        append("}")
    }

    /// Adds a session's answer.
    mutating func appendSession(index: Int) {
        begin()
        append("\"id\":")
        appendHole(.session(index))
        append("}")
    }

    private mutating func begin() {
        // Only an array holds more than one answer, and its first byte is the bracket.
        if bytes.count > 1 { append(",") }
        append("{")
    }

    /// Appends a string value.
    private static func append(_ text: String, to bytes: inout [UInt8]) {
        var writer = JSONWriter(reserving: text.utf8.count + 2)
        writer.string(text)
        bytes.append(contentsOf: writer.bytes)
    }

    private mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func appendHole(_ hole: Hole) { holes.append((bytes.count, hole)) }

    private mutating func appendValue(_ source: UnsafeRawBufferPointer, _ value: JSONSlice?) {
        guard let value else { return append("null") }
        bytes.append(contentsOf: source[value.range])
    }

    private mutating func appendMember(
        _ key: StaticString, _ source: UnsafeRawBufferPointer, _ value: JSONSlice?
    ) {
        guard let value else { return }
        append(key)
        bytes.append(contentsOf: source[value.range])
    }

    private mutating func appendTime(_ time: Timestamp) {
        append("\"")
        DateTime.append(time, to: &bytes)
        append("\"")
    }
}

/// The answer to a submission, written while it is read and completed when it is on disk.
///
/// One block of JSON with holes for what only the receipt tells, so that neither the request nor
/// its values have to be kept until the commit.
public struct AnswerDraft: Sendable {
    /// What the receipt puts into a hole.
    private enum Hole {
        /// The id of the log at this index of the submission.
        case log(Int)
        /// The id of the feedback at this index.
        case feedback(Int)
        /// The id of the log that the update at this index changes.
        case target(Int)
        /// The id of the project at this index of ``Submission/projects``.
        case project(Int)
    }

    private var bytes: [UInt8] = []
    private var holes: [(offset: Int, hole: Hole)] = []

    /// An answer with nothing in it yet, and room for one event's.
    init() {
        bytes.reserveCapacity(192)
    }

    /// The whole answer.
    public func completed(by receipt: Receipt, _ identity: SpoolIdentity) -> [UInt8] {
        var answer: [UInt8] = []
        answer.reserveCapacity(bytes.count + holes.count * 32)
        var copied = 0
        for (offset, hole) in holes {
            answer.append(contentsOf: bytes[copied..<offset])
            fill(hole, receipt, identity, to: &answer)
            copied = offset
        }
        answer.append(contentsOf: bytes[copied...])
        return answer
    }

    /// The answer when the submission holds no event, so that there is no receipt.
    public var completedWithoutEvents: [UInt8] {
        precondition(holes.isEmpty, "\(holes.count) holes and no receipt to fill them")
        return bytes
    }

    private func fill(
        _ hole: Hole, _ receipt: Receipt, _ identity: SpoolIdentity, to answer: inout [UInt8]
    ) {
        switch hole {
        case .log(let index):
            identity.appendID(.log, receipt.first.advanced(by: index), to: &answer)
        case .feedback(let index):
            identity.appendID(.feedback, receipt.first.advanced(by: index), to: &answer)
        case .target(let index):
            let target = receipt.targets[index] ?? receipt.first.advanced(by: index)
            identity.appendID(.log, target, to: &answer)
        case .project(let index):
            Self.append(receipt.projectIDs[index], to: &answer)
        }
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
        append("\"id\":\"")
        appendHole(.log(submission.events.count - 1))
        append("\",\"project_id\":")
        if let given = members.string(.projectID) {
            bytes.append(contentsOf: source[given.range])
        } else if let project = draft.project {
            appendHole(.project(project))
        }
        append(",\"session_id\":")
        appendValue(source, members.string(.session))
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
        append("\"id\":\"")
        appendHole(.feedback(index))
        append("\",\"type\":")
        appendValue(source, members.value(.type))
        append(",\"value\":")
        if let value = members.value(.value), members.value(.unset)?.kind != .true {
            appendValue(source, value)
        } else {
            append("\"\"")
        }
        append(",\"data_id\":")
        appendValue(source, members.value(.target))
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
    /// Its config is a placeholder of the `generic` variant, the only one whose keys are all in
    /// hand.
    mutating func appendUpdate(
        _ source: UnsafeRawBufferPointer, _ members: Members, reference: String,
        updatedAt: Timestamp, index: Int
    ) {
        begin()
        append("\"id\":\"")
        appendHole(.target(index))
        append("\",\"config\":{\"id\":\"\",\"type\":\"generic\",")
        append("\"status\":\"committed\",\"name\":\"\"}")
        append(",\"evaluation_results\":[],\"observability_status\":\"pending\",\"updated_at\":")
        appendTime(updatedAt)
        append(",\"reference_id\":")
        Self.append(reference, to: &bytes)
        appendMember(",\"output\":", source, members.value(.output))
        appendMember(",\"error\":", source, members.value(.error))
        appendMember(",\"duration\":", source, members.value(.duration))
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

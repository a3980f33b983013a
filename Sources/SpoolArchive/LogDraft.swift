import SpoolCore

/// The evaluation that a log was made for, and the datapoint of its dataset that the log answers.
struct EvaluationPlace: Sendable {
    let evaluationID: String
    /// The version that is judged, where the request's query named one.
    let evaluateeID: String?
    let datapointID: String
}

/// A log that keeps every rule of ``V4Contract``, on its way to the store.
struct LogDraft: Sendable {
    let project: String?
    let projectID: String?
    let sessionID: String?
    let sessionReference: String?
    let parentID: String?
    let parentReference: String?
    let reference: String?
    /// Whether payloads are kept, now and in later updates.
    let isSaved: Bool
    /// Whether the log answers a datapoint of a dataset.
    let hasDatapoint: Bool
    /// Where an evaluation puts it, for a log that came through one.
    let evaluation: EvaluationPlace?
    /// What lists know of it.
    let facts: ListingFacts
    /// Feedback that came inside the log, in order.
    let feedback: [FeedbackDraft]
    /// What is stored: the log's bytes as they came, or what of them may be kept.
    let body: [UInt8]

    /// A draft from a checked log.
    ///
    /// - Parameter evaluation: what stands beside a log that came through an evaluation.
    init(_ log: JSONPart, evaluation: EvaluationPlace? = nil) {
        let members = log.members
        project = members.string("project")
        projectID = members.string("project_id")
        sessionID = members.string("session_id")
        sessionReference = members.string("session_reference_id")
        parentID = members.string("parent_id")
        parentReference = members.string("parent_reference_id")
        reference = members.string("reference_id")
        isSaved = members["save"]?.kind != .false
        hasDatapoint = evaluation != nil || members["source_datapoint_id"] != nil
        self.evaluation = evaluation
        facts = ListingFacts(members)
        feedback = members["feedback"].map(FeedbackDraft.drafts) ?? []
        body = isSaved ? Array(log.bytes) : Self.kept(members)
    }

    /// The drafts of a log or of an array of logs.
    static func drafts(_ body: JSONPart) -> [LogDraft] {
        guard body.kind == .array else { return [LogDraft(body)] }
        var drafts: [LogDraft] = []
        body.forEachElement { _, log in
            drafts.append(LogDraft(log))
            return true
        }
        return drafts
    }

    /// What of a log with `save: false` is stored: the documented members that are no payload.
    /// Members that the API does not know go too, because nobody can say what they hold.
    private static func kept(_ members: JSONMembers) -> [UInt8] {
        let unsaved = V4Contract.unsavedFields.map(\.description)
        var writer = JSONWriter()
        writer.beginObject()
        for field in V4Contract.log.fields where !unsaved.contains(field.name.description) {
            guard let value = members[field.name] else { continue }
            writer.key(field.name)
            writer.raw(value.bytes)
        }
        writer.endObject()
        return writer.bytes
    }
}

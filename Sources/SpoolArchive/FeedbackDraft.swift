import SpoolCore

/// A feedback that keeps every rule of ``V4Contract``, on its way to the store.
struct FeedbackDraft: Sendable {
    /// The log it names; feedback inside a log need not name any.
    let dataID: String?
    /// Its step in the array it came in; none for a single one.
    let place: [Mistake.Step]
    /// Its bytes as they came.
    let body: [UInt8]

    /// A draft from a checked feedback.
    init(_ feedback: JSONPart, at place: [Mistake.Step] = []) {
        dataID = feedback.members.string("data_id")
        self.place = place
        body = Array(feedback.bytes)
    }

    /// The drafts of one feedback or of an array of them.
    static func drafts(_ body: JSONPart) -> [FeedbackDraft] {
        guard body.kind == .array else { return [FeedbackDraft(body)] }
        var drafts: [FeedbackDraft] = []
        body.forEachElement { index, feedback in
            drafts.append(FeedbackDraft(feedback, at: [.index(index)]))
            return true
        }
        return drafts
    }
}

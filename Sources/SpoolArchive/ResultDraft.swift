import SpoolCore

/// An evaluator's verdict on a log, on its way to the store.
struct ResultDraft: Sendable {
    let evaluationID: String
    /// The version that is judged, where the request's query named one.
    let evaluateeID: String?
    let logID: String
    let evaluatorID: String
    /// JSON as it came.
    let result: [UInt8]?
    /// JSON as it came.
    let error: [UInt8]?

    /// A draft from a checked result.
    init(_ result: JSONPart, evaluationID: String, evaluateeID: String?) {
        let members = result.members
        self.evaluationID = evaluationID
        self.evaluateeID = evaluateeID
        // Safety: both are required members, and the body was checked.
        logID = members.string("log_id")!
        evaluatorID = members.string("evaluator_id")!
        self.result = members["result"].map { Array($0.bytes) }
        error = members["error"].map { Array($0.bytes) }
    }
}

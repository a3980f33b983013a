import SpoolCore

/// A log as the store holds it, with all that was said about it since.
struct StoredLog {
    let id: String
    let projectID: String
    let project: String
    let sessionID: String?
    let receivedAt: Timestamp
    let updatedAt: Timestamp
    /// JSON from updates, as it came.
    let output: [UInt8]?
    let error: [UInt8]?
    let duration: [UInt8]?
    /// The datapoint that an evaluation named beside the log.
    let datapointID: String?
    /// The log as it came, or what of it could be kept.
    let body: [UInt8]
    /// In the order of arrival.
    let feedback: [StoredFeedback]
    let results: [StoredResult]
}

/// A feedback as the store holds it.
struct StoredFeedback {
    let id: String
    /// The log it is about.
    let logID: String
    let receivedAt: Timestamp
    /// As it came.
    let body: [UInt8]
}

/// An evaluation result as the store holds it.
struct StoredResult {
    let id: String
    let logID: String
    let evaluationID: String
    /// The version that is judged, where the request named one.
    let evaluateeID: String?
    let evaluatorID: String
    let receivedAt: Timestamp
    /// JSON as it came.
    let value: [UInt8]?
    let error: [UInt8]?
}

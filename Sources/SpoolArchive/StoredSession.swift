import SpoolCore

/// A session as the store holds it.
struct StoredSession {
    let id: String
    let reference: String?
    let createdAt: Timestamp
    /// When a log of it came or changed.
    let updatedAt: Timestamp
    /// Logs stored now.
    let logs: Int64
    let projects: [(id: String, name: String)]
    /// The log of it that came first.
    let first: Texts?
    /// The log of it that came last.
    let last: Texts?

    /// What a log says, as it came, and the output that an update gave it.
    typealias Texts = (output: [UInt8]?, body: [UInt8])

    /// Bytes that were read for it.
    var bytes: Int {
        [first, last].reduce(0) { $0 + ($1?.body.count ?? 0) + ($1?.output?.count ?? 0) }
    }
}

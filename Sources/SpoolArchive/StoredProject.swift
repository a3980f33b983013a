import SpoolCore

/// A project as the store holds it.
struct StoredProject {
    let number: Int64
    let id: String
    let name: String
    let createdAt: Timestamp
    /// When its latest log came.
    let updatedAt: Timestamp
    /// Logs stored now.
    let logs: Int64
    /// Sessions with a log of the project.
    let sessions: Int64
}

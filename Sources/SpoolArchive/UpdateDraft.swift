import SpoolCore

/// A change of a log, on its way to the store: JSON values as they came, nil where nothing changes.
struct UpdateDraft: Sendable {
    var output: [UInt8]?
    let error: [UInt8]?
    let duration: [UInt8]?

    /// A draft from a checked update.
    init(_ update: JSONPart) {
        let members = update.members
        output = members["output"].map { Array($0.bytes) }
        error = members["error"].map { Array($0.bytes) }
        duration = members["duration"].map { Array($0.bytes) }
    }

    /// Whether nothing changes: such an update only asks for the log.
    var isEmpty: Bool { output == nil && error == nil && duration == nil }
}

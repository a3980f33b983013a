/// The ids upstream gave an event.
public struct UpstreamIdentity: Hashable, Sendable {
    /// `data_…` for a log, `ann_…` for feedback, `sesh_…` for a session. Never empty.
    public let id: String
    /// The project's id, where the answer carried one.
    public let projectID: String?

    /// The session's id, where the answer carried one.
    public let sessionID: String?

    /// Ids as upstream's answer carried them.
    public init(id: String, projectID: String? = nil, sessionID: String? = nil) {
        precondition(!id.isEmpty, "an empty id names nothing")
        self.id = id
        self.projectID = projectID
        self.sessionID = sessionID
    }

    /// Reads the ids from a 2xx body, by position.
    ///
    /// Nil unless the body has the request's shape: for an array an array of the same length, for an
    /// object an object, each element an object with a string `id` (docs/api.md, responses) that is not
    /// empty and no longer than ``Limits/upstreamIDBytesMax``.
    public static func read(_ body: [UInt8], for route: Route, count: Int) -> [UpstreamIdentity]? {
        precondition(count > 0, "a request carries at least one event, not \(count)")
        return body.withUnsafeBytes { bytes in
            var reader = IdentityReader(bytes)
            return try? route.takesArray ? reader.array(count: count) : reader.document()
        }
    }
}

/// One pass over an answer. Anything it cannot use is an error, whatever the error.
private struct IdentityReader {
    private let bytes: UnsafeRawBufferPointer
    private var scanner: JSONScanner

    private struct Unusable: Error {}

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        self.scanner = JSONScanner(bytes)
    }

    mutating func array(count: Int) throws -> [UpstreamIdentity] {
        var identities: [UpstreamIdentity] = []
        identities.reserveCapacity(count)
        try scanner.enterArray()
        while try scanner.nextElement() {
            guard identities.count < count else { throw Unusable() }
            identities.append(try object())
        }
        try scanner.finish()
        guard identities.count == count else { throw Unusable() }
        return identities
    }

    mutating func document() throws -> [UpstreamIdentity] {
        let identity = try object()
        try scanner.finish()
        return [identity]
    }

    private mutating func object() throws -> UpstreamIdentity {
        var id: String?
        var projectID: String?
        var sessionID: String?
        try scanner.enterObject()
        while let key = try scanner.nextMember() {
            let value = try scanner.scanValue()
            if JSONText.equals(bytes, key.range, hasEscapes: key.hasEscapes, "id") {
                id = content(value)
            } else if JSONText.equals(bytes, key.range, hasEscapes: key.hasEscapes, "project_id") {
                projectID = content(value)
            } else if JSONText.equals(bytes, key.range, hasEscapes: key.hasEscapes, "session_id") {
                sessionID = content(value)
            }
        }
        guard let id else { throw Unusable() }
        return UpstreamIdentity(id: id, projectID: projectID, sessionID: sessionID)
    }

    /// A string with something in it that is short enough to be kept.
    private func content(_ value: JSONSlice) -> String? {
        guard value.kind == .string, value.range.count > 2,
            value.range.count <= Limits.upstreamIDBytesMax + 2
        else { return nil }
        return JSONText.string(bytes, value)
    }
}

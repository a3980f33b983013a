/// What tells one log from another in its body, or in upstream's answer about it.
public struct LogFacts: Equatable, Sendable {
    /// The decoded `reference_id`; nil when absent, null or no string.
    public let referenceID: String?
    /// The decoded `created_at`; nil when absent, null or no string.
    public let createdAt: String?
    /// `created_at` as a time; nil when it is none.
    public var createdTime: DateTime? { createdAt.flatMap { DateTime($0) } }

    /// Reads a log's own top-level keys.
    ///
    /// - Returns: nil when the bytes are no JSON object.
    public init?(_ body: UnsafeRawBufferPointer) {
        var scanner = JSONScanner(body, depthMax: Limits.jsonDepthMax)
        var reference: JSONSlice?
        var created: JSONSlice?
        do throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                let slice = try scanner.scanValue()
                let value = slice.kind == .string ? slice : nil
                if JSONText.equals(body, key.range, hasEscapes: key.hasEscapes, "reference_id") {
                    reference = value
                }
                if JSONText.equals(body, key.range, hasEscapes: key.hasEscapes, "created_at") {
                    created = value
                }
            }
            try scanner.finish()
        } catch {
            return nil
        }
        self.referenceID = reference.map { JSONText.string(body, $0) }
        self.createdAt = created.map { JSONText.string(body, $0) }
    }
}

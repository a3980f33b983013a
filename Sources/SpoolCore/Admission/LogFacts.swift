/// What tells one log from another in its body, or in upstream's answer about it.
public struct LogFacts: Equatable, Sendable {
    /// The decoded `reference_id`; nil when absent, null or no string.
    public let referenceID: String?
    /// The decoded `created_at`; nil when absent, null or no string.
    public let createdAt: String?
    /// `created_at` as a time; nil when it is none.
    public var createdTime: DateTime? { createdAt.flatMap { DateTime($0) } }

    /// Reads the log that an event of `kind` creates: the body itself, or of an evaluation log its
    /// member `log`.
    ///
    /// - Returns: nil when there is no such JSON object.
    public init?(_ body: UnsafeRawBufferPointer, of kind: EventKind) {
        guard kind == .evaluationLog else {
            self.init(body)
            return
        }
        guard let log = Self.innerLog(of: body) else { return nil }
        self.init(UnsafeRawBufferPointer(rebasing: body[log]))
    }

    private static func innerLog(of body: UnsafeRawBufferPointer) -> Range<Int>? {
        var scanner = JSONScanner(body, depthMax: Limits.jsonDepthMax)
        var log: Range<Int>?
        do throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                let value = try scanner.scanValue()
                if JSONText.equals(body, key.range, hasEscapes: key.hasEscapes, "log") {
                    log = value.range
                }
            }
            try scanner.finish()
        } catch {
            return nil
        }
        return log
    }

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

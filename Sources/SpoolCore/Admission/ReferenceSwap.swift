/// Puts upstream's id of a log where an event names the log by its `reference_id`, an addition of
/// this daemon that upstream does not know.
public enum ReferenceSwap {
    /// Appends `body` to `bytes` with its top-level `reference_id` taken out and the log's id put
    /// in: as `data_id` of a feedback, as `log_id` of an evaluation result; behind the brace, or in
    /// place of a null, so that no key occurs twice. Every other byte travels as it is.
    ///
    /// - Parameters:
    ///   - body: JSON that ``EventDecoder`` has accepted with ``EventDraft/namesLogByReference``.
    ///     Anything else is copied unchanged.
    ///   - id: upstream's id of the log.
    public static func append(
        _ body: UnsafeRawBufferPointer, kind: EventKind, id: String, to bytes: inout [UInt8]
    ) {
        guard let name = name(in: kind), let found = Found(in: body, key: name) else {
            return bytes.append(contentsOf: body)
        }
        var value = JSONWriter(reserving: id.utf8.count + 2)
        value.string(id)
        let cut = MemberCut([found.reference], of: body)
        bytes.append(contentsOf: body[..<found.start])
        guard let null = found.null else {
            bytes.append(UInt8(ascii: "\""))
            name.withUTF8Buffer { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: "\":".utf8)
            bytes.append(contentsOf: value.bytes)
            if found.members > 1 { bytes.append(UInt8(ascii: ",")) }
            return cut.append(found.start..<body.count, of: body, to: &bytes)
        }
        cut.append(found.start..<null.range.lowerBound, of: body, to: &bytes)
        bytes.append(contentsOf: value.bytes)
        cut.append(null.range.upperBound..<body.count, of: body, to: &bytes)
    }

    /// The key by which upstream wants the log's id.
    private static func name(in kind: EventKind) -> StaticString? {
        switch kind {
        case .feedback: "data_id"
        case .evaluationResult: "log_id"
        case .log, .update, .session, .evaluationLog: nil
        }
    }

    private struct Found {
        /// The byte behind the brace.
        var start = 0
        var members = 0
        var reference: JSONSlice
        /// The value of the key that takes the id, which can only be null.
        var null: JSONSlice?

        /// Nil unless the bytes are an object with a `reference_id`.
        init?(in body: UnsafeRawBufferPointer, key name: StaticString) {
            var scanner = JSONScanner(body, depthMax: Limits.jsonDepthMax)
            var (start, members) = (0, 0)
            var reference: JSONSlice?
            var null: JSONSlice?
            do throws(JSONError) {
                try scanner.enterObject()
                start = scanner.offset
                while let key = try scanner.nextMember() {
                    members += 1
                    let value = try scanner.scanValue()
                    if JSONText.equals(body, key.range, hasEscapes: key.hasEscapes, "reference_id")
                    {
                        if value.kind == .string { reference = value }
                    } else if JSONText.equals(
                        body, key.range, hasEscapes: key.hasEscapes, name)
                    {
                        null = value
                    }
                }
                try scanner.finish()
            } catch {
                return nil
            }
            guard let reference else { return nil }
            (self.start, self.members) = (start, members)
            (self.reference, self.null) = (reference, null)
        }
    }
}

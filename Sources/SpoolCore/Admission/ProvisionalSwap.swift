/// Puts upstream's ids where a body names logs by this spool's provisional ones.
public enum ProvisionalSwap {
    /// Appends `body` to `bytes` with its provisional ids swapped: the whole value of a log's
    /// `parent_id` and of `data_id` in its `feedback`, and of a feedback's `data_id`. Every other
    /// byte travels as it is; an id that stands in text of the user's is text.
    ///
    /// - Parameters:
    ///   - body: JSON that ``EventDecoder`` has accepted. Anything else is copied unchanged.
    ///   - resolve: upstream's id of a thing of this spool; nil leaves the provisional one.
    public static func append(
        _ body: UnsafeRawBufferPointer, kind: EventKind, to bytes: inout [UInt8],
        resolve: (SpoolIdentity.Thing, EventSequence) -> String?, identity: SpoolIdentity
    ) {
        var copied = 0
        for slice in places(in: body, kind: kind) {
            let sequence = JSONText.withContent(body, slice) {
                identity.sequence(of: .log, in: $0)
            }
            guard let sequence, let id = resolve(.log, sequence) else { continue }
            var writer = JSONWriter(reserving: id.utf8.count + 2)
            writer.string(id)
            bytes.append(contentsOf: body[copied..<slice.range.lowerBound])
            bytes.append(contentsOf: writer.bytes)
            copied = slice.range.upperBound
        }
        bytes.append(contentsOf: body[copied...])
    }

    /// The strings that may be provisional ids, in the order of the text.
    private static func places(
        in body: UnsafeRawBufferPointer, kind: EventKind
    ) -> [JSONSlice] {
        var walk = Walk(bytes: body, scanner: JSONScanner(body, depthMax: Limits.jsonDepthMax))
        do throws(JSONError) {
            switch kind {
            case .log: try walk.log()
            case .feedback: try walk.feedback()
            case .update: break
            }
        } catch {
            return []
        }
        return walk.found
    }

    private struct Walk {
        let bytes: UnsafeRawBufferPointer
        var scanner: JSONScanner
        var found: [JSONSlice] = []

        mutating func log() throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                if isNamed(key, "parent_id") {
                    try note()
                } else if isNamed(key, "feedback") {
                    try inlineFeedback()
                } else {
                    _ = try scanner.scanValue()
                }
            }
        }

        mutating func feedback() throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                if isNamed(key, "data_id") { try note() } else { _ = try scanner.scanValue() }
            }
        }

        private mutating func inlineFeedback() throws(JSONError) {
            switch try scanner.peekKind() {
            case .object:
                try feedback()
            case .array:
                try scanner.enterArray()
                while try scanner.nextElement() {
                    if try scanner.peekKind() == .object {
                        try feedback()
                    } else {
                        _ = try scanner.scanValue()
                    }
                }
            default:
                _ = try scanner.scanValue()
            }
        }

        private mutating func note() throws(JSONError) {
            let slice = try scanner.scanValue()
            if slice.kind == .string { found.append(slice) }
        }

        private func isNamed(_ key: JSONKey, _ name: StaticString) -> Bool {
            JSONText.equals(bytes, key.range, hasEscapes: key.hasEscapes, name)
        }
    }
}

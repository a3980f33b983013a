/// Puts upstream's ids where a body names logs by this spool's provisional ones.
public enum ProvisionalSwap {
    /// Appends `body` to `bytes` with its provisional ids swapped: the whole value of `parent_id`,
    /// `session_id`, `project_id` and of `data_id` in the `feedback` of a log and of the log inside
    /// an evaluation's; of a feedback's `data_id`; of an evaluation result's `log_id`. Every other
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
        for (thing, slice) in places(in: body, kind: kind) {
            let sequence = JSONText.withContent(body, slice) {
                identity.sequence(of: thing, in: $0)
            }
            guard let sequence, let id = resolve(thing, sequence) else { continue }
            var writer = JSONWriter(reserving: id.utf8.count + 2)
            writer.string(id)
            bytes.append(contentsOf: body[copied..<slice.range.lowerBound])
            bytes.append(contentsOf: writer.bytes)
            copied = slice.range.upperBound
        }
        bytes.append(contentsOf: body[copied...])
    }

    /// A string that may be a provisional id, and of what.
    private typealias Spot = (thing: SpoolIdentity.Thing, slice: JSONSlice)

    /// The strings that may be provisional ids, in the order of the text.
    private static func places(
        in body: UnsafeRawBufferPointer, kind: EventKind
    ) -> [Spot] {
        var walk = Walk(bytes: body, scanner: JSONScanner(body, depthMax: Limits.jsonDepthMax))
        do throws(JSONError) {
            switch kind {
            case .log: try walk.log()
            case .feedback: try walk.effect("data_id")
            case .evaluationLog: try walk.evaluationLog()
            case .evaluationResult: try walk.effect("log_id")
            case .update, .session: break
            }
        } catch {
            return []
        }
        return walk.found
    }

    private struct Walk {
        let bytes: UnsafeRawBufferPointer
        var scanner: JSONScanner
        var found: [Spot] = []

        mutating func log() throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                if isNamed(key, "parent_id") {
                    try note(.log)
                } else if isNamed(key, "session_id") {
                    try note(.session)
                } else if isNamed(key, "project_id") {
                    try note(.project)
                } else if isNamed(key, "feedback") {
                    try inlineFeedback()
                } else {
                    _ = try scanner.scanValue()
                }
            }
        }

        mutating func evaluationLog() throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                if isNamed(key, "log"), try scanner.peekKind() == .object {
                    try log()
                } else {
                    _ = try scanner.scanValue()
                }
            }
        }

        /// Feedback or a result: one key names the log it is about.
        mutating func effect(_ target: StaticString) throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                if isNamed(key, target) { try note(.log) } else { _ = try scanner.scanValue() }
            }
        }

        private mutating func inlineFeedback() throws(JSONError) {
            switch try scanner.peekKind() {
            case .object:
                try effect("data_id")
            case .array:
                try scanner.enterArray()
                while try scanner.nextElement() {
                    if try scanner.peekKind() == .object {
                        try effect("data_id")
                    } else {
                        _ = try scanner.scanValue()
                    }
                }
            default:
                _ = try scanner.scanValue()
            }
        }

        private mutating func note(_ thing: SpoolIdentity.Thing) throws(JSONError) {
            let slice = try scanner.scanValue()
            if slice.kind == .string { found.append((thing, slice)) }
        }

        private func isNamed(_ key: JSONKey, _ name: StaticString) -> Bool {
            JSONText.equals(bytes, key.range, hasEscapes: key.hasEscapes, name)
        }
    }
}

/// `GET /logs/{id}` of a log that upstream does not have yet: a LogResponse from the queue.
public struct QueuedLogAnswer {
    /// The answer.
    public private(set) var body: [UInt8] = []

    /// Keys that a LogResponse gives in another form than the log was sent with.
    private static let reshaped: Set<String> = ["project_id", "config", "feedback"]

    /// The keys that LogResponse requires, and every documented one that was given. Config and the
    /// ids of inline feedback are upstream's to know: placeholders.
    ///
    /// - Parameter id: the log's provisional id.
    public init(id: String, _ event: QueuedEvent) {
        append("{\"id\":")
        append(string: id)
        append(",\"project_id\":")
        append(string: event.projectID)
        append(",")
        append(AnswerDraft.pendingLog)
        append(",\"updated_at\":\"")
        DateTime.append(event.acceptedAt, to: &body)
        append("\"")
        event.body.withUnsafeBytes { bytes in
            for (field, slice) in Self.members(ofLogIn: bytes, event.kind) {
                if field == "feedback" {
                    appendFeedback(bytes, slice)
                } else if !Self.reshaped.contains(field) {
                    append(",\"")
                    body.append(contentsOf: field.utf8)
                    append("\":")
                    body.append(contentsOf: bytes[slice.range])
                }
            }
        }
        append("}")
    }

    private typealias Member = (field: String, slice: JSONSlice)

    /// The log's documented members that are not null. The log of an evaluation's event lies in
    /// its `log`.
    private static func members(
        ofLogIn bytes: UnsafeRawBufferPointer, _ kind: EventKind
    ) -> [Member] {
        if kind == .evaluationLog,
            let log = members(of: .evaluationLog, in: bytes, bytes.indices).first(
                where: { $0.field == "log" && $0.slice.kind == .object })
        {
            return members(of: .log, in: bytes, log.slice.range)
        }
        return members(of: .log, in: bytes, bytes.indices)
    }

    /// An object's documented members that are not null, each once, the last as most parsers have
    /// it (RFC 8259, section 4).
    private static func members(
        of contract: Contract, in bytes: UnsafeRawBufferPointer, _ range: Range<Int>
    ) -> [Member] {
        let object = UnsafeRawBufferPointer(rebasing: bytes[range])
        var scanner = JSONScanner(object, depthMax: Limits.jsonDepthMax)
        var members: [Member] = []
        do throws(JSONError) {
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                var name = JSONText.string(object, key)
                let slice = try scanner.scanValue()
                let isDocumented = name.withUTF8 {
                    contract.field(named: UnsafeRawBufferPointer($0)) != nil
                }
                guard isDocumented else { continue }
                members.removeAll { $0.field == name }
                let start = slice.range.lowerBound + range.lowerBound
                let place = start..<(start + slice.range.count)
                let moved = JSONSlice(
                    kind: slice.kind, range: place, hasEscapes: slice.hasEscapes)
                if slice.kind != .null { members.append((name, moved)) }
            }
        } catch {
            // What the queue holds was read by the door; the rest of it cannot be shown.
        }
        return members
    }

    // MARK: Writing

    /// Appends feedback as LogResponse has it: an array of FeedbackResponse.
    private mutating func appendFeedback(_ bytes: UnsafeRawBufferPointer, _ slice: JSONSlice) {
        append(",\"feedback\":[")
        for (index, item) in Self.items(of: slice, in: bytes).enumerated() {
            append(index == 0 ? "{\"id\":\"\"" : ",{\"id\":\"\"")
            for (field, slice) in Self.members(of: .inlineFeedback, in: bytes, item) {
                append(",\"")
                body.append(contentsOf: field.utf8)
                append("\":")
                body.append(contentsOf: bytes[slice.range])
            }
            append("}")
        }
        append("]")
    }

    /// Where the objects lie that a value is, or has as its elements.
    private static func items(
        of slice: JSONSlice, in bytes: UnsafeRawBufferPointer
    ) -> [Range<Int>] {
        guard slice.kind == .array else { return [slice.range] }
        let array = UnsafeRawBufferPointer(rebasing: bytes[slice.range])
        var scanner = JSONScanner(array, depthMax: Limits.jsonDepthMax)
        var items: [Range<Int>] = []
        do throws(JSONError) {
            try scanner.enterArray()
            while try scanner.nextElement() {
                let item = try scanner.scanValue()
                let start = item.range.lowerBound + slice.range.lowerBound
                items.append(start..<(start + item.range.count))
            }
        } catch {
            // As above.
        }
        return items
    }

    private mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { body.append(contentsOf: $0) }
    }

    private mutating func append(string text: String) {
        var writer = JSONWriter(reserving: text.utf8.count + 2)
        writer.string(text)
        body.append(contentsOf: writer.bytes)
    }
}

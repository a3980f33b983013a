import SpoolCore

/// A log on its way out of the archive, and the line that hands it to another one.
///
/// Ids mean nothing elsewhere, so whatever named something by an id names it by reference.
struct ExportedLog {
    let number: Int64
    /// What it is called from now on, by its effects and children too.
    let reference: String
    let project: String
    let sessionReference: String?
    let parentReference: String?
    let evaluation: EvaluationPlace?
    let receivedAt: Timestamp
    /// JSON from updates, as it came.
    let output: [UInt8]?
    let error: [UInt8]?
    let duration: [UInt8]?
    /// The log as it came, or what of it was kept.
    let body: [UInt8]
    /// What cannot come along.
    let losses: Losses

    /// What is lost when a log moves.
    struct Losses: OptionSet, Sendable {
        let rawValue: UInt8

        /// It asked not to be saved: its contents never reached the archive.
        static let contents = Losses(rawValue: 1)
        /// Its parent is no longer here.
        static let parent = Losses(rawValue: 2)
        /// A later log has the same reference, which means that one.
        static let reference = Losses(rawValue: 4)
    }

    /// What a log is called elsewhere: by its own reference, where that means this log alone and
    /// can be sent; else by one made from its id.
    static func reference(_ own: String?, isShared: Bool, id: String) -> String {
        guard let own, !isShared, isSendable(own) else { return "export-" + id }
        return own
    }

    /// Whether the daemon's door takes a text as a reference.
    static func isSendable(_ reference: String) -> Bool {
        (1...Limits.referenceBytesMax).contains(reference.utf8.count)
    }

    // MARK: Lines

    /// `{"log":{…}}` or `{"evaluation_log":{…}}`
    func line() throws(JSONError) -> [UInt8] {
        let log = try Self.rewritten(body, without: Self.renamed, receivedAt: receivedAt) {
            $0.member("project", project)
            $0.member("reference_id", reference)
            if let sessionReference { $0.member("session_reference_id", sessionReference) }
            if let parentReference { $0.member("parent_reference_id", parentReference) }
        }
        guard let evaluation else { return Self.line("log") { $0.raw(log) } }
        return Self.line("evaluation_log") {
            $0.beginObject()
            $0.member("evaluation_id", evaluation.evaluationID)
            if let id = evaluation.evaluateeID { $0.member("evaluatee_id", id) }
            $0.member("datapoint_id", evaluation.datapointID)
            $0.member("log", raw: log)
            $0.endObject()
        }
    }

    /// `{"update":{…}}` where an update changed the log.
    func updateLine() -> [UInt8]? {
        guard output != nil || error != nil || duration != nil else { return nil }
        return Self.line("update") {
            $0.beginObject()
            $0.member("reference_id", reference)
            if let output { $0.member("output", raw: output) }
            if let error { $0.member("error", raw: error) }
            if let duration { $0.member("duration", raw: duration) }
            $0.endObject()
        }
    }

    /// `{"feedback":{…}}`
    func line(of feedback: StoredFeedback) throws(JSONError) -> [UInt8] {
        let body = try Self.rewritten(
            feedback.body, without: ["data_id", "reference_id"], receivedAt: feedback.receivedAt
        ) {
            $0.member("reference_id", reference)
        }
        return Self.line("feedback") { $0.raw(body) }
    }

    /// `{"evaluation_result":{…}}`
    func line(of result: StoredResult) -> [UInt8] {
        Self.line("evaluation_result") {
            $0.beginObject()
            $0.member("evaluation_id", result.evaluationID)
            if let id = result.evaluateeID { $0.member("evaluatee_id", id) }
            $0.member("reference_id", reference)
            $0.member("evaluator_id", result.evaluatorID)
            if let value = result.value { $0.member("result", raw: value) }
            if let error = result.error { $0.member("error", raw: error) }
            $0.endObject()
        }
    }

    // MARK: Parts

    /// Members of a log that are written anew, or have lines of their own.
    private static let renamed: Set<String> = [
        "project", "project_id", "session_id", "session_reference_id", "parent_id",
        "parent_reference_id", "reference_id", "feedback",
    ]

    /// A body with new members first and the others as they came: each name once, the last of
    /// several, as the archive reads them; with the time of arrival where it has none of its own.
    private static func rewritten(
        _ body: [UInt8], without names: Set<String>, receivedAt: Timestamp,
        _ first: (inout JSONWriter) -> Void
    ) throws(JSONError) -> [UInt8] {
        let result = body.withUnsafeBytes { bytes in
            Result { () throws(JSONError) -> [UInt8] in
                let members = try JSONPart(stored: bytes).members
                var written = names
                var kept: [JSONMembers.Entry] = []
                for entry in members.entries.reversed() {
                    if written.insert(members.name(of: entry)).inserted { kept.append(entry) }
                }
                var writer = JSONWriter(reserving: body.count + 256)
                writer.beginObject()
                first(&writer)
                let isTimed = members["created_at"] != nil
                for entry in kept.reversed() where isTimed || !members.has(entry, "created_at") {
                    writer.raw(members.written(entry))
                }
                if !isTimed { writer.member("created_at", DateTime.text(receivedAt)) }
                writer.endObject()
                return writer.bytes
            }
        }
        return try result.get()
    }

    /// An object with one member, on one line.
    private static func line(
        _ name: StaticString, _ write: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key(name)
        write(&writer)
        writer.endObject()
        // Line ends stand only between the tokens of JSON (RFC 8259, section 7).
        let (end, alsoEnd) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
        let line = writer.bytes.map { $0 == end || $0 == alsoEnd ? UInt8(ascii: " ") : $0 }
        return line + [end]
    }
}

import SpoolCore

/// What a spooled request says in its target, decoded and checked.
enum RequestTarget {
    /// The `reference_id` by which an update names its log.
    static func reference(in query: String?) throws(Refusal) -> String {
        let given = QueryItem.items(in: query ?? "").filter { $0.name == "reference_id" }
        let loc: [Mistake.Step] = [.name("query"), .name("reference_id")]
        guard let first = given.first else {
            throw refusal(loc, "name the log in the query: ?reference_id=…", .missing)
        }
        guard given.count == 1 else {
            throw refusal(loc, "the key occurs twice; give it once", .value)
        }
        guard let reference = first.value else {
            throw refusal(loc, "percent-encode the reference's UTF-8 bytes", .value)
        }
        try checkLength(of: reference, loc)
        return reference
    }

    /// The id of `/logs/{id}`.
    static func logID(_ text: String) throws(Refusal) -> String {
        let loc: [Mistake.Step] = [.name("path"), .name("id")]
        let id = try decodedID(text, loc)
        try checkLength(of: id, loc)
        return id
    }

    /// The address of an evaluation's event: the id as it came, and the query as it came.
    static func evaluation(_ text: String, query: String?) throws(Refusal) -> String {
        let loc: [Mistake.Step] = [.name("path"), .name("evaluation_id")]
        _ = try decodedID(text, loc)
        let address = query.map { $0.isEmpty ? text : "\(text)?\($0)" } ?? text
        try checkLength(of: address, loc)
        return address
    }

    private static func decodedID(
        _ text: String, _ loc: [Mistake.Step]
    ) throws(Refusal) -> String {
        guard let id = PercentDecoding.decode(text[...].utf8, plusIsSpace: false) else {
            throw refusal(loc, "percent-encode the id's UTF-8 bytes", .value)
        }
        guard PathID.isUsable(id), !LiveTarget.holdsDots(id) else {
            throw refusal(loc, PathID.demand, .value)
        }
        return id
    }

    private static func checkLength(
        of text: String, _ loc: [Mistake.Step]
    ) throws(Refusal) {
        let bytes = text.utf8.count
        guard bytes > Limits.referenceBytesMax else { return }
        throw refusal(loc, Refusal.nameIsTooLong(bytes: bytes), .tooLong)
    }

    private static func refusal(
        _ loc: [Mistake.Step], _ message: String, _ type: Mistake.Kind
    ) -> Refusal {
        Refusal([Mistake(loc: loc, message: message, type: type)])
    }
}

extension BodyReader {
    /// Reads one feedback and adds it to the submission.
    mutating func readFeedback(
        at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        guard let members = try readObject(.feedback, at: place), mistakes.isEmpty else { return }
        var stamping = Stamping()
        if members.value(.createdAt) == nil { stamping.createdAt = now }
        let start = submission.bytes.count
        _ = stamping.append(bytes, members, to: &submission.bytes)

        var draft = EventDraft(kind: .feedback, body: start..<submission.bytes.count)
        if let target = members.string(.target) {
            if let sequence = provisionalLog(target) {
                draft.causes = [.event(sequence)]
                draft.holdsProvisionalID = true
            } else {
                draft.reference = key(of: target, named: .foreignID)
            }
        }
        let index = submission.events.count
        submission.events.append(draft)
        let source = bytes
        answer?.appendFeedback(source, members, stampedAt: stamping.createdAt, index: index)
    }

    /// Reads one update of the log called `reference` and adds it to the submission.
    mutating func readUpdate(
        reference: String, at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        guard let members = try readObject(.update, at: place), mistakes.isEmpty else { return }
        var reference = reference
        let index = submission.events.count
        reference.withUTF8 {
            appendUpdate([members.range], of: UnsafeRawBufferPointer($0), to: &submission)
        }
        let (source, time) = (bytes, now)
        answer?.appendUpdate(
            source, members, reference: reference, updatedAt: time, index: index)
    }

    /// Reads an update that names its log itself, and adds it to the submission without that name.
    mutating func readNamedUpdate(
        at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        guard let members = try readObject(.namedUpdate, at: place) else { return }
        if members.value(.id) != nil {
            refuse(
                place, "id", as: .unsupported,
                "an update by id is not supported yet; name the log by reference_id")
        } else if members.value(.reference) == nil {
            refuse(
                place, "reference_id", as: .missing,
                "this key is required: the reference_id of the log to update")
        }
        guard mistakes.isEmpty, let reference = members.string(.reference) else { return }
        let cut = member(endingWith: reference)
        let body = [
            members.range.lowerBound..<cut.lowerBound, cut.upperBound..<members.range.upperBound,
        ]
        JSONText.withContent(bytes, reference) { appendUpdate(body, of: $0, to: &submission) }
    }

    /// The bytes of the member that ends with the value of `reference_id`, and of one comma beside
    /// it.
    private func member(endingWith value: JSONSlice) -> Range<Int> {
        let quote = UInt8(ascii: "\"")
        // `reference_id` holds no quote, however it was escaped.
        guard let closing = bytes[..<value.range.lowerBound].lastIndex(of: quote),
            let opening = bytes[..<closing].lastIndex(of: quote),
            let before = bytes[..<opening].lastIndex(where: { $0 > 0x20 })
        else { preconditionFailure("no key before byte \(value.range.lowerBound)") }
        let end = value.range.upperBound
        if bytes[before] == UInt8(ascii: ",") { return before..<end }
        guard let after = bytes[end...].firstIndex(where: { $0 > 0x20 }),
            bytes[after] == UInt8(ascii: ",")
        else { return opening..<end }
        return opening..<(after + 1)
    }

    private func appendUpdate(
        _ body: [Range<Int>], of reference: UnsafeRawBufferPointer,
        to submission: inout Submission
    ) {
        let start = submission.bytes.count
        for range in body { submission.bytes.append(contentsOf: bytes[range]) }
        let end = submission.bytes.count
        submission.bytes.append(contentsOf: reference)

        let key = decoder.identity.key(of: reference, named: .reference)
        var draft = EventDraft(kind: .update, body: start..<end)
        draft.address = end..<submission.bytes.count
        draft.reference = key
        draft.causes = [.reference(key)]
        submission.events.append(draft)
    }
}

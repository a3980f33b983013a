extension BodyReader {
    /// Reads one log made in an evaluation and adds it to the submission. Its inner log is held to
    /// the same contract as any other, and stamped where it stands.
    ///
    /// - Parameter address: that of ``EventDraft/address``; nil when the object gives it itself.
    mutating func readEvaluationLog(
        to address: String? = nil, at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        innerLog = nil
        let contract = address == nil ? Contract.namedEvaluationLog : .evaluationLog
        guard let members = try readObject(contract, at: place), mistakes.isEmpty,
            let log = innerLog
        else { return }
        let cut = cutOfTarget(members)
        let start = submission.bytes.count
        let before = members.range.lowerBound..<log.range.lowerBound
        cut.append(before, of: bytes, to: &submission.bytes)
        let minted = stamping(of: log).append(bytes, log, to: &submission.bytes)
        let behind = log.range.upperBound..<members.range.upperBound
        cut.append(behind, of: bytes, to: &submission.bytes)

        var draft = EventDraft(kind: .evaluationLog, body: start..<submission.bytes.count)
        draft.address = appendAddress(address, members, to: &submission)
        describe(log, minted: minted, in: &draft, of: &submission)
        if minted == nil, let address = draft.address {
            draft.digest = digest(of: members, cut, submission.bytes[address])
        }
        submission.events.append(draft)
        let source = bytes
        answer?.appendLog(source, log, minted: minted, draft: draft, of: submission)
    }

    /// Reads one evaluation's verdict on a log and adds it to the submission.
    ///
    /// - Parameter address: that of ``EventDraft/address``; nil when the object gives it itself.
    mutating func readEvaluationResult(
        to address: String? = nil, at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        let contract = address == nil ? Contract.namedEvaluationResult : .evaluationResult
        guard let members = try readObject(contract, at: place), mistakes.isEmpty else { return }
        let start = submission.bytes.count
        cutOfTarget(members).append(members.range, of: bytes, to: &submission.bytes)
        var draft = EventDraft(kind: .evaluationResult, body: start..<submission.bytes.count)
        draft.address = appendAddress(address, members, to: &submission)
        noteTarget(members, in: &draft)
        submission.events.append(draft)
        let (source, time, index) = (bytes, now, submission.events.count - 1)
        answer?.appendResult(source, members, at: time, index: index)
    }

    /// What an object says of the request's target does not travel in the request's body.
    private func cutOfTarget(_ members: Members) -> MemberCut {
        let target = [members.string(.evaluation), members.string(.evaluatee)]
        return MemberCut(target.compactMap(\.self), of: bytes)
    }

    /// Appends the given address, or the one that an object of the stream gives.
    private func appendAddress(
        _ given: String?, _ members: Members, to submission: inout Submission
    ) -> Range<Int> {
        let start = submission.bytes.count
        if let given { submission.bytes.append(contentsOf: given.utf8) }
        if let evaluation = members.string(.evaluation) {
            JSONText.withContent(bytes, evaluation) {
                PathID.append(encoding: $0, to: &submission.bytes)
            }
        }
        if let evaluatee = members.string(.evaluatee) {
            submission.bytes.append(contentsOf: "?evaluatee_id=".utf8)
            JSONText.withContent(bytes, evaluatee) {
                PathID.append(encoding: $0, to: &submission.bytes)
            }
        }
        return start..<submission.bytes.count
    }

    /// The digest of an evaluation's log as it came, which is another one for another evaluation.
    private func digest(
        of members: Members, _ cut: MemberCut, _ address: ArraySlice<UInt8>
    ) -> Digest {
        var text: [UInt8] = []
        text.reserveCapacity(members.range.count + address.count)
        cut.append(members.range, of: bytes, to: &text)
        text.append(contentsOf: address)
        return text.withUnsafeBytes { decoder.identity.digest(of: $0) }
    }

    /// Reads the body of `POST /sessions`, which has none, and adds a session. An empty object and
    /// null say as little, and some HTTP libraries send them.
    mutating func readSession(
        at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        if bytes.contains(where: { !isJSONSpace($0) }) { try readNothing(at: place) }
        guard mistakes.isEmpty else { return }
        let end = submission.bytes.count
        submission.events.append(EventDraft(kind: .session, body: end..<end))
        answer?.appendSession(index: submission.events.count - 1)
    }

    private mutating func readNothing(at place: Place) throws(JSONError) {
        var ahead = scanner
        let kind = try scanner.scanValue().kind
        if kind == .null { return }
        guard kind == .object else {
            return refuse(
                place, as: .object, "a session has no body: send none, or {}; got \(kind.phrase)")
        }
        try ahead.enterObject()
        if try ahead.nextMember() != nil {
            refuse(place, as: .value, "a session has no body: send none, or {}")
        }
    }

    /// The only white space there is in JSON (RFC 8259, section 2).
    private func isJSONSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}

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
        noteTarget(members, in: &draft)
        submission.events.append(draft)
        let (source, index) = (bytes, submission.events.count - 1)
        answer?.appendFeedback(source, members, stampedAt: stamping.createdAt, index: index)
    }

    /// Notes which log feedback or an evaluation's result is about: by a provisional id, by
    /// upstream's, or by reference.
    func noteTarget(_ members: Members, in draft: inout EventDraft) {
        if let reference = members.string(.reference) {
            let key = key(of: reference, named: .reference)
            draft.reference = key
            draft.causes = [.reference(key)]
            draft.namesLogByReference = true
        } else if let target = members.string(.target),
            !noteProvisional(.log, target, in: &draft)
        {
            draft.reference = key(of: target, named: .foreignID)
        }
    }

    /// Reads one update of the log called `name` and adds it to the submission.
    mutating func readUpdate(
        of name: LogName, at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        guard let members = try readObject(.update, at: place), mistakes.isEmpty else { return }
        let index = submission.events.count
        switch name {
        case .reference(var text):
            text.withUTF8 {
                let name = UnsafeRawBufferPointer($0)
                appendUpdate(members, MemberCut(), .patchLogByReference, name, to: &submission)
            }
        case .id(var text):
            text.withUTF8 {
                let name = UnsafeRawBufferPointer($0)
                appendUpdate(members, MemberCut(), .patchLog, name, to: &submission)
            }
        }
        let (source, time) = (bytes, now)
        answer?.appendUpdate(source, members, of: name, updatedAt: time, index: index)
    }

    /// Reads an update that names its log itself, and adds it to the submission without that name.
    mutating func readNamedUpdate(
        at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        guard let members = try readObject(.namedUpdate, at: place), mistakes.isEmpty else {
            return
        }
        let reference = members.string(.reference)
        guard let name = reference ?? members.string(.id) else { return }
        let cut = MemberCut([name], of: bytes)
        let route = reference == nil ? Route.patchLog : .patchLogByReference
        JSONText.withContent(bytes, name) {
            appendUpdate(members, cut, route, $0, to: &submission)
        }
    }

    private func appendUpdate(
        _ members: Members, _ cut: MemberCut, _ route: Route, _ name: UnsafeRawBufferPointer,
        to submission: inout Submission
    ) {
        let start = submission.bytes.count
        cut.append(members.range, of: bytes, to: &submission.bytes)
        let end = submission.bytes.count
        submission.bytes.append(contentsOf: name)

        var draft = EventDraft(kind: .update, body: start..<end)
        draft.route = route
        draft.address = end..<submission.bytes.count
        if route == .patchLogByReference {
            let key = decoder.identity.key(of: name, named: .reference)
            draft.reference = key
            draft.causes = [.reference(key)]
        } else if !noteProvisional(.log, name, in: &draft) {
            draft.reference = decoder.identity.key(of: name, named: .foreignID)
        }
        submission.events.append(draft)
    }
}

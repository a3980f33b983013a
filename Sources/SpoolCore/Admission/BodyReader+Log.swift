extension BodyReader {
    /// Reads one log and adds it to the submission.
    mutating func readLog(
        at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        guard let members = try readObject(.log, at: place) else { return }
        let namesProject = members.value(.project) != nil || members.value(.projectID) != nil
        if !namesProject, decoder.defaultProject == nil {
            refuse(
                place, "project", as: .missing,
                "give project or project_id, or configure a default project")
        }
        let ownKey = members.string(.reference).map { key(of: $0, named: .reference) }
        let parentKey = members.string(.parentReference).map { key(of: $0, named: .reference) }
        if let ownKey, ownKey == parentKey {
            refuse(
                place, "parent_reference_id", as: .value,
                "the log names itself as its parent; name another log's reference_id")
        }
        guard mistakes.isEmpty else { return }

        var stamping = Stamping()
        if ownKey == nil { stamping.reference = decoder.stamps.mintReference() }
        if members.value(.createdAt) == nil { stamping.createdAt = now }
        if !namesProject { stamping.project = decoder.defaultProject?.json }
        let start = submission.bytes.count
        let minted = stamping.append(bytes, members, to: &submission.bytes)

        var draft = EventDraft(kind: .log, body: start..<submission.bytes.count)
        draft.project = projectPlace(of: members, in: &submission)
        draft.reference = ownKey ?? minted.map { key(ofMinted: $0, in: submission) }
        draft.referenceIsMinted = minted != nil
        if let parentKey { draft.causes.append(.reference(parentKey)) }
        noteProvisional(members.string(.parent), in: &draft)
        for target in members.inlineTargets { noteProvisional(target, in: &draft) }
        draft.causes.removeDuplicates()
        submission.events.append(draft)
        let source = bytes
        answer?.appendLog(source, members, minted: minted, draft: draft, of: submission)
    }

    private mutating func projectPlace(
        of members: Members, in submission: inout Submission
    ) -> Int? {
        let prefix: StaticString = members.string(.projectID) != nil ? "id:" : "name:"
        if let slice = members.string(.projectID) ?? members.string(.project) {
            guard slice.hasEscapes else {
                let content = (slice.range.lowerBound + 1)..<(slice.range.upperBound - 1)
                return projects.place(
                    of: prefix, UnsafeRawBufferPointer(rebasing: bytes[content]),
                    in: &submission.projects)
            }
            return place(ofProject: JSONText.string(bytes, slice), prefix, in: &submission)
        }
        return decoder.defaultProject.map { place(ofProject: $0.name, prefix, in: &submission) }
    }

    private mutating func place(
        ofProject name: String, _ prefix: StaticString, in submission: inout Submission
    ) -> Int {
        var name = name
        return name.withUTF8 {
            projects.place(of: prefix, UnsafeRawBufferPointer($0), in: &submission.projects)
        }
    }

    private func key(ofMinted range: Range<Int>, in submission: Submission) -> ReferenceKey {
        submission.bytes.withUnsafeBytes {
            decoder.identity.key(
                of: UnsafeRawBufferPointer(rebasing: $0[range]), named: .reference)
        }
    }

    /// The key of the name that a string value stands for.
    func key(of slice: JSONSlice, named name: SpoolIdentity.Name) -> ReferenceKey {
        JSONText.withContent(bytes, slice) { decoder.identity.key(of: $0, named: name) }
    }

    /// The log of this spool whose provisional id a value is; nil for every other value.
    func provisionalLog(_ slice: JSONSlice) -> EventSequence? {
        JSONText.withContent(bytes, slice) { decoder.identity.sequence(of: .log, in: $0) }
    }

    /// Makes the event wait for the log that a provisional id stands for.
    private func noteProvisional(_ slice: JSONSlice?, in draft: inout EventDraft) {
        guard let slice, let sequence = provisionalLog(slice) else { return }
        draft.causes.append(.event(sequence))
        draft.holdsProvisionalID = true
    }
}

extension [Cause] {
    /// Keeps the first of equal causes.
    fileprivate mutating func removeDuplicates() {
        guard count > 1 else { return }
        var seen: Set<Cause> = []
        removeAll { !seen.insert($0).inserted }
    }
}

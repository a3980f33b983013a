extension BodyReader {
    /// Reads one log and adds it to the submission.
    mutating func readLog(
        at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        guard let members = try readLogMembers(at: place), mistakes.isEmpty else { return }
        let start = submission.bytes.count
        let stamping = stamping(of: members)
        let minted = stamping.append(bytes, members, to: &submission.bytes)
        var draft = EventDraft(kind: .log, body: start..<submission.bytes.count)
        describe(members, minted: minted, in: &draft, of: &submission)
        if minted == nil {
            let text = UnsafeRawBufferPointer(rebasing: bytes[members.range])
            draft.digest = digest(of: text, in: stamping.project)
        }
        submission.events.append(draft)
        let source = bytes
        answer?.appendLog(source, members, minted: minted, draft: draft, of: submission)
    }

    /// The digest of a log as it came. Under another default project the same bytes are another log.
    private func digest(of text: UnsafeRawBufferPointer, in project: [UInt8]?) -> Digest {
        guard let project else { return decoder.identity.digest(of: text) }
        return (Array(text) + project).withUnsafeBytes { decoder.identity.digest(of: $0) }
    }

    /// Reads a log, alone or inside an evaluation's, and checks it; nil when it is no object.
    mutating func readLogMembers(at place: Place) throws(JSONError) -> Members? {
        guard let members = try readObject(.log, at: place) else { return nil }
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
        return members
    }

    /// What a log lacks.
    func stamping(of members: Members) -> Stamping {
        var stamping = Stamping()
        if members.value(.reference) == nil { stamping.reference = decoder.stamps.mintReference() }
        if members.value(.createdAt) == nil { stamping.createdAt = now }
        if members.value(.project) == nil, members.value(.projectID) == nil {
            stamping.project = decoder.defaultProject?.json
        }
        return stamping
    }

    /// Notes in the draft whose log this is, what it is called and what it must come after.
    ///
    /// - Parameter minted: where in the submission its minted reference lies; nil when it has its
    ///   caller's.
    mutating func describe(
        _ members: Members, minted: Range<Int>?, in draft: inout EventDraft,
        of submission: inout Submission
    ) {
        draft.project = projectPlace(of: members, in: &submission)
        draft.reference =
            members.string(.reference).map { key(of: $0, named: .reference) }
            ?? minted.map { key(ofMinted: $0, in: submission) }
        draft.referenceIsMinted = minted != nil
        draft.sessionReference = members.string(.sessionReference).map {
            key(of: $0, named: .sessionReference)
        }
        if let parent = members.string(.parentReference) {
            draft.causes.append(.reference(key(of: parent, named: .reference)))
        }
        noteProvisional(.log, members.string(.parent), in: &draft)
        noteProvisional(.session, members.string(.session), in: &draft)
        noteProvisional(.project, members.string(.projectID), in: &draft)
        for target in members.inlineTargets { noteProvisional(.log, target, in: &draft) }
        draft.causes.removeDuplicates()
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

    /// Makes the event wait for what a provisional id of this spool stands for; every other value
    /// is left alone.
    ///
    /// - Returns: whether the value is one.
    @discardableResult
    func noteProvisional(
        _ thing: SpoolIdentity.Thing, _ slice: JSONSlice?, in draft: inout EventDraft
    ) -> Bool {
        guard let slice else { return false }
        return JSONText.withContent(bytes, slice) { noteProvisional(thing, $0, in: &draft) }
    }

    /// The same for an id that is decoded already.
    @discardableResult
    func noteProvisional(
        _ thing: SpoolIdentity.Thing, _ id: UnsafeRawBufferPointer, in draft: inout EventDraft
    ) -> Bool {
        guard let sequence = decoder.identity.sequence(of: thing, in: id) else { return false }
        switch thing {
        case .log: draft.causes.append(.event(sequence))
        case .session: draft.causes.append(.session(sequence))
        case .project: draft.causes.append(.project(sequence))
        case .feedback: preconditionFailure("nothing comes after a feedback")
        }
        draft.holdsProvisionalID = true
        return true
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

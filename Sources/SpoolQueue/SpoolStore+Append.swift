internal import SpoolCore
internal import SpoolSQLite

/// Accepting: a submission becomes rows, all or none.
///
/// A crash before the commit leaves nothing, and the caller has no answer; after it, everything.
extension SpoolStore {
    func append(_ submission: Submission) throws -> Result<Receipt, AppendRefusal> {
        if let conflict = try conflict(in: submission) { return .failure(conflict) }
        if let excess = neverFits(submission) { return .failure(excess) }
        guard try makeRoom(for: submission) else { return .failure(.full) }
        let now = clock()
        let first = EventSequence(rawValue: nextSequence)
        let numbers = try submission.projects.map { try project($0) }
        var sequences: [EventSequence] = []
        var targets: [EventSequence?] = []
        var sessionIDs: [String?] = []
        sequences.reserveCapacity(submission.events.count)
        try submission.bytes.withUnsafeBytes { bytes in
            for draft in submission.events {
                if let known = try repeated(draft, before: first) {
                    sequences.append(known)
                    targets.append(nil)
                } else {
                    let event = try place(
                        draft, project: draft.project.map { numbers[$0] },
                        caller: submission.caller)
                    try insert(event, bytes, at: now)
                    sequences.append(event.sequence)
                    targets.append(event.target)
                }
                guard let name = draft.sessionReference else { continue }
                while sessionIDs.count < sequences.count - 1 { sessionIDs.append(nil) }
                sessionIDs.append(try sessionID(named: name))
            }
        }
        try finish(accepted: Int(nextSequence - first.rawValue), of: submission.events.count)
        let ids = zip(submission.projects, numbers).map { projectID(of: $1, named: $0) }
        if !sessionIDs.isEmpty {
            while sessionIDs.count < sequences.count { sessionIDs.append(nil) }
        }
        return .success(
            Receipt(
                sequences: sequences, projectIDs: ids, targets: targets, sessionIDs: sessionIDs))
    }

    private func finish(accepted: Int, of count: Int) throws {
        try self.count("deduplicated", count - accepted)
        guard accepted > 0 else { return }
        try storeNextSequence()
        ledger.accepted += Int64(accepted)
        ledger.held += Int64(accepted)
    }

    /// A sequence that was given is never given again.
    func storeNextSequence() throws {
        statements.storeNextSequence.bind(1, nextSequence)
        try statements.storeNextSequence.run()
    }

    // MARK: One event

    /// A draft with what only the queue knows.
    private struct Placed {
        let draft: EventDraft
        let sequence: EventSequence
        let lane: Int64
        var reference: ReferenceKey?
        var target: EventSequence?
        var session: EventSequence?
        var flags: Int64
    }

    /// Gives a draft its sequence, its lane, and the log it changes.
    private func place(
        _ draft: EventDraft, project: Int64?, caller: String
    ) throws -> Placed {
        let sequence = EventSequence(rawValue: nextSequence)
        nextSequence += 1
        var reference = draft.reference
        var project = project
        var target: EventSequence?
        if draft.kind.isEffect {
            let log = try self.target(of: draft)
            reference = log.key ?? reference
            project = project ?? log.project
            target = log.sequence
        } else if draft.kind == .session {
            reference = identity.key(of: sequence, named: .session)
        }
        let number = try project ?? self.project("caller:" + caller)
        let lane = try self.lane(LaneName(route: draft.route, project: number))
        var flags: Int64 = 0
        if draft.referenceIsMinted { flags |= EventFlag.referenceIsMinted }
        if draft.holdsProvisionalID { flags |= EventFlag.holdsProvisionalID }
        if draft.namesLogByReference { flags |= EventFlag.namesLogByReference }
        if draft.kind.isLog, let reference, isQueued(reference) { flags |= EventFlag.sharesName }
        if draft.kind == .update, draft.route == .patchLogByReference, target == nil {
            flags |= EventFlag.targetIsElsewhere
        }
        return Placed(
            draft: draft, sequence: sequence, lane: lane, reference: reference, target: target,
            session: try draft.sessionReference.flatMap { try openSession($0, at: sequence) },
            flags: flags)
    }

    private func insert(
        _ event: Placed, _ bytes: UnsafeRawBufferPointer, at now: Timestamp
    ) throws {
        let draft = event.draft
        let body = UnsafeRawBufferPointer(rebasing: bytes[draft.body])
        let address = draft.address.map {
            String(decoding: UnsafeRawBufferPointer(rebasing: bytes[$0]), as: UTF8.self)
        }
        let bound = try draft.holdsProvisionalID ? bind(draft, body, address) : nil
        if draft.holdsProvisionalID, bound == nil { noteNamed(draft.causes) }
        let flags = bound == nil ? event.flags : event.flags & ~EventFlag.holdsProvisionalID
        let causes = bound?.causes ?? draft.causes
        let insert = statements.insertEvent
        insert.bind(1, event.sequence.rawValue)
        insert.bind(2, event.lane)
        insert.bind(3, Int64(draft.kind.rawValue))
        insert.bind(4, event.reference?.rawValue)
        insert.bind(5, flags)
        insert.bind(6, now.milliseconds)
        insert.bind(7, causes.isEmpty ? nil : CauseList.encode(causes))
        insert.bind(8, bound?.address ?? address)
        insert.bind(10, draft.digest?.bytes)
        insert.bind(11, event.session?.rawValue)
        if let bound {
            insert.bind(9, bound.body)
            try insert.run()
        } else {
            insert.bind(9, borrowing: body)
            try insert.run()
        }
        try add(bytes: bound?.body.count ?? body.count, to: event.lane)
        if draft.kind.isLog, let key = event.reference { references.insert(key, event.sequence) }
        lanes.ready(event.lane, 1, from: event.sequence, at: now)
    }

    // MARK: Ids that are known already

    private struct Bound {
        let body: [UInt8]
        let address: String?
        let causes: [Cause]
    }

    /// The event with upstream's ids in place of provisional ones, when all of them are known: from then
    /// on it does not matter when they are forgotten. Nil when one is not.
    private func bind(
        _ draft: EventDraft, _ body: UnsafeRawBufferPointer, _ address: String?
    ) throws -> Bound? {
        var causes: [Cause] = []
        for cause in draft.causes {
            switch cause {
            case .reference: causes.append(cause)
            case .event(let sequence):
                if try upstreamID(of: .log, sequence) == nil { return nil }
            case .session(let sequence):
                if try upstreamID(of: .session, sequence) == nil { return nil }
            case .project(let number):
                if try upstreamID(of: .project, number) == nil { return nil }
            }
        }
        return Bound(
            body: try swapped(body, draft.kind), address: try address.map { try swapped($0) },
            causes: causes)
    }

    // MARK: The log an effect changes

    /// The log an effect changes, as far as this spool knows it. Effects on one log have one key, by
    /// whatever name each was given: they go in order.
    func target(
        of draft: EventDraft
    ) throws -> (key: ReferenceKey?, project: Int64?, sequence: EventSequence?) {
        var sequence: EventSequence?
        for case .event(let named) in draft.causes { sequence = named }
        if sequence == nil, let key = draft.reference {
            if let log = recent.log(withID: key) {
                // Effects that came before the id was known go by the id, and who follows them too.
                return (try hasEffects(key) ? key : log.key, log.project, log.sequence)
            }
            if let queued = references.first(of: key) {
                return (key, try project(ofQueued: queued), queued)
            }
            if let log = recent.youngest(of: key) { return (key, log.project, log.sequence) }
        }
        guard let sequence else { return (nil, nil, nil) }
        let place = statements.eventPlace
        place.bind(1, sequence.rawValue)
        if try place.step() {
            defer { place.reset() }
            let key = place.optionalInteger(2).map(ReferenceKey.init(rawValue:))
            return (key, lanes[place.integer(0)].project, sequence)
        }
        if let known = try identityEntry(of: sequence) {
            let log = recent.entries(of: known.key).prefix(Self.namesakesMax).first {
                $0.sequence == sequence
            }
            return (known.key, log?.project, sequence)
        }
        let dead = statements.deadEvent
        dead.bind(1, sequence.rawValue)
        if try dead.step() {
            defer { dead.reset() }
            return (dead.optionalInteger(0).map(ReferenceKey.init(rawValue:)), nil, sequence)
        }
        // An id of ours that resolves no more: effects that name it still go in order.
        return (identity.key(of: identity.id(.log, sequence), named: .foreignID), nil, nil)
    }

    private func hasEffects(_ key: ReferenceKey) throws -> Bool {
        statements.effectsOf.bind(1, key.rawValue)
        statements.effectsOf.bind(2, 1)
        defer { statements.effectsOf.reset() }
        return try statements.effectsOf.step()
    }

    private func project(ofQueued sequence: EventSequence) throws -> Int64? {
        let place = statements.eventPlace
        place.bind(1, sequence.rawValue)
        defer { place.reset() }
        return try place.step() ? lanes[place.integer(0)].project : nil
    }

    // MARK: Projects and lanes

    /// The number of a project a caller named, given at first sight.
    func project(_ name: String) throws -> Int64 {
        if let known = projects[ExactName(name)] { return known }
        let add = try connection.prepare("INSERT OR IGNORE INTO project (name) VALUES (?)")
        add.bind(1, name)
        try add.run()
        let find = try connection.prepare("SELECT number FROM project WHERE name = ?")
        find.bind(1, name)
        guard try find.step() else {
            throw QueueError.damaged(connection.path, "project \(name)")
        }
        let number = find.integer(0)
        find.reset()
        if projects.count >= QueueLimits.projectsByHeartMax { projects.removeAll() }
        projects[ExactName(name)] = number
        return number
    }

    private func projectID(of number: Int64, named name: String) -> String {
        if name.hasPrefix("id:") { return String(name.dropFirst(3)) }
        return projectID(of: number)
    }

    /// A project's id: upstream's once seen, else a provisional one.
    func projectID(of number: Int64) -> String {
        projectIDs[number] ?? identity.id(.project, EventSequence(rawValue: number))
    }

    /// The lane of an operation and project, numbered at first sight.
    private func lane(_ name: LaneName) throws -> Int64 {
        if let known = laneIDs[name] { return known }
        let add = try connection.prepare(
            "INSERT INTO lane (destination, operation, project) VALUES (?, ?, ?)")
        add.bind(1, destination)
        add.bind(2, Int64(name.route.rawValue))
        add.bind(3, name.project)
        try add.run()
        let lane = Lane(id: connection.lastRowID, route: name.route, project: name.project)
        lanes.add(lane)
        laneIDs[name] = lane.id
        return lane.id
    }
}

/// Bounds that concern the queue alone.
enum QueueLimits {
    /// Projects whose numbers are known by heart; beyond it they are looked up again.
    static let projectsByHeartMax = 10_000
}

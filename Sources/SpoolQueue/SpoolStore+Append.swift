internal import SpoolCore
internal import SpoolSQLite

/// Accepting: a submission becomes rows, all or none.
///
/// A crash before the commit leaves nothing, and the caller has no answer; after it, everything.
extension SpoolStore {
    func append(_ submission: Submission) throws -> Result<Receipt, AppendRefusal> {
        let count = submission.events.count
        guard hasRoom(events: count, bytes: submission.bytes.count) else { return .failure(.full) }
        let now = clock()
        let first = EventSequence(rawValue: nextSequence)
        let named = try submission.projects.map { try project($0) }
        var targets: [EventSequence?] = []
        try submission.bytes.withUnsafeBytes { bytes in
            for (index, draft) in submission.events.enumerated() {
                let event = try Draft(
                    draft, sequence: first.advanced(by: index),
                    project: draft.project.map { named[$0] },
                    caller: submission.caller, in: self)
                try insert(event, bytes, at: now)
                targets.append(event.target)
            }
        }
        nextSequence += Int64(count)
        statements.storeNextSequence.bind(1, nextSequence)
        try statements.storeNextSequence.run()
        ledger.accepted += Int64(count)
        ledger.held += Int64(count)
        let ids = zip(submission.projects, named).map { name, project in
            projectID(of: project, named: name)
        }
        return .success(Receipt(first: first, projectIDs: ids, targets: targets))
    }

    /// A draft with what only the queue knows: its place, its lane, the log it changes.
    private struct Draft {
        let draft: EventDraft
        let sequence: EventSequence
        let lane: Int64
        let reference: ReferenceKey?
        let target: EventSequence?

        init(
            _ draft: EventDraft, sequence: EventSequence, project: Int64?, caller: String,
            in store: SpoolStore
        ) throws {
            self.draft = draft
            self.sequence = sequence
            var reference = draft.reference
            var project = project
            var target: EventSequence?
            if draft.kind.isEffect {
                let log = try store.target(of: draft)
                reference = reference ?? log.key
                project = project ?? log.project
                target = log.sequence
            }
            self.reference = reference
            self.target = target
            let number = try project ?? store.project("caller:" + caller)
            self.lane = try store.lane(LaneName(route: draft.kind.route, project: number))
        }
    }

    private func insert(
        _ event: Draft, _ bytes: UnsafeRawBufferPointer, at now: Timestamp
    ) throws {
        let draft = event.draft
        var flags: Int64 = 0
        if draft.referenceIsMinted { flags |= EventFlag.referenceIsMinted }
        if draft.holdsProvisionalID { flags |= EventFlag.holdsProvisionalID }
        let insert = statements.insertEvent
        insert.bind(1, event.sequence.rawValue)
        insert.bind(2, event.lane)
        insert.bind(3, Int64(draft.kind.rawValue))
        insert.bind(4, event.reference?.rawValue)
        insert.bind(5, flags)
        insert.bind(6, now.milliseconds)
        insert.bind(7, draft.causes.isEmpty ? nil : CauseList.encode(draft.causes))
        insert.bind(
            8,
            draft.address.map {
                String(decoding: UnsafeRawBufferPointer(rebasing: bytes[$0]), as: UTF8.self)
            })
        insert.bind(9, borrowing: UnsafeRawBufferPointer(rebasing: bytes[draft.body]))
        try insert.run()
        ledger.payloadBytes += Int64(draft.body.count)
        if draft.kind == .log, let key = event.reference { references.insert(key, event.sequence) }
        lanes.ready(event.lane, 1, from: event.sequence, at: now)
    }

    // MARK: Whose it is

    /// The log an effect changes, as far as this spool knows it.
    private func target(
        of draft: EventDraft
    ) throws -> (key: ReferenceKey?, project: Int64?, sequence: EventSequence?) {
        var sequence: EventSequence?
        for case .event(let named) in draft.causes { sequence = named }
        if sequence == nil, let key = draft.reference { sequence = references.latest(of: key) }
        guard let sequence else { return (nil, nil, nil) }
        let place = statements.eventPlace
        place.bind(1, sequence.rawValue)
        if try place.step() {
            defer { place.reset() }
            let key = place.optionalInteger(2).map(ReferenceKey.init(rawValue:))
            return (key, lanes[place.integer(0)].project, sequence)
        }
        if let known = try identityEntry(of: sequence) { return (known.key, nil, sequence) }
        let dead = statements.deadEvent
        dead.bind(1, sequence.rawValue)
        if try dead.step() {
            defer { dead.reset() }
            return (dead.optionalInteger(0).map(ReferenceKey.init(rawValue:)), nil, sequence)
        }
        // An id of ours that resolves no more: effects that name it still go in order.
        return (identity.key(of: identity.id(.log, sequence), named: .foreignID), nil, nil)
    }

    /// The number of a project a caller named, given at first sight.
    private func project(_ name: String) throws -> Int64 {
        if let known = projects[name] { return known }
        let add = try connection.prepare("INSERT OR IGNORE INTO project (name) VALUES (?)")
        add.bind(1, name)
        try add.run()
        let find = try connection.prepare("SELECT number FROM project WHERE name = ?")
        find.bind(1, name)
        guard try find.step() else { throw QueueError.damaged(connection.path, "project \(name)") }
        let number = find.integer(0)
        find.reset()
        if projects.count >= QueueLimits.projectsByHeartMax { projects.removeAll() }
        projects[name] = number
        return number
    }

    private func projectID(of number: Int64, named name: String) -> String {
        if name.hasPrefix("id:") { return String(name.dropFirst(3)) }
        return projectIDs[number] ?? identity.id(.project, EventSequence(rawValue: number))
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

/// The `causes` column: a tag and eight bytes a cause.
enum CauseList {
    private static let referenceTag: UInt8 = 1
    private static let eventTag: UInt8 = 2

    static func encode(_ causes: [Cause]) -> [UInt8] {
        var bytes: [UInt8] = []
        for cause in causes {
            switch cause {
            case .reference(let key):
                bytes.append(referenceTag)
                bytes.append(integer: key.rawValue)
            case .event(let sequence):
                bytes.append(eventTag)
                bytes.append(integer: sequence.rawValue)
            }
        }
        return bytes
    }

    static func decode(_ bytes: UnsafeRawBufferPointer) -> [Cause] {
        precondition(bytes.count % 9 == 0, "a cause list of \(bytes.count) bytes")
        return stride(from: 0, to: bytes.count, by: 9).map { start in
            let value = bytes.integer(at: start + 1)
            switch bytes[start] {
            case referenceTag: return .reference(ReferenceKey(rawValue: value))
            case eventTag: return .event(EventSequence(rawValue: value))
            default: preconditionFailure("a cause with the tag \(bytes[start])")
            }
        }
    }
}

extension [UInt8] {
    /// Appends eight bytes, little endian.
    mutating func append(integer value: Int64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// Eight bytes, little endian.
    func integer(at offset: Int) -> Int64 {
        Int64(littleEndian: loadUnaligned(fromByteOffset: offset, as: Int64.self))
    }
}

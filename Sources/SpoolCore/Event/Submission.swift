/// What one request, or one read from a stream, asks to accept: some events over one block of bytes.
///
/// All or nothing: either every event of it is committed in one transaction, or none is.
public struct Submission: Sendable {
    /// The bodies, stamped, one after the other. Drafts point into it, so that no event costs an
    /// allocation of its own.
    public var bytes: [UInt8]
    /// The events, in the order the caller gave them.
    public var events: [EventDraft]
    /// The projects the events name, each once: `name:` or `id:` and what the caller wrote.
    public var projects: [String]
    /// Who asks, for events that name no project: `uid:1000`, `tcp`.
    public var caller: String

    /// An empty submission to be filled by a decoder.
    public init(caller: String, reservingBytes: Int = 0) {
        self.bytes = []
        self.events = []
        self.projects = []
        self.caller = caller
        bytes.reserveCapacity(reservingBytes)
    }
}

/// One event of a ``Submission``, checked and stamped, not yet durable.
public struct EventDraft: Sendable {
    /// What it is.
    public var kind: EventKind
    /// Its body, as it will travel, in ``Submission/bytes``.
    public var body: Range<Int>
    /// The operation it travels by.
    public var route: Route
    /// What its request's target needs besides the route, in ``Submission/bytes``: the reference of an
    /// update by reference, the id of an update by id, and of evaluation events the `evaluation_id` as it
    /// came, percent-encoded, with `?` and the query where there was one. Nil for other kinds.
    public var address: Range<Int>?
    /// Index into ``Submission/projects``; nil when the event names none.
    public var project: Int?
    /// A log's own reference; an effect's target where it is named by anything but a provisional id.
    public var reference: ReferenceKey?
    /// Whether this daemon made up the log's reference, which makes it unique.
    public var referenceIsMinted: Bool
    /// The logs that must have arrived upstream before: a parent, a target.
    public var causes: [Cause]
    /// Whether the body or the address holds a provisional id that must be swapped before it travels.
    public var holdsProvisionalID: Bool
    /// Whether the body names its log by a top-level `reference_id` that must become upstream's id before
    /// it travels: feedback and evaluation results by reference.
    public var namesLogByReference: Bool
    /// The key of a log's `session_reference_id`.
    public var sessionReference: ReferenceKey?
    /// The digest of the event as it came, for logs whose caller gave the reference.
    public var digest: Digest?

    /// A draft with nothing optional in it.
    public init(kind: EventKind, body: Range<Int>) {
        self.kind = kind
        self.route = kind.route
        self.body = body
        self.address = nil
        self.project = nil
        self.reference = nil
        self.referenceIsMinted = false
        self.causes = []
        self.holdsProvisionalID = false
        self.namesLogByReference = false
        self.sessionReference = nil
        self.digest = nil
    }
}

/// What the caller may be told once its submission is on disk.
public struct Receipt: Sendable {
    /// The sequence of each event, in the order of the submission. New events follow each other without
    /// gap; an event that was recognised as one accepted earlier has that one's.
    public let sequences: [EventSequence]
    /// For each of ``Submission/projects`` its id: upstream's once seen, else a provisional one.
    public let projectIDs: [String]
    /// For each event the log it changes, where that log is one this spool still knows.
    public let targets: [EventSequence?]
    /// For each event with a ``EventDraft/sessionReference`` the session's id: upstream's once seen, else a
    /// provisional one. Empty when no event has one.
    public let sessionIDs: [String?]

    /// Made by the queue when the transaction has been committed.
    public init(
        sequences: [EventSequence], projectIDs: [String], targets: [EventSequence?],
        sessionIDs: [String?] = []
    ) {
        self.sequences = sequences
        self.projectIDs = projectIDs
        self.targets = targets
        self.sessionIDs = sessionIDs
    }

    /// A receipt for `targets.count` new events, the first of which has the sequence `first`.
    public init(
        first: EventSequence, projectIDs: [String], targets: [EventSequence?],
        sessionIDs: [String?] = []
    ) {
        self.init(
            sequences: targets.indices.map { first.advanced(by: $0) }, projectIDs: projectIDs,
            targets: targets, sessionIDs: sessionIDs)
    }
}

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
    /// The `reference_id` an update names its log by, in ``Submission/bytes``; nil for other kinds.
    public var address: Range<Int>?
    /// Index into ``Submission/projects``; nil when the event names none.
    public var project: Int?
    /// A log's own reference; an effect's target where it is named by anything but a provisional id.
    public var reference: ReferenceKey?
    /// Whether this daemon made up the log's reference, which makes it unique.
    public var referenceIsMinted: Bool
    /// The logs that must have arrived upstream before: a parent, a target.
    public var causes: [Cause]
    /// Whether the body holds a provisional id that must be swapped before it travels.
    public var holdsProvisionalID: Bool

    /// A draft with nothing optional in it.
    public init(kind: EventKind, body: Range<Int>) {
        self.kind = kind
        self.body = body
        self.address = nil
        self.project = nil
        self.reference = nil
        self.referenceIsMinted = false
        self.causes = []
        self.holdsProvisionalID = false
    }
}

/// What the caller may be told once its submission is on disk.
public struct Receipt: Sendable {
    /// The first event's sequence; the others follow without gap, in the order of the submission.
    public let first: EventSequence
    /// For each of ``Submission/projects`` its id: upstream's once seen, else a provisional one.
    public let projectIDs: [String]
    /// For each event the log it changes, where that log is one this spool still knows.
    public let targets: [EventSequence?]

    /// Made by the queue when the transaction has been committed.
    public init(first: EventSequence, projectIDs: [String], targets: [EventSequence?]) {
        self.first = first
        self.projectIDs = projectIDs
        self.targets = targets
    }
}

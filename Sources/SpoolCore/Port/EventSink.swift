/// What the ways in may do with the queue: append, and nothing else.
public protocol EventSink: Sendable {
    /// Mints ids and keys for this spool.
    var identity: SpoolIdentity { get }

    /// Makes a submission durable: `done` gets a receipt only after its transaction was committed with
    /// `synchronous=FULL`. Called exactly once, on the queue's own thread: it must not block.
    func append(
        _ submission: Submission,
        _ done: @escaping @Sendable (Result<Receipt, AppendRefusal>) -> Void)

    /// Takes back every submission that waits since before `instant` and is not yet part of a running
    /// transaction; each is answered ``AppendRefusal/busy``. Called every half second by the ways in.
    func withdraw(waitingSince instant: ContinuousClock.Instant)

    /// Keeps input that could not be understood, where there is nobody to tell: at most 64 KiB of it, in
    /// a ring of 16 MiB, the oldest overwritten, counted.
    func keepMalformed(_ input: [UInt8], reason: String, source: String)
}

/// Why a submission was not accepted although its form is right. Worth trying again, but for
/// ``duplicate(index:reference:)`` and ``tooLarge(index:)``.
public enum AppendRefusal: Error, Equatable, Sendable {
    /// The spool is at its limit of bytes, or the disk at its reserve.
    case full
    /// A log's reference is known already with other bytes, and `duplicate_references: refuse` is set:
    /// event number `index` of the submission, from 0.
    case duplicate(index: Int, reference: String)
    /// More than half of what the spool may hold, so that it might never fit: event number `index` by
    /// itself, or, where nil, all events together.
    case tooLarge(index: Int?)
    /// The submission waited longer than `accept_timeout` for its transaction.
    case busy
    /// The spool or its disk refused the transaction; the text names the failure.
    case failing(String)
    /// The daemon is stopping.
    case stopping
}

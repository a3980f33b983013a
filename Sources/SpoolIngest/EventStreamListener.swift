public import NIOCore
internal import NIOPosix
public import SpoolCore
public import SpoolServer

/// The bounds of the event stream; tests shorten them.
public struct EventStreamSettings: Sendable {
    /// Bytes of one line.
    public var lineBytesMax = Limits.bodyBytesMax
    /// How long a submission that the sink could not take waits for its next try.
    public var retryDelay = Duration.milliseconds(250)
    /// How long a stream that holds an unfinished long line waits for memory before it gives the
    /// line up, so that two such lines cannot wait for each other forever.
    public var budgetWait = Limits.budgetWait
    /// How long the rest of a line that is longer than ``Limits/smallRequestBytesMax`` may pause; then
    /// the line is given up.
    public var readTimeout = Limits.readTimeout
    /// Bytes a second that it has to come with on the whole, once it takes longer than that.
    public var readBytesPerSecondMin = Limits.readBytesPerSecondMin

    /// The documented defaults.
    public init() {}
}

/// Events as lines of JSON on a socket: `{"log":…}`, `{"feedback":…}`, `{"update":…}`.
///
/// Without replies by default. A first line `{"acks":true}` asks for them: `{"acked":N}` says that
/// the lines 1 to N are dealt with, counted after that line, blank ones included: durable, or
/// reported in a `{"refused":LINE,"detail":[…]}` sent before. What is wrong in a stream without
/// replies goes to the ring of malformed input. A last line without newline counts if it parses,
/// and a client that has shut its sending side still gets its acks.
public final class EventStreamListener: Sendable {
    /// What happened on all streams since the start.
    public let counters: EventStreamCounters
    private let listener: SocketListener
    private let remainders: EventStreamRemainders

    private init(
        _ listener: SocketListener, _ counters: EventStreamCounters,
        _ remainders: EventStreamRemainders
    ) {
        self.listener = listener
        self.counters = counters
        self.remainders = remainders
    }

    /// Where it is bound.
    public var boundAddress: ListenAddress { listener.boundAddress }

    /// Binds `address` and appends what comes to `sink`. Bytes that are not on disk yet count in
    /// `budget`; while it is spent, streams are not read.
    public static func start(
        sink: any EventSink, decoder: EventDecoder, on address: ListenAddress,
        group: any EventLoopGroup, budget: ByteBudget, connections: ConnectionLimit,
        settings: EventStreamSettings = EventStreamSettings()
    ) async throws(ListenError) -> EventStreamListener {
        let counters = EventStreamCounters()
        let remainders = EventStreamRemainders()
        let mailboxes = Dictionary(
            uniqueKeysWithValues: group.makeIterator().map { loop in
                (ObjectIdentifier(loop), EventStreamConnection.mailbox(on: loop))
            })
        let listener = try await SocketListener.start(
            on: address, group: group, connections: connections
        ) { channel, peer throws in
            guard let mailbox = mailboxes[ObjectIdentifier(channel.eventLoop)] else {
                preconditionFailure("the event loop is not one of its group's")
            }
            let door = EventStreamConnection.Door(
                sink: sink, decoder: decoder, mailbox: mailbox, budget: budget, settings: settings,
                counters: counters, remainders: remainders)
            try channel.pipeline.syncOperations.addHandler(
                EventStreamConnection(door, peer: peer, loop: channel.eventLoop))
        }
        return EventStreamListener(listener, counters, remainders)
    }

    /// Stops accepting, reads what the kernel already holds, and returns when all of it is
    /// accepted, acked and every stream closed. Cancelling the task closes what is left at once.
    public func drain() async {
        await listener.drain()
        await remainders.wait()
    }
}

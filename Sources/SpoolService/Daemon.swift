public import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import SpoolCore
internal import SpoolIngest
internal import SpoolQueue
internal import SpoolSQLite
internal import SpoolSender
public import SpoolServer
internal import UnixSignals

/// The running daemon: every part, started in the order in which parts need each other and stopped in
/// reverse.
///
/// Start: directories, archive (if it is the upstream), queue, sender, control, ways in. Each part finds
/// what it needs already there, and nothing is accepted before it can be stored.
///
/// Stop: the ways in, so that what clients have sent is read, committed and answered, and at the same time
/// the sender, which waits for outstanding answers; then the queue's file is closed; the archive last,
/// because the sender's last answers come from it.
public final class Daemon: Sendable {
    /// Where it listens, as bound.
    public let listening: Listening
    private let settings: DaemonSettings
    private let parts: Parts
    private let logger: Logger
    private let notifier: SystemdNotifier?

    /// The bound addresses.
    public struct Listening: Sendable {
        /// Loopback HTTP, with the port the kernel chose when 0 was asked for.
        public let http: ListenAddress
        /// HTTP on a Unix socket.
        public let api: ListenAddress
        /// The NDJSON stream.
        public let events: ListenAddress
        /// The operator's socket.
        public let control: ListenAddress
        /// The embedded archive, when it is the upstream.
        public let archive: ListenAddress?
    }

    /// Opens the spool and starts to listen; then tells the service manager that it is ready.
    ///
    /// - Throws: what the part that failed says, each with what to do: a directory, a database, an address
    ///   in use. Parts that had started are stopped again.
    public static func start(
        _ settings: DaemonSettings, logger: Logger, notifier: SystemdNotifier? = nil
    ) async throws -> Daemon {
        let parts = Parts(settings, logger)
        do {
            let listening = try await parts.start(settings, logger)
            if let notifier { await parts.reportProgress(to: notifier, logger) }
            notifier?.send("READY=1\nSTATUS=delivering to \(settings.upstreamName)")
            return Daemon(
                settings: settings, parts: parts, listening: listening, logger: logger,
                notifier: notifier)
        } catch {
            await parts.stop(Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
            throw error
        }
    }

    private init(
        settings: DaemonSettings, parts: Parts, listening: Listening, logger: Logger,
        notifier: SystemdNotifier?
    ) {
        self.notifier = notifier
        self.settings = settings
        self.parts = parts
        self.listening = listening
        self.logger = logger
    }

    /// Runs until `SIGTERM` or `SIGINT`, then stops in order.
    public func runUntilSignal() async throws {
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: Waiting(daemon: self))], logger: logger)
        configuration.gracefulShutdownSignals = [.sigterm, .sigint]
        try await ServiceGroup(configuration: configuration).run()
    }

    /// Stops in order. What was accepted stays in the spool.
    public func stop() async {
        notifier?.send("STOPPING=1\nSTATUS=waiting for outstanding answers")
        await parts.stop(logger)
    }

    /// How many events the spool holds from before.
    public func held() async -> Int64 {
        let report = await parts.condition?.read().report
        return (report?.queued ?? 0) + (report?.inFlight ?? 0)
    }

    private struct Waiting: Service {
        let daemon: Daemon

        func run() async throws {
            try await gracefulShutdown()
            await daemon.stop()
        }
    }
}

/// The daemon's parts, as far as they have been started.
private actor Parts {
    private var archive: ArchiveServer?
    private var queue: EventQueue?
    private(set) var condition: SpoolCondition?
    private var sender: Sender?
    private var control: HTTPListener?
    private var http: HTTPListener?
    private var api: HTTPListener?
    private var events: EventStreamListener?
    private var sweep: RepeatedTask?
    private var heartbeat: RepeatedTask?
    private var reading: RepeatedTask?
    private var news: RepeatedTask?
    private let doorLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let deliveryLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let budget = ByteBudget(
        bytesMax: Limits.ingestBytesMax, smallBytes: Limits.ingestSmallBytes)
    private let connections: ConnectionLimit
    private var transport: HTTPTransport?
    private var live: HTTPLiveTransport?
    private var ingest: IngestAPI?

    init(_ settings: DaemonSettings, _ logger: Logger) {
        let filesMax = Process.raiseFilesMax()
        let count = Process.connections(settings.connectionsMax, filesMax: filesMax)
        connections = ConnectionLimit(max: count)
        guard count < settings.connectionsMax else { return }
        logger.warning(
            """
            fewer connections are served, because this process may open few files: raise the limit \
            (LimitNOFILE= of the unit, ulimit -n)
            """,
            metadata: [
                "connections": "\(count)", "files": "\(filesMax)",
                "files_wanted": "\(settings.connectionsMax + Limits.otherFilesMax)",
            ])
    }

    func start(_ settings: DaemonSettings, _ logger: Logger) async throws -> Daemon.Listening {
        try Process.makeDirectory(settings.stateDirectory)
        try Process.makeDirectory(settings.runtimeDirectory)
        let lock = try SpoolLock(directory: settings.stateDirectory)
        if settings.upstream == nil {
            archive = try await ArchiveServer.start(
                directory: settings.archiveDirectory, record: nil, setsDamagedAside: true,
                on: .unix(path: settings.archiveSocket, mode: 0o600), group: deliveryLoop,
                logger: logger)
        }
        let queue = try openQueue(lock, settings, logger)
        self.queue = queue
        let condition = SpoolCondition(
            of: { queue.report(about: $0, $1) }, onFull: settings.policy.onFull,
            on: doorLoop.next())
        self.condition = condition
        _ = await condition.read()
        let sender = try startSender(settings, queue)
        self.sender = sender
        let listening = try await listen(settings, queue, condition, sender)
        sweep = doorLoop.next().scheduleRepeatedTask(
            initialDelay: .milliseconds(500), delay: .milliseconds(500)
        ) { _ in
            queue.withdraw(waitingSince: .now - Limits.acceptTimeout)
        }
        // So that what is known is recent when the disk fails.
        reading = doorLoop.next().scheduleRepeatedTask(
            initialDelay: .seconds(10), delay: .seconds(10)
        ) { _ in
            condition.read { _ in }
        }
        let upstreamNews = UpstreamNews(of: sender, condition, logger)
        news = doorLoop.next().scheduleRepeatedTask(
            initialDelay: .seconds(1), delay: .seconds(1)
        ) { _ in
            upstreamNews.look()
        }
        return listening
    }

    private func openQueue(
        _ lock: SpoolLock, _ settings: DaemonSettings, _ logger: Logger
    ) throws -> EventQueue {
        let state = settings.stateDirectory
        // An archive is known by its own id: another file at the same place is another upstream.
        let destination = settings.upstream?.description ?? "archive:\(archive?.instanceID ?? "")"
        return try EventQueue(
            lock: lock, destination: destination,
            settings: settings.queue(freeDiskBytes: { Process.freeBytes(at: state) }),
            clock: Process.now,
            report: { error in
                if let notice = error as? SalvageNotice {
                    logger.critical(
                        "the spool's files were mended", metadata: ["what": "\(notice)"])
                } else if let refusal = error as? SQLiteError, refusal.isConstraint {
                    logger.error(
                        "the spool refused a transaction against its rules",
                        metadata: ["error": "\(error)"])
                } else {
                    logger.error(
                        "the spool's disk refused a transaction", metadata: ["error": "\(error)"])
                }
            })
    }

    private func startSender(_ settings: DaemonSettings, _ queue: EventQueue) throws -> Sender {
        let transport = try HTTPTransport(
            to: try upstream(settings), key: settings.apiKey, version: Version.current,
            inFlightMax: settings.policy.inFlightMax, on: deliveryLoop)
        self.transport = transport
        let sender = Sender(
            source: queue, transport: transport,
            scheduler: NIOScheduler(on: deliveryLoop.next()), settings: settings.sender)
        sender.start()
        return sender
    }

    private func upstream(_ settings: DaemonSettings) throws -> UpstreamAddress {
        try settings.upstream ?? UpstreamAddress("unix:" + settings.archiveSocket)
    }

    private func listen(
        _ settings: DaemonSettings, _ queue: EventQueue, _ condition: SpoolCondition,
        _ sender: Sender
    ) async throws -> Daemon.Listening {
        let decoder = EventDecoder(
            identity: queue.identity, defaultProject: settings.defaultProject,
            validation: settings.validation, stamps: StampMint(clock: Process.now))
        let live = HTTPLiveTransport(to: try upstream(settings), on: deliveryLoop)
        self.live = live
        let ingest = IngestAPI(
            sink: queue, lookup: queue,
            live: LivePassThrough(
                to: live, lookup: queue, identity: queue.identity,
                settings: LiveSettings(
                    firstByteTimeout: settings.liveFirstByteTimeout,
                    idleTimeout: settings.liveIdleTimeout,
                    daemonKeyUIDs: settings.liveDaemonKeyUIDs, tcpToken: settings.tcpToken?.token,
                    daemonKey: settings.apiKey)),
            decoder: decoder, loops: DoorLoops(doorLoop),
            settings: IngestSettings(
                tcpToken: settings.tcpToken?.token, condition: DoorCondition(condition)))
        self.ingest = ingest
        func serve(on address: ListenAddress) async throws -> HTTPListener {
            try await HTTPListener.start(
                ingest, on: address, group: doorLoop, budget: budget, connections: connections)
        }
        let api = try await serve(on: .unix(path: settings.apiSocket, mode: 0o660))
        self.api = api
        let http = try await serve(on: settings.listen)
        self.http = http
        let events = try await EventStreamListener.start(
            sink: queue, decoder: decoder, on: .unix(path: settings.eventsSocket, mode: 0o660),
            group: doorLoop, budget: budget, connections: connections)
        self.events = events
        let addresses = [http.boundAddress, api.boundAddress, events.boundAddress].map(
            \.description)
        // With bounds of its own: the operator gets through when the ways in are taken.
        let control = try await HTTPListener.start(
            ControlAPI(
                queue: queue, condition: condition, sender: sender,
                doors: .init(budget: budget, connections: connections), archive: archive,
                settings: settings, listening: addresses),
            on: .unix(path: settings.controlSocket, mode: 0o600), group: doorLoop,
            budget: ByteBudget(bytesMax: Limits.controlBytesMax),
            connections: ConnectionLimit(max: Limits.controlConnectionsMax))
        self.control = control
        return Daemon.Listening(
            http: http.boundAddress, api: api.boundAddress, events: events.boundAddress,
            control: control.boundAddress, archive: archive?.listening)
    }

    /// Tells the service manager, as often as it wants to hear it, that every loop runs its next step.
    func reportProgress(to notifier: SystemdNotifier, _ logger: Logger) {
        guard let interval = notifier.watchdogInterval, let queue else { return }
        let (door, delivery) = (doorLoop.next(), deliveryLoop.next())
        let watchdog = Watchdog(
            of: [
                .init(name: "doors", step: { door.execute($0) }),
                .init(name: "delivery", step: { delivery.execute($0) }),
                .init(name: "queue", step: { queue.ping($0) }),
            ], logger: logger, report: { notifier.send("WATCHDOG=1") })
        let delay = TimeAmount(interval / 3)
        heartbeat = door.scheduleRepeatedTask(initialDelay: .zero, delay: delay) { _ in
            watchdog.beat()
        }
    }

    /// Stops what has been started, the last first.
    func stop(_ logger: Logger) async {
        logger.info("stopping: no new events are taken")
        ingest?.stopWaiting()
        // Together, so that the stop's time is spent once.
        async let doorsClosed: Void = drainDoors()
        if let sender {
            logger.info("stopping: waiting for outstanding answers")
            await withCheckedContinuation { done in sender.stop { done.resume() } }
        }
        await doorsClosed
        sweep?.cancel()
        reading?.cancel()
        news?.cancel()
        heartbeat?.cancel()
        await control?.drain()
        try? await transport?.shutdown()
        try? await live?.shutdown()
        let left = await condition?.read(within: Limits.acceptTimeout)
        await queue?.stop()
        await archive?.stop()
        try? await doorLoop.shutdownGracefully()
        try? await deliveryLoop.shutdownGracefully()
        logger.info("stopped", metadata: left?.lastWords)
    }

    /// Closes the ways in once all requests are answered. A live stream may go on for minutes: what
    /// is left after the stop's time is broken off.
    private func drainDoors() async {
        let draining = Task { [http, api, events] in
            async let httpDone: Void? = http?.drain()
            async let apiDone: Void? = api?.drain()
            async let eventsDone: Void? = events?.drain()
            _ = await (httpDone, apiDone, eventsDone)
        }
        let deadline = Task {
            try await Task.sleep(for: Limits.stopTimeout)
            draining.cancel()
        }
        await draining.value
        deadline.cancel()
    }
}

extension DoorCondition {
    /// Health is told soon, for whoever asks whether the daemon lives. Readiness may take as long as
    /// the events that it speaks of.
    fileprivate init(_ condition: SpoolCondition) {
        self.init(
            health: { done in condition.read { done($0.trouble) } },
            readiness: { done in
                condition.read(within: Limits.acceptTimeout) { done($0.trouble) }
            })
    }
}

extension SpoolCondition.Reading {
    /// What stays in the spool, for the log; and how far that is known.
    var lastWords: Logger.Metadata {
        var words: Logger.Metadata = [:]
        if let report {
            words["queued"] = "\(report.queued)"
            words["in_flight"] = "\(report.inFlight)"
            words["delivered"] = "\(report.delivered)"
        }
        if report == nil || age > .zero { words["ledger_age"] = "\(age)" }
        if let trouble { words["trouble"] = "\(trouble)" }
        return words
    }
}

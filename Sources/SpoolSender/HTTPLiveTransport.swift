internal import AsyncHTTPClient
public import NIOCore
internal import NIOHTTP1
public import SpoolCore
internal import Synchronization

/// Live calls over HTTP/1.1: bodies as they come, both ways.
///
/// A client of its own beside that of ``HTTPTransport``, so that calls which last for minutes never
/// keep a delivery waiting for a connection.
public final class HTTPLiveTransport: LiveTransport {
    /// Upstream, as error messages name it.
    public let upstream: String
    private let client: HTTPClient
    private let loop: any EventLoop
    private let address: UpstreamAddress

    /// A transport to one destination; `group` runs the connections and outlives it.
    public init(to address: UpstreamAddress, on group: any EventLoopGroup) {
        // As many as there can be clients: none waits for another's stream.
        self.client = HTTPClient(
            eventLoopGroup: group,
            configuration: .upstream(connectionsMax: Limits.connectionsMax))
        self.loop = group.next()
        self.address = address
        self.upstream = address.description
    }

    /// Begins an exchange; `done` runs on an event loop of the group.
    public func begin(
        _ request: LiveRequest, _ done: @escaping @Sendable (LiveOutcome) -> Void
    ) -> any LiveCall {
        let exchange = LiveExchange(request, on: loop, done)
        do {
            var headers = HTTPHeaders(request.headers.map { ($0.name, $0.value) })
            if let host = address.host { headers.add(name: "Host", value: host) }
            let prepared = try HTTPClient.Request(
                url: address.prefix + request.target, method: HTTPMethod(rawValue: request.method),
                headers: headers, body: exchange.body)
            exchange.start {
                client.execute(
                    request: prepared, delegate: exchange, eventLoop: .delegate(on: loop))
            }
        } catch {
            exchange.finish(.failure(error))
        }
        return exchange
    }

    /// Closes all connections; calls under way are broken off.
    public func shutdown() async throws {
        try await client.shutdown()
    }
}

/// One live call: the client's delegate, the answer's body, and the handle to break it off.
///
/// One timer, set for whatever upstream owes at the moment: to take a part of the request, to begin
/// its answer, to send the next part of it. While the app is slow, upstream owes nothing.
private final class LiveExchange: HTTPClientResponseDelegate, LiveCall, ByteStream {
    typealias Response = Void

    private enum Failure: Error, CustomStringConvertible {
        case tooSlow(String)
        case cancelled
        case clientBrokeOff(String)

        var description: String {
            switch self {
            case .tooSlow(let what): what
            case .cancelled: "the call was broken off"
            case .clientBrokeOff(let reason): reason
            }
        }
    }

    private struct State {
        var done: (@Sendable (LiveOutcome) -> Void)?
        var isCancelled = false
        var isOver = false
        var task: HTTPClient.Task<Void>?
        var timer: Scheduled<Void>?
        var handover = StreamHandover()
        /// Kept until the part it belongs to is taken: upstream is not read before.
        var taken: EventLoopPromise<Void>?
        /// Kept until the request's body is written or given up.
        var upload: EventLoopPromise<Void>?
    }

    private let loop: any EventLoop
    private let request: LiveRequest
    private let state: Mutex<State>

    init(
        _ request: LiveRequest, on loop: any EventLoop,
        _ done: @escaping @Sendable (LiveOutcome) -> Void
    ) {
        self.request = request
        self.loop = loop
        self.state = Mutex(State(done: done))
    }

    /// Executes the request, and sees to its end.
    func start(_ execute: () -> HTTPClient.Task<Void>) {
        owe(request.firstByteTimeout, "it did not begin its answer")
        let task = execute()
        let isCancelled = state.withLock { state in
            if !state.isOver { state.task = task }
            return state.isCancelled
        }
        if isCancelled { task.fail(reason: Failure.cancelled) }
        task.futureResult.whenComplete { self.finish($0) }
    }

    /// What came of it in the end.
    func finish(_ result: Result<Void, any Error>) {
        let (done, taken, upload) = state.withLock { state in
            state.isOver = true
            state.task = nil
            state.timer?.cancel()
            defer { (state.done, state.taken, state.upload) = (nil, nil, nil) }
            return (state.isCancelled ? nil : state.done, state.taken, state.upload)
        }
        taken?.fail(Failure.cancelled)
        upload?.fail(Failure.cancelled)
        if case .stream(let body) = request.body { body.bytes.cancel() }
        switch result {
        case .success:
            offer(.end)
        case .failure(let error):
            let words = ConnectionWords.of(error)
            offer(.broken(reason: words))
            if case Failure.tooSlow(let what) = error {
                done?(.tooSlow(reason: what))
            } else {
                done?(.unreachable(reason: words))
            }
        }
    }

    func cancel() {
        let (task, taken) = state.withLock { state in
            state.isCancelled = true
            _ = state.handover.cancel()
            defer { state.taken = nil }
            return (state.task, state.taken)
        }
        taken?.fail(Failure.cancelled)
        task?.fail(reason: Failure.cancelled)
    }

    // MARK: Time

    /// Upstream owes something within `time`; until then nothing else counts.
    private func owe(_ time: Duration, _ what: String) {
        let timer = loop.scheduleTask(in: TimeAmount(time)) {
            let task = self.state.withLock { $0.task }
            task?.fail(
                reason: Failure.tooSlow("\(what) within \(time.components.seconds) seconds"))
        }
        setTimer(timer)
    }

    /// It is somebody else's turn.
    private func oweNothing() {
        setTimer(nil)
    }

    private func setTimer(_ timer: Scheduled<Void>?) {
        let old = state.withLock { state in
            guard !state.isOver else { return timer }
            defer { state.timer = timer }
            return state.timer
        }
        old?.cancel()
    }
}

// MARK: - The request's body

extension LiveExchange {
    /// The body as the client takes it.
    var body: HTTPClient.Body? {
        switch request.body {
        case .none: nil
        case .bytes(let bytes): .byteBuffer(ByteBuffer(bytes: bytes))
        case .stream(let body):
            .stream(contentLength: body.length.map { Int64($0) }) { writer in
                let upload = self.loop.makePromise(of: Void.self)
                let isOver = self.state.withLock { state in
                    if !state.isOver { state.upload = upload }
                    return state.isOver
                }
                if isOver {
                    upload.fail(Failure.cancelled)
                } else {
                    self.oweNothing()
                    self.pass(body.bytes, to: writer)
                }
                return upload.futureResult
            }
        }
    }

    private func pass(_ bytes: any ByteStream, to writer: HTTPClient.Body.StreamWriter) {
        bytes.next { part in
            switch part {
            case .bytes(let part):
                self.owe(self.request.idleTimeout, "it did not read on in the request")
                writer.write(.byteBuffer(ByteBuffer(bytes: part))).whenComplete { result in
                    switch result {
                    case .success:
                        self.oweNothing()
                        self.pass(bytes, to: writer)
                    case .failure(let error):
                        bytes.cancel()
                        self.endUpload { $0.fail(error) }
                    }
                }
            case .end:
                self.endUpload { $0.succeed() }
            case .broken(let reason):
                self.endUpload { $0.fail(Failure.clientBrokeOff(reason)) }
            }
        }
    }

    private func endUpload(_ end: (EventLoopPromise<Void>) -> Void) {
        let upload = state.withLock { state in
            defer { state.upload = nil }
            return state.upload
        }
        if let upload { end(upload) }
    }

    func didSendRequest(task: HTTPClient.Task<Void>) {
        let isAnswered = state.withLock { $0.done == nil }
        guard !isAnswered else { return }
        owe(request.firstByteTimeout, "it did not begin its answer")
    }
}

// MARK: - The answer

extension LiveExchange {
    func didReceiveHead(
        task: HTTPClient.Task<Void>, _ head: HTTPResponseHead
    ) -> EventLoopFuture<Void> {
        oweNothing()
        let done = state.withLock { state in
            defer { state.done = nil }
            return state.isCancelled ? nil : state.done
        }
        let isChunked = !head.headers["transfer-encoding"].isEmpty
        let length =
            isChunked ? nil : head.headers["content-length"].first.flatMap { Int($0) }
        done?(
            .answered(
                LiveAnswer(
                    status: Int(head.status.code),
                    headers: head.headers.map { ($0.name, $0.value) },
                    body: StreamedBody(self, length: length))))
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(
        task: HTTPClient.Task<Void>, _ part: ByteBuffer
    ) -> EventLoopFuture<Void> {
        guard part.readableBytes > 0 else { return task.eventLoop.makeSucceededVoidFuture() }
        oweNothing()
        let taken = task.eventLoop.makePromise(of: Void.self)
        let part = StreamPart.bytes(Array(part.readableBytesView))
        let offer = state.withLock { state in
            let offer = state.handover.offer(part)
            if case .waits = offer { state.taken = taken }
            return offer
        }
        switch offer {
        case .give(let reader):
            reader(part)
            taken.succeed()
        case .waits:
            break
        case .unwanted:
            taken.fail(Failure.cancelled)
        }
        return taken.futureResult
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {}

    func next(_ done: @escaping @Sendable (StreamPart) -> Void) {
        // Before the question: a part that comes right after it ends what upstream owes.
        owe(request.idleTimeout, "it did not go on with its answer")
        let (part, taken) = state.withLock { state in
            let part = state.handover.ask(done)
            defer { if part != nil { state.taken = nil } }
            return (part, part == nil ? nil : state.taken)
        }
        taken?.succeed()
        guard let part else { return }
        oweNothing()
        done(part)
    }

    private func offer(_ part: StreamPart) {
        if case .give(let reader) = state.withLock({ $0.handover.offer(part) }) { reader(part) }
    }
}
